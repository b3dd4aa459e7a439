package afpacket

import "time"

// A clock returns the wall clock, which may be set, and the monotonic time since some moment, which may not.
type clock func() (wall time.Time, steady time.Duration)

func systemClock() clock {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start)
	}
}

// leastStep is more than slewing changes a clock from one block to the next.
const leastStep = time.Second

// step returns by how much the wall clock was set in a time that both clocks measured, 0 for less than leastStep.
func step(wall, steady time.Duration) time.Duration {
	if d := wall - steady; d.Abs() > leastStep {
		return d
	}
	return 0
}
