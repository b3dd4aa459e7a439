package afpacket

import "time"

// A clock tells the time of day, which may be set, and the time since some moment, which may not.
type clock func() (wall time.Time, steady time.Duration)

func systemClock() clock {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start)
	}
}

// leastStep is more than a clock is corrected by while it is slewed, from one block to the next.
const leastStep = time.Second

// step returns by how much the wall clock was set between two looks, 0 for less than leastStep.
func step(wall, steady time.Duration) time.Duration {
	if by := wall - steady; by.Abs() > leastStep {
		return by
	}
	return 0
}
