package legs

import "sipsieve/sip/event"

// candidates are the legs that share a link key with the leg that opens.
type candidates struct {
	legs   *Legs
	opened uint32 // the leg that opens
	by     event.Correlation
	n      int
	found  [2 * maxShared]uint32
	common bool // several calls have the key: it proves nothing
}

// take adds the fitting legs with a link key.
func (c *candidates) take(kind event.LinkKeyKind, value uint64) {
	t := token(kind, value)
	b := c.legs.keys.index[t]
	c.common = c.common || b.common
	for p := b.first; p != 0 && c.n < len(c.found); p = c.legs.keys.after(p, t) {
		if p == c.opened {
			continue
		}
		fits, foreign := c.fits(p)
		c.common = c.common || foreign
		if fits {
			c.found[c.n] = p
			c.n++
		}
	}
}

// fits reports whether the leg that opens can be another leg of p's call, and whether it is foreign to that: proof that
// several calls have the link key. Some equipment uses one key for all its calls. So a key does not join two legs that
// one host sent; and a leg from the host that sent the first leg of the call, or to the host that received it unless
// from a host to which the call went, is of another call.
func (c *candidates) fits(p uint32) (fits, foreign bool) {
	l := c.legs
	a, b := l.legs.At(c.opened), l.legs.At(p)
	if (c.by == event.CallIDRule || c.by == event.SDPCorrelation) && a.time-b.time > int64(l.limits.Window) {
		return false, false
	}
	if c.by != event.SDPCorrelation && c.by != event.ICIDCorrelation && c.by != event.SessionIDCorrelation {
		return true, false
	}
	first := l.legs.At(l.groups.root(p, 0))
	same := a.dst != 0 && a.dst == first.dst && first.src != first.dst && !l.groups.reached(p, a.src)
	if same || a.sameOrigin(first) {
		return false, true
	}
	return !a.sameOrigin(b), false
}

// settle returns one of c, if all are joined with each other. Legs of several calls are counted as ambiguous.
func (c *candidates) settle() (p uint32, ok bool) {
	for i, p := range c.found[:c.n] {
		c.common = c.common || i > 0 && c.legs.groups.root(p, 0) != c.legs.groups.root(c.found[0], 0)
	}
	if c.common {
		c.legs.counts.ambiguous.Add(1)
	}
	return c.found[0], c.n > 0 && !c.common
}
