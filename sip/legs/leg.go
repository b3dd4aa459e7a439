package legs

import (
	"sipsieve/sip/event"
)

// A leg is one leg of a call. It holds no pointer; times are nanoseconds.
type leg struct {
	key      event.Key // Call-ID and caller tag
	group    event.Key // the name of its group if it is the first leg of one
	callID   uint64    // short, of its Call-ID
	time     int64     // of its INVITE, or of the first message seen
	until    int64     // when the link keys that hold for Limits.Window only are dropped
	src, dst uint64    // hosts, hashed
	port     uint16    // to which its INVITE was sent

	parent    uint32            // an earlier leg of its group; 0 for the first
	parentBy  event.Correlation // the score of the join with parent
	best      event.Correlation // the strongest of all its joins
	groupNext uint32            // the next leg of its group, a ring
	calls     uint16            // how many of it and its answered forks have not ended
	transfer  event.Transfer
	step      step
	n         uint8 // of keys
	keys      [event.MaxLinkKeys + 2]linkKey
}

// A linkKey is the hash of a text that legs of one call share, and the leg's place in the chain of legs that have it.
type linkKey struct {
	token uint64
	next  uint32 // the leg that had it before; 0 ends the chain
	kind  event.LinkKeyKind
}

// token returns the number by which a link key is found.
func token(kind event.LinkKeyKind, value uint64) uint64 {
	return value ^ uint64(kind)*0x9e3779b97f4a7c15
}

// A step is the purpose of a leg's timer.
type step uint8

// Steps of a leg, in their order.
const (
	inferring  step = iota // when it expires, the leg is joined without evidence, if possible
	inferred               // the leg is kept for others to be joined so
	windowOpen             // some of its link keys hold for a while only
	windowShut
)

// sameOrigin reports whether one host sent g and o. If it sends to itself, the ports are compared.
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

// called returns the value of the link key of the legs that the host to which g was sent sent on, for the same number.
func (g *leg) called() (value uint64, ok bool) {
	for _, k := range g.keys[:g.n] {
		if k.kind == event.ArrivedKey {
			return token(event.ArrivedKey, k.token), true // xor undoes itself
		}
	}
	return 0, false
}
