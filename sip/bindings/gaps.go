// This file has methods of book because windows without packets are a job of their own beside the bindings.

package bindings

import (
	"slices"
	"time"
)

// A gap is when nothing was seen, in nanoseconds.
type gap struct{ from, to int64 }

// mostGaps bounds the gaps that are told apart.
const mostGaps = 16

// blind says that nothing was seen between from and to: a binding that may have been refreshed then expires as if it
// had been. The last gaps are remembered; what was before counts as one.
func (t *book) blind(from, to int64) {
	if last := len(t.gaps) - 1; last >= 0 && from <= t.gaps[last].to+int64(time.Second) {
		t.gaps[last] = gap{min(from, t.gaps[last].from), max(to, t.gaps[last].to)}
		return
	}
	if len(t.gaps) == mostGaps {
		t.gaps[1].from = t.gaps[0].from
		t.gaps = slices.Delete(t.gaps, 0, 1)
	}
	t.gaps = append(t.gaps, gap{from, to})
}

// unseen returns the end of the last gap between from and to, 0 without one.
func (t *book) unseen(from, to int64) int64 {
	for i := len(t.gaps) - 1; i >= 0; i-- {
		if g := t.gaps[i]; g.to > from && g.from < to {
			return g.to
		}
	}
	return 0
}
