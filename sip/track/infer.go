package track

import "sipsieve/sip/event"

// A step is what a leg's deadline is for.
type step uint8

// Steps of a leg, in their order.
const (
	inferring  step = iota // it is joined without any header, if it can be
	inferred               // it is kept for others to be joined so
	windowOpen             // some of its clues hold for a while only
	windowShut
)

// await sets n's deadline by its step.
func (l *Legs) await(n uint32) {
	g, near := l.legs.At(n), int64(l.limits.Near)
	switch g.step {
	case inferring:
		l.lapses.Set(n, g.at+near)
	case inferred:
		l.lapses.Set(n, g.at+2*near)
	default:
		g.step = windowOpen
		l.lapses.Set(n, g.until)
	}
}

// advance moves the clock to now, if that is later, and does what is due.
func (l *Legs) advance(now int64) {
	l.now = max(l.now, now)
	for n, at, ok := l.lapses.Expired(l.now - 1); ok; n, at, ok = l.lapses.Expired(l.now - 1) {
		g := l.legs.At(n)
		switch g.step {
		case inferring:
			l.infer(n)
			g.step = inferred
			l.await(n)
		case inferred:
			g.step = windowOpen
			l.drop(n, func(k event.ClueKind) bool { return k == event.ArrivedClue || k == event.LeftClue })
			l.await(n)
			l.release(n)
		case windowOpen:
			if at < g.until {
				l.await(n)
				continue
			}
			g.step = windowShut
			l.drop(n, ofTheWindow)
			l.release(n)
		}
	}
}

// ofTheWindow reports whether a clue holds for the window only.
func ofTheWindow(k event.ClueKind) bool {
	return k == event.ClueKind(event.CallIDRule) || k == event.ClueKind(event.SDPCorrelation) || k == event.ClueKind(event.TransferCorrelation) ||
		k == event.ReferClue
}

// ofTheLiving reports whether a clue of a call that is over says nothing any more. Others are still to be joined by
// what it handed on, and must not be taken for it.
func ofTheLiving(k event.ClueKind) bool {
	return k != event.ArrivedClue && k != event.LeftClue && k != event.ClueKind(event.TransferCorrelation) && k != event.ReferClue
}

// infer joins a with the one leg that left, within Near, the host that a came to, for the same number: if no other
// did, if no other call could have been meant by it, and if neither is joined with anything.
func (l *Legs) infer(a uint32) {
	g := l.legs.At(a)
	value, ok := l.called(a)
	if !ok || g.best != event.Uncorrelated || g.calls == 0 {
		return
	}
	b, n := l.sole(token(event.LeftClue, value), g.at+1, g.at+int64(l.limits.Near))
	if n == 1 && b != a && l.legs.At(b).calls > 0 {
		at := l.legs.At(b).at
		if _, n = l.sole(token(event.ArrivedClue, value), at-int64(l.limits.Near), at-1); n == 1 {
			l.join(a, b, event.Inferred)
			return
		}
	}
	if n > 1 {
		l.counts.ambiguous.Add(1)
	}
}

// called returns the clue by which legs that left the host that n came to, for the same number, are found.
func (l *Legs) called(n uint32) (value uint64, ok bool) {
	g := l.legs.At(n)
	for _, c := range g.clues[:g.n] {
		if c.kind == event.ArrivedClue {
			return token(event.ArrivedClue, c.token), true // the same operation undoes itself
		}
	}
	return 0, false
}

// sole returns an unlinked leg with this key that opened in [from, to], and how many there are.
// One that is over counts, too.
func (l *Legs) sole(t uint64, from, to int64) (p uint32, n int) {
	b := l.index[t]
	if b.common {
		return 0, mostShared
	}
	for q := b.first; q != 0; q = l.after(q, t) {
		if g := l.legs.At(q); g.best == event.Uncorrelated && g.at >= from && g.at <= to {
			p, n = q, n+1
		}
	}
	return p, n
}
