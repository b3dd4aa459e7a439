package event

import (
	"slices"
	"sort"
	"time"

	"sipsieve/sip/mem"
)

// A Window is a time in which packets were lost: after From and not after To, in nanoseconds.
type Window struct{ From, To int64 }

// Windows are those of one clock, in the order of time and apart from each other. There are 64 at most: the two that
// are closest become one when there are more. The zero Windows are empty.
type Windows []Window

const mostWindows = 64

// Add adds w, as one with those that it overlaps or is no further from than join. A w that ends before it begins is
// ignored.
func (l *Windows) Add(w Window, join time.Duration) {
	if w.To < w.From {
		return
	}
	all := *l
	i := sort.Search(len(all), func(i int) bool { return all[i].To >= w.From-int64(join) })
	j := i
	for ; j < len(all) && all[j].From <= w.To+int64(join); j++ {
		w = Window{min(w.From, all[j].From), max(w.To, all[j].To)}
	}
	*l = slices.Replace(all, i, j, w)
	if len(*l) > mostWindows {
		l.joinClosest()
	}
}

// joinClosest makes the two closest windows one.
func (l *Windows) joinClosest() {
	all, near := *l, 1
	for i := 2; i < len(all); i++ {
		if all[i].From-all[i-1].To < all[near].From-all[near-1].To {
			near = i
		}
	}
	all[near-1].To = all[near].To
	*l = slices.Delete(all, near, near+1)
}

// Overlap reports whether packets may have been lost of what was open from first to last.
func (l Windows) Overlap(first, last int64) bool { return l.LastEnd(first, last) != 0 }

// LastEnd returns the end of the last window that overlaps the time from first to last, 0 without one.
func (l Windows) LastEnd(first, last int64) int64 {
	i := sort.Search(len(l), func(i int) bool { return l[i].From > last }) - 1
	if i < 0 || l[i].To <= first {
		return 0
	}
	return l[i].To
}

// Code writes l, or reads it.
func (l *Windows) Code(c *mem.Coder) {
	n := uint8(len(*l))
	mem.Number(c, &n)
	if c.Reading && !c.Wrong && n <= mostWindows {
		*l = make(Windows, n)
	}
	for i := range *l {
		c.Signed(&(*l)[i].From)
		c.Signed(&(*l)[i].To)
	}
}
