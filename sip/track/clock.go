package track

import "time"

// A clock counts time steadily: it is the packets' clock without the jumps that it was told of. Records of a call
// bear the packets' clock as it was when the call opened, so that no difference of two of their times has a jump in it.
// Times are nanoseconds.
type clock struct {
	now   int64  // on the steady clock
	drift int64  // the sum of all jumps of the packets' clock
	steps uint16 // how many there were
}

// step records a jump of the packets' clock by delta, just before now (on the new clock).
func (c *clock) step(now time.Time, delta time.Duration) {
	c.drift += int64(delta)
	c.steps++
	c.now = max(c.now, c.steady(now))
}

// steady returns the packet time t on the steady clock.
func (c *clock) steady(t time.Time) int64 { return t.UnixNano() - c.drift }

// code writes what of c a restart must keep, or reads it.
func (c *clock) code(b *coder) {
	b.signed(&c.drift)
	number(b, &c.steps)
}
