// This file has methods of Collector because they are about excerpts that wait for the end of a window.

package collector

import (
	"cmp"
	"time"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/store/cpni"
)

// restore takes up the excerpts that the run before left in the log.
func (c *Collector) restore() {
	if c.config.Excerpts == nil {
		return
	}
	list, err := c.config.Excerpts.Excerpts()
	if err != nil {
		c.config.Log.Error("excerpts that wait cannot be read, those that are missing wait for the next start; look at the disk "+
			"of the state folder", "err", err)
	}
	c.takeUp(list)
}

// takeLate takes up those of a log that could not be read before.
func (c *Collector) takeLate() {
	if c.config.Excerpts != nil {
		c.takeUp(c.config.Excerpts.Late())
	}
}

// takeUp gathers excerpts of the run before, each for the end of its window. Those of a purpose that is none any more are
// dropped, counted and logged, and so is what cannot be read.
func (c *Collector) takeUp(list []checkpoint.SavedExcerpt) {
	dropped := map[string]uint64{}
	for i := range list {
		g, ends, err := readSaved(&list[i])
		number, known := c.numberOf(g.Purpose)
		if err != nil || !known {
			c.config.Excerpts.Reject()
			c.excerpts.remove(list[i].Name)
			dropped[g.Purpose]++
			continue
		}
		c.counters.Restore(number)
		l := c.lanes.all[number]
		l.windows.restore(g, ends, cmp.Or(l.purpose.Window(), time.Hour))
	}
	now := time.Now()
	for purpose, n := range dropped {
		if purpose == "" {
			c.config.Log.Error("excerpts that wait cannot be read and are dropped", "count", n)
			continue
		}
		c.config.Log.Error("excerpts that wait are dropped: the policy has no such purpose any more", "purpose", purpose, "count", n)
		if c.config.Lose != nil {
			c.config.Lose(purpose, cpni.Loss{From: now, To: now, Count: n, Reason: "purpose_gone"})
		}
	}
}

// numberOf returns the number of a purpose; false if there is no such.
func (c *Collector) numberOf(purpose string) (number int, known bool) {
	for i, l := range c.lanes.all {
		if l.purpose.Name == purpose {
			return i, true
		}
	}
	return 0, false
}

// leave has windows of a purpose leave, those for which it is time.
func (c *Collector) leave(purpose int, isTime func(*window) bool) {
	if expired := c.lanes.all[purpose].leave(isTime); expired > 0 {
		c.counters.Suppress(purpose, "expired", uint64(expired))
	}
}

// leaveAll is leave for all purposes, and has counted how many excerpts of each wait.
func (c *Collector) leaveAll(isTime func(*window) bool) {
	for i, l := range c.lanes.all {
		c.leave(i, isTime)
		c.counters.Wait(i, uint64(l.windows.count))
	}
}

// keepWindows has what waits stay in the log for the next start, when no domain sends any more. What the log's disk does
// not take leaves at once: rather early than never.
func (c *Collector) keepWindows() {
	waiting := 0
	for _, l := range c.lanes.all {
		waiting += l.windows.count
	}
	if waiting == 0 && c.config.Excerpts == nil {
		return
	}
	err := c.excerpts.flush()
	if err == nil && c.config.Excerpts != nil {
		return
	}
	if err != nil && waiting > 0 {
		c.config.Log.Error("excerpts that wait cannot be kept for the next start: they leave before the end of their window",
			"count", waiting, "err", err)
	}
	for i := range c.lanes.all {
		c.leave(i, func(*window) bool { return true })
	}
}

// flushExcerpts has it written what has left its window meanwhile.
func (c *Collector) flushExcerpts() {
	if err := c.excerpts.flush(); err != nil {
		c.config.Log.Error("excerpts that were put are put again at the next start, under the same ids", "err", err)
	}
	c.leaveAll(func(*window) bool { return false })
}
