package track

import (
	"slices"
	"sort"
	"time"
)

// mostLosses bounds the windows that are remembered. The two that are closest become one when there are more.
const mostLosses = 64

// A window is a stretch of time in which frames were lost, nanoseconds.
type window struct{ from, to int64 }

// losses are windows in the order of time, apart from each other.
type losses []window

// Missed says that frames were lost after from and not after to. Every call that was open at any moment between is
// told with LossWindow. Say it before the Message or the time that follows the loss: a call that was told since from
// is told again as a correction, the next time that the clock moves.
func (t *Tracker) Missed(from, to time.Time) {
	if to.Before(from) {
		return
	}
	w := window{t.steady(from), t.steady(to)}
	if t.stages.Has(Correction) {
		for n := t.rows.Last(overRow); n != 0; {
			d := t.dialogs.At(n)
			if d.closed < w.from {
				break
			}
			if d.first < w.to && !t.losses.meet(d.first, d.closed) {
				t.blinded = append(t.blinded, n)
			}
			n = t.rows.Before(n)
		}
	}
	t.losses = t.losses.with(w)
	t.blind(w.from, w.to)
}

// correctBlinded publishes again, at now, what was published before frames were said to have been lost.
func (t *Tracker) correctBlinded(now int64) {
	for _, n := range t.blinded {
		t.finish(t.dialogs.At(n), now)
	}
	t.blinded = t.blinded[:0]
}

// with returns l with w in it.
func (l losses) with(w window) losses {
	i := sort.Search(len(l), func(i int) bool { return l[i].to >= w.from })
	j := i
	for ; j < len(l) && l[j].from <= w.to; j++ {
		w = window{min(w.from, l[j].from), max(w.to, l[j].to)}
	}
	l = slices.Replace(l, i, j, w)
	if len(l) <= mostLosses {
		return l
	}
	near := 1
	for i := 2; i < len(l); i++ {
		if l[i].from-l[i-1].to < l[near].from-l[near-1].to {
			near = i
		}
	}
	l[near-1].to = l[near].to
	return slices.Delete(l, near, near+1)
}

// meet reports whether a call that was open in [from, to] was open in one of the windows.
func (l losses) meet(from, to int64) bool {
	i := sort.Search(len(l), func(i int) bool { return l[i].to > from })
	return i < len(l) && l[i].from <= to
}
