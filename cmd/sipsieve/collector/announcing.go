// This file has methods of Collector because they are about what is lost, of all purposes.

package collector

import (
	"time"

	"sipsieve/capture"
	"sipsieve/store/cpni"
)

// lose notes what became of excerpts that are not put any more, at these places of a queue of live ones. An announcement
// among them is made again.
func (c *Collector) lose(purpose int, places []uint64, lost []loss) {
	l := &c.losses[purpose]
	now := time.Now()
	var head uint64
	if l.sent != nil {
		head = c.lanes.all[purpose].putBefore(l.place)
	}
	again, put := l.settled(head, places, now)
	put.done(c.config.Log)
	for _, one := range lost {
		if again && one.reason != "too_large" { // the announcement is no loss itself
			one.count--
			again = false
		}
		l.note(one, now)
	}
}

// announce makes the records of losses that are due.
func (c *Collector) announce(now time.Time) {
	c.waits = false
	for i, l := range c.lanes.all {
		one := c.losses[i].due(now)
		if one == nil {
			continue
		}
		r := cpni.OfLoss(one.Loss)
		r.Source = capture.Interface.String()
		place := l.live.added
		c.add(i, &r)
		switch {
		case l.live.added > place:
			c.losses[i].announced(one, place)
		case !l.live.stopped: // it has expired
			one.done(c.config.Log)
		}
	}
}

// repeatLosses has a loss that is pending announced also if the record of another one waits for the end of its window.
func (c *Collector) repeatLosses() {
	for i, l := range c.lanes.all {
		if one := &c.losses[i]; one.sent != nil && l.windows.holds(one.place) {
			one.sent = nil
		}
	}
}
