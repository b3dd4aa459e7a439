package event

import (
	"time"

	"sipsieve/sip/mem"
)

// A Clock is a steady clock: the packets' clock without its recorded jumps. Records of a call have times of the
// packets' clock as it was when the call opened, so that no difference of two of them contains a jump. Times are
// nanoseconds.
type Clock struct {
	Now   int64  // on the steady clock
	Drift int64  // the sum of all jumps of the packets' clock
	Steps uint16 // how many there were
}

// Step records a jump of the packets' clock by delta, just before now (on the new clock).
func (c *Clock) Step(now time.Time, delta time.Duration) {
	c.Drift += int64(delta)
	c.Steps++
	c.Now = max(c.Now, c.Steady(now))
}

// Steady returns the packet time t on the steady clock.
func (c *Clock) Steady(t time.Time) int64 { return t.UnixNano() - c.Drift }

// Code writes the jumps of c, or reads them.
func (c *Clock) Code(b *mem.Coder) {
	b.Signed(&c.Drift)
	mem.Number(b, &c.Steps)
}
