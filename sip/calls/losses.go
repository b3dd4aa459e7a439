// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"slices"
	"sort"

	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// mostLosses bounds the windows that are remembered. The two that are closest become one when there are more.
const mostLosses = 64

// A window is a stretch of time in which frames were lost, nanoseconds.
type window struct{ from, to int64 }

// losses are windows in the order of time, apart from each other.
type losses []window

// Missed takes note that frames were lost after from and not after to: what was published as over since then is published again.
func (t *Table) Missed(from, to int64) {
	w := window{from, to}
	if t.stages.Has(event.Correction) {
		for n := t.rows.Last(overRow); n != 0; n = t.rows.Before(n) {
			d := t.dialogs.At(n)
			if d.Closed < w.from {
				break
			}
			if d.FirstSeen < w.to && !t.losses.meet(d.FirstSeen, d.Closed) {
				t.blinded = append(t.blinded, n)
			}
		}
	}
	t.losses = t.losses.with(w)
}

// correctBlinded publishes again, at now, what was published before frames were said to have been lost.
func (t *Table) correctBlinded(now int64) {
	for _, n := range t.blinded {
		t.publishEnd(t.dialogs.At(n), now)
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

// code writes l, or reads it.
func (l *losses) code(c *mem.Coder) {
	n := uint8(len(*l))
	mem.Number(c, &n)
	if c.Reading && !c.Wrong && n <= mostLosses {
		*l = make(losses, n)
	}
	for i := range *l {
		c.Signed(&(*l)[i].from)
		c.Signed(&(*l)[i].to)
	}
}
