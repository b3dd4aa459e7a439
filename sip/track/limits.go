package track

import "time"

// Limits bound what a Tracker remembers. What does not fit is counted, and the oldest goes. Trackers that share Budgets
// remember no more than that together; below the limits it makes no difference how many they are.
type Limits struct {
	Calls, Bindings int
	Ring            time.Duration // longest wait for a final response
	Talk            time.Duration // longest silence of a call without a session timer
	Interim         time.Duration // how often a call that is up is told; 0 for never

	// A source is a /24 of IPv4 or a /48 of IPv6. It may have PerSource calls open that got neither a provisional
	// response but 100 nor an answer, and open PerSecond of them a second, after as many as PerSource at once. Either
	// 0 is no limit.
	PerSource, PerSecond int
}

// DefaultLimits returns the limits that suit a small SBC.
func DefaultLimits() Limits {
	return Limits{Calls: 200_000, Bindings: 100_000, Ring: 4 * time.Minute, Talk: 4 * time.Hour,
		PerSource: 2000, PerSecond: 200}
}
