// This file has methods of Collector because what is read of a running one stands apart from what it does.

package collector

import (
	"cmp"
	"slices"

	"sipsieve/cmd/sipsieve/ledger"
)

// AddTo adds the counts of excerpts to l. It may be called from any goroutine.
func (c *Collector) AddTo(l *ledger.Ledger) { c.counters.AddTo(l) }

// Standstills returns which streams take nothing and why, the most important purpose first. It may be called from any
// goroutine.
func (c *Collector) Standstills() (list []*Standstill) {
	for _, l := range c.lanes.all {
		if s := l.publisher.standstill.Load(); s != nil {
			list = append(list, s)
		}
	}
	priority := func(s *Standstill) int {
		i := slices.IndexFunc(c.lanes.all, func(l *lane) bool { return l.publisher.purpose == s.Purpose })
		return c.lanes.all[i].priority
	}
	slices.SortStableFunc(list, func(a, b *Standstill) int { return cmp.Compare(priority(a), priority(b)) })
	return list
}
