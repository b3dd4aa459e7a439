package legs

import (
	"sipsieve/sip/event"
)

// A leg is a call as Legs remember it. It holds no pointer; times are nanoseconds.
type leg struct {
	key      event.Key // Call-ID and caller tag
	group    event.Key // the name of its group if it is the first leg of one
	callID   uint64    // short, of its Call-ID
	at       int64     // its INVITE, or the first message seen
	until    int64     // when link keys that hold for the window are dropped
	src, dst uint64    // hosts, hashed
	port     uint16    // to which its INVITE was sent

	parent    uint32            // an earlier leg that it is joined with by parentBy; 0 for the first
	parentBy  event.Correlation // the score of the join with parent
	best      event.Correlation // the strongest of all its joins
	groupNext uint32            // the next of the legs that it is joined with by anything, a ring
	calls     uint16            // how many of it and its answered forks are not over
	transfer  event.Transfer
	step      step
	n         uint8 // of keys
	keys      [event.MaxLinkKeys + 2]linkKey
}

// A linkKey is a text that legs of one call have alike, hashed with its kind, and the leg's place among those that have
// it.
type linkKey struct {
	token uint64
	next  uint32 // the leg that had it before; 0 ends the chain
	kind  event.LinkKeyKind
}

// token returns what a link key is found by.
func token(kind event.LinkKeyKind, value uint64) uint64 {
	return value ^ uint64(kind)*0x9e3779b97f4a7c15
}

// A step is what a leg's timer is for.
type step uint8

// Steps of a leg, in their order.
const (
	inferring  step = iota // when it expires, the leg is joined without evidence, if it can be
	inferred               // the leg is kept for others to be joined so
	windowOpen             // some of its link keys hold for a while only
	windowShut
)

// sameOrigin reports whether g and o left one host. Of a host that sends to itself, the ports differ.
func (g *leg) sameOrigin(o *leg) bool {
	if o.src == o.dst {
		return g.src == o.src && g.port == o.port
	}
	return g.src != 0 && g.src == o.src
}

// has reports whether one of the link keys of g has this token.
func (g *leg) has(token uint64) bool {
	for _, k := range g.keys[:g.n] {
		if k.token == token {
			return true
		}
	}
	return false
}

// called returns the value of the link key by which the legs are found that left the host that g came to, for the same
// number.
func (g *leg) called() (value uint64, ok bool) {
	for _, k := range g.keys[:g.n] {
		if k.kind == event.ArrivedKey {
			return token(event.ArrivedKey, k.token), true // xor undoes itself
		}
	}
	return 0, false
}
