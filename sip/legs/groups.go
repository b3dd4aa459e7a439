package legs

import (
	"bytes"

	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// maxJoined limits the legs of one group.
const maxJoined = 64

// groups are the groups of joined legs at every score: a forest in which the parent of a leg is an earlier leg, so that
// the root at a score is the earliest leg that joins of at least that score connect with it.
type groups struct{ legs *mem.Slab[leg] }

// root returns the earliest leg that joins of at least the score min connect with n.
func (f groups) root(n uint32, min int) uint32 {
	for g := f.legs.At(n); g.parent != 0 && g.parentBy.Score() >= min; g = f.legs.At(n) {
		n = g.parent
	}
	return n
}

// join joins a and b. merged reports whether they were in two groups before; ok is false if those together are too
// large, and nothing was joined.
func (f groups) join(a, b uint32, by event.Correlation) (merged, ok bool) {
	if f.root(a, 0) != f.root(b, 0) {
		if f.size(a)+f.size(b) > maxJoined {
			return false, false
		}
		x, y := f.legs.At(a), f.legs.At(b)
		x.groupNext, y.groupNext = y.groupNext, x.groupNext
		merged = true
	}
	f.mark(a, by)
	f.mark(b, by)
	f.unionByScore(a, b, by)
	return merged, true
}

// mark records that n is joined by c.
func (f groups) mark(n uint32, c event.Correlation) {
	g := f.legs.At(n)
	g.best = max(g.best, c)
}

// size returns how many legs the group of n has.
func (f groups) size(n uint32) int {
	count := 1
	for p := f.legs.At(n).groupNext; p != n; p = f.legs.At(p).groupNext {
		count++
	}
	return count
}

// unionByScore gives a and b one root at this score and at all lower ones, and keeps the earliest leg as root. A weaker
// join that this replaces is made again between the roots.
func (f groups) unionByScore(a, b uint32, by event.Correlation) {
	for {
		a, b = f.root(a, by.Score()), f.root(b, by.Score())
		if a == b {
			return
		}
		if f.earlier(a, b) {
			a, b = b, a
		}
		g := f.legs.At(a)
		parent, parentBy := g.parent, g.parentBy
		g.parent, g.parentBy = b, by
		if parent == 0 {
			return
		}
		a, by = parent, parentBy
	}
}

// earlier reports whether a opened before b.
func (f groups) earlier(a, b uint32) bool {
	x, y := f.legs.At(a), f.legs.At(b)
	return x.time < y.time || x.time == y.time && bytes.Compare(x.key[:], y.key[:]) < 0
}

// reached reports whether n, or a leg of its group, was sent to that host.
func (f groups) reached(n uint32, host uint64) bool {
	for p := f.legs.At(n).groupNext; ; p = f.legs.At(p).groupNext {
		if f.legs.At(p).dst == host {
			return true
		}
		if p == n {
			return false
		}
	}
}

// joinOf returns the groups of n.
func (f groups) joinOf(n uint32) (j event.Join) {
	g := f.legs.At(n)
	if j.Best = g.best; j.Best == event.Uncorrelated {
		return j
	}
	for by := j.Best; ; {
		n = f.root(n, by.Score())
		g = f.legs.At(n)
		j.Ties = append(j.Ties, event.Tie{By: by, Group: g.group})
		if g.parent == 0 {
			return j
		}
		by = g.parentBy
	}
}
