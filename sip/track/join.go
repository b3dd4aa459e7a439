package track

import (
	"bytes"
	"sipsieve/sip/event"
)

// joinOf returns what n is joined with.
func (l *Legs) joinOf(n uint32) (j event.Join) {
	g := l.legs.At(n)
	if j.Best = g.best; j.Best == event.Uncorrelated {
		return j
	}
	for by := j.Best; ; {
		n = l.first(n, by.Score())
		g = l.legs.At(n)
		j.Ties = append(j.Ties, event.Tie{By: by, Group: g.group})
		if g.up == 0 {
			return j
		}
		by = g.upBy
	}
}

// first returns the first leg of those that are joined with n by min or more.
func (l *Legs) first(n uint32, min int) uint32 {
	for g := l.legs.At(n); g.up != 0 && g.upBy.Score() >= min; g = l.legs.At(n) {
		n = g.up
	}
	return n
}

// joinOpened joins n with the legs that its INVITE shows it to belong with: those of a transfer, and those that the
// strongest evidence of one call names.
func (l *Legs) joinOpened(n uint32, e *event.Evidence) {
	l.transfer(n, e, event.Attended)
	if p, ok := l.only(n, event.ReferClue, e.First(event.ReferredClue)); ok {
		l.handOn(n, p, event.Blind)
	}
	for by := event.HeaderCorrelation; by > event.Inferred; by-- {
		if l.joinBy(n, e, by) {
			return
		}
	}
}

// joinReferred takes note of an accepted REFER in n. The call that follows has the name of n's group, even if n is
// told before it is seen.
func (l *Legs) joinReferred(n uint32, e *event.Evidence) {
	if e.N == 0 {
		return
	}
	if v := e.First(event.ReferClue); v != 0 {
		l.hold(n, event.ReferClue, v)
	}
	l.note(n, event.TransferCorrelation)
	l.transfer(n, e, event.Attended)
	l.legs.At(n).until = l.now + int64(l.limits.Window)
	l.await(n)
}

// transfer joins n with the call that Replaces in e names, and with those that name the same.
func (l *Legs) transfer(n uint32, e *event.Evidence, how event.Transfer) {
	v := e.First(event.ClueKind(event.TransferCorrelation))
	if v == 0 {
		return
	}
	l.hold(n, event.ClueKind(event.TransferCorrelation), v)
	for _, t := range [...]uint64{token(event.NameClue, v), token(event.ClueKind(event.TransferCorrelation), v)} {
		for p := l.index[t].first; p != 0; p = l.after(p, t) {
			l.handOn(n, p, how)
		}
	}
}

// handOn joins two legs of a transfer.
func (l *Legs) handOn(a, b uint32, how event.Transfer) {
	if a != b && l.join(a, b, event.TransferCorrelation) {
		l.legs.At(a).transfer, l.legs.At(b).transfer = how, how
	}
}

// only returns the leg that has a clue, if all that have it are joined already.
func (l *Legs) only(n uint32, kind event.ClueKind, value uint64) (p uint32, ok bool) {
	if value == 0 {
		return 0, false
	}
	c := candidates{legs: l, of: n}
	c.take(kind, value)
	return c.settle()
}

// joinBy joins n with the legs of the one call that its clues for by name. It reports false if there is none, or
// if there are several.
func (l *Legs) joinBy(n uint32, e *event.Evidence, by event.Correlation) bool {
	c := candidates{legs: l, of: n, by: by}
	kind := event.ClueKind(by)
	for i, k := range e.Kinds[:e.N] {
		if namesCallID(by) && (k == kind || k == event.PointerClue && by == event.HeaderCorrelation) {
			c.take(event.NameClue, e.Values[i])
		}
	}
	if namesCallID(by) {
		c.take(kind, l.legs.At(n).name)
	}
	named := c.n > 0
	for i, k := range e.Kinds[:e.N] {
		if k == kind && !named { // who is named need not be guessed
			c.take(kind, e.Values[i])
		}
	}
	if _, ok := c.settle(); ok {
		for _, p := range c.found[:c.n] {
			l.join(n, p, by)
		}
		return true
	}
	if c.common {
		l.distrust(e, kind)
	}
	return false
}

// distrust takes the clues of that kind in e for such as several calls have, until all that have them are gone.
func (l *Legs) distrust(e *event.Evidence, kind event.ClueKind) {
	for i, k := range e.Kinds[:e.N] {
		if b, ok := l.index[token(k, e.Values[i])]; ok && k == kind {
			b.common = true
			l.index[token(k, e.Values[i])] = b
		}
	}
}

// namesCallID reports whether the mark of c may be the other leg's Call-ID.
func namesCallID(c event.Correlation) bool {
	return c == event.HeaderCorrelation || c == event.HEPCorrelation || c == event.CallIDRule
}

// candidates are the legs that share a clue with a leg.
type candidates struct {
	legs   *Legs
	of     uint32
	by     event.Correlation
	n      int
	found  [2 * mostShared]uint32
	common bool
}

// take adds those with a clue that fit.
func (c *candidates) take(kind event.ClueKind, value uint64) {
	t := token(kind, value)
	b := c.legs.index[t]
	c.common = c.common || b.common
	for p := b.first; p != 0 && c.n < len(c.found); p = c.legs.after(p, t) {
		if p == c.of {
			continue
		}
		fits, foreign := c.legs.fits(c.of, p, c.by)
		c.common = c.common || foreign
		if fits {
			c.found[c.n] = p
			c.n++
		}
	}
}

// settle returns one of c, if all are joined with each other. More than one call is counted.
func (c *candidates) settle() (uint32, bool) {
	for i, p := range c.found[:c.n] {
		c.common = c.common || i > 0 && c.legs.first(p, 0) != c.legs.first(c.found[0], 0)
	}
	if c.common {
		c.legs.counts.ambiguous.Add(1)
	}
	return c.found[0], c.n > 0 && !c.common
}

// fits reports whether n, which opens now, can be another leg of p's call by that evidence, and whether it is foreign
// to it: proof that several calls have the mark. Equipment makes some marks by itself, and may have one for all its
// calls. So they join no two legs that left one host; and one that left where the call came from, or came to where
// the call came to, unless from a host that the call went to, is another call.
func (l *Legs) fits(n, p uint32, by event.Correlation) (fits, foreign bool) {
	a, b := l.legs.At(n), l.legs.At(p)
	if (by == event.CallIDRule || by == event.SDPCorrelation) && a.at-b.at > int64(l.limits.Window) {
		return false, false
	}
	if by != event.SDPCorrelation && by != event.ICIDCorrelation && by != event.SessionIDCorrelation {
		return true, false
	}
	first := l.legs.At(l.first(p, 0))
	again := a.dst != 0 && a.dst == first.dst && first.src != first.dst && !l.wentTo(p, a.src)
	if again || a.beside(first) {
		return false, true
	}
	return !a.beside(b), false
}

// wentTo reports whether a leg that p is joined with, or p, went to that host.
func (l *Legs) wentTo(p uint32, host uint64) bool {
	for q := l.legs.At(p).circle; ; q = l.legs.At(q).circle {
		if l.legs.At(q).dst == host {
			return true
		}
		if q == p {
			return false
		}
	}
}

// beside reports whether g and o left one host. One that speaks to itself is told by the ports.
func (g *knownLeg) beside(o *knownLeg) bool {
	if o.src == o.dst {
		return g.src == o.src && g.port == o.port
	}
	return g.src != 0 && g.src == o.src
}

// join joins two legs. It reports false if their groups together were too large.
func (l *Legs) join(a, b uint32, by event.Correlation) bool {
	if l.first(a, 0) != l.first(b, 0) {
		if l.size(a)+l.size(b) > mostJoined {
			l.counts.full.Add(1)
			return false
		}
		x, y := l.legs.At(a), l.legs.At(b)
		x.circle, y.circle = y.circle, x.circle
		l.counts.joined[by].Add(1)
	}
	l.note(a, by)
	l.note(b, by)
	l.graft(a, b, by)
	return true
}

func (l *Legs) size(n uint32) int {
	count := 1
	for p := l.legs.At(n).circle; p != n; p = l.legs.At(p).circle {
		count++
	}
	return count
}

func (l *Legs) note(n uint32, by event.Correlation) {
	g := l.legs.At(n)
	g.best = max(g.best, by)
}

// graft gives a and b one first leg at this score, and at all lower ones. A
// join that this puts in the place of a weaker one of the same leg is grafted in its turn.
func (l *Legs) graft(a, b uint32, by event.Correlation) {
	for {
		a, b = l.first(a, by.Score()), l.first(b, by.Score())
		if a == b {
			return
		}
		if l.before(a, b) {
			a, b = b, a
		}
		g := l.legs.At(a)
		up, upBy := g.up, g.upBy
		g.up, g.upBy = b, by
		if up == 0 {
			return
		}
		a, by = up, upBy
	}
}

// before reports whether a opened before b.
func (l *Legs) before(a, b uint32) bool {
	x, y := l.legs.At(a), l.legs.At(b)
	return x.at < y.at || x.at == y.at && bytes.Compare(x.key[:], y.key[:]) < 0
}
