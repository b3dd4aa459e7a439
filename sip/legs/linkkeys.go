package legs

import (
	"sync/atomic"

	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// maxShared limits the legs that have one link key.
const maxShared = 16

// linkKeys find legs by their link keys.
type linkKeys struct {
	legs   *mem.Slab[leg]
	index  map[uint64]bucket // by token
	shared *atomic.Uint64    // counts keys that were not added
}

// A bucket is the legs that have one link key, the newest first.
type bucket struct {
	first  uint32
	n      uint8
	common bool // too many legs had it: it proves nothing until they are gone
}

// add adds a link key to n. It reports false if too many legs have it, or n has too many.
func (x *linkKeys) add(n uint32, kind event.LinkKeyKind, value uint64) bool {
	g, t := x.legs.At(n), token(kind, value)
	if g.has(t) {
		return true
	}
	b := x.index[t]
	if b.n == maxShared {
		b.common = true
		x.index[t] = b
	}
	if b.n == maxShared || int(g.n) == len(g.keys) {
		x.shared.Add(1)
		return false
	}
	g.keys[g.n] = linkKey{token: t, next: b.first, kind: kind}
	g.n++
	x.index[t] = bucket{first: n, n: b.n + 1, common: b.common}
	return true
}

// addEvidence adds a link key of the INVITE of n.
func (x *linkKeys) addEvidence(n uint32, kind event.LinkKeyKind, value uint64) {
	g := x.legs.At(n)
	switch {
	case kind == event.PointerKey || kind == event.ReferredKey: // by these others are found, but not n
	case kind != event.CalledKey:
		x.add(n, kind, value)
	case g.src != 0:
		x.add(n, event.ArrivedKey, value^g.dst)
		x.add(n, event.LeftKey, value^g.src)
	}
}

// drop removes the link keys of n whose kind is one of those for which gone returns true.
func (x *linkKeys) drop(n uint32, gone func(event.LinkKeyKind) bool) {
	g := x.legs.At(n)
	for i := 0; i < int(g.n); {
		k := g.keys[i]
		if !gone(k.kind) {
			i++
			continue
		}
		x.unlink(n, k)
		g.n--
		g.keys[i] = g.keys[g.n]
	}
}

// unlink removes n from the chain of the legs that have k.
func (x *linkKeys) unlink(n uint32, k linkKey) {
	b := x.index[k.token]
	if b.first == n {
		b.first = k.next
	} else {
		p := b.first
		for x.after(p, k.token) != n {
			p = x.after(p, k.token)
		}
		x.place(p, k.token).next = k.next
	}
	if b.n--; b.n == 0 {
		delete(x.index, k.token)
	} else {
		x.index[k.token] = b
	}
}

// after returns the leg after n in the chain of those with this token, 0 after the last.
func (x *linkKeys) after(n uint32, token uint64) uint32 { return x.place(n, token).next }

func (x *linkKeys) place(n uint32, token uint64) *linkKey {
	g := x.legs.At(n)
	i := 0
	for g.keys[i].token != token {
		i++
	}
	return &g.keys[i]
}

// find returns the leg with that Call-ID and caller tag, 0 without one.
func (x *linkKeys) find(call, key event.Key) uint32 {
	t := token(event.CallIDKey, call.Short())
	for n := x.index[t].first; n != 0; n = x.after(n, t) {
		if x.legs.At(n).key == key {
			return n
		}
	}
	return 0
}

// uniqueCandidate returns an unlinked leg with this token that opened in [start, end], and how many there are, ended
// ones included.
func (x *linkKeys) uniqueCandidate(token uint64, start, end int64) (p uint32, n int) {
	b := x.index[token]
	if b.common {
		return 0, maxShared
	}
	for q := b.first; q != 0; q = x.after(q, token) {
		if g := x.legs.At(q); g.best == event.Uncorrelated && g.time >= start && g.time <= end {
			p, n = q, n+1
		}
	}
	return p, n
}

// distrust marks the link keys of that kind in e as ones that several calls have, until all that have them are gone.
func (x *linkKeys) distrust(e *event.Evidence, kind event.LinkKeyKind) {
	for i, k := range e.Kinds[:e.N] {
		t := token(k, e.Values[i])
		if b, ok := x.index[t]; ok && k == kind {
			b.common = true
			x.index[t] = b
		}
	}
}

// forWindow reports whether a link key of that kind holds for Limits.Window only.
func forWindow(k event.LinkKeyKind) bool {
	return k == event.LinkKeyKind(event.CallIDRule) || k == event.LinkKeyKind(event.SDPCorrelation) ||
		k == event.LinkKeyKind(event.TransferCorrelation) || k == event.ReferKey
}

// forLiveCalls reports whether a link key of that kind is dropped when its call ends. Legs are still joined with ended
// calls by the other kinds: by host and number, and by a transfer.
func forLiveCalls(k event.LinkKeyKind) bool {
	return k != event.ArrivedKey && k != event.LeftKey && k != event.LinkKeyKind(event.TransferCorrelation) &&
		k != event.ReferKey
}
