package main

import (
	"slices"
	"time"

	"sipsieve/capture"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// shed makes room for a batch when too many excerpts of live sources wait for the bus, so that calls are followed on:
// the newest of the least important purpose go. Each is counted, and announced to its purpose.
func (c *collector) shed() {
	if len(c.pending) < shedLimit {
		return
	}
	for most := len(c.pending) - (shedLimit - putLimit); most > 0; {
		least := c.leastImportant()
		n := c.drop(least, most)
		most -= n
		c.counters.Suppress(least, "overflow", uint64(n))
		c.note(lossOf{purpose: least, count: uint64(n), at: time.Now(), reason: "overflow"})
	}
}

// drop takes the newest of a purpose's pending excerpts away, as many as are told, and returns how many there were.
func (c *collector) drop(purpose, most int) (n int) {
	for i := len(c.pending) - 1; i >= 0 && n < most; i-- {
		if c.purpose(c.pending[i].Purpose) == purpose {
			c.pending[i].Purpose = ""
			n++
		}
	}
	c.pending = slices.DeleteFunc(c.pending, func(x policy.Excerpt) bool { return x.Purpose == "" })
	return n
}

// leastImportant returns the purpose with the highest priority number of those that wait, the last of equals.
func (c *collector) leastImportant() (least int) {
	least = -1
	for i := range c.pending {
		at := c.purpose(c.pending[i].Purpose)
		if least < 0 || c.d.Purposes[at].Priority > c.d.Purposes[least].Priority ||
			c.d.Purposes[at].Priority == c.d.Purposes[least].Priority && at > least {
			least = at
		}
	}
	return least
}

// A lossOf is excerpts of a purpose that were not put.
type lossOf struct {
	purpose int
	count   uint64
	at      time.Time
	reason  string // a word of a closed set
}

// note adds l to what is to be announced to its purpose. Several reasons are told by the first.
func (c *collector) note(l lossOf) {
	if have := c.losses[l.purpose]; have != nil {
		have.Count += l.count
		have.To = l.at
		return
	}
	c.losses[l.purpose] = &cpni.Loss{From: l.at, To: l.at, Count: l.count, Reason: l.reason}
}

// announce tells purposes what they did not get, if the last of it was so long ago that there may be room again.
func (c *collector) announce(after time.Duration) {
	for i, l := range c.losses {
		if l != nil && time.Since(l.To) >= after {
			r := cpni.OfLoss(*l)
			r.Source = capture.Interface.String()
			c.add(i, &r)
			c.losses[i] = nil
		}
	}
}
