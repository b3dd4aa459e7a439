package track

import (
	"time"

	"sipsieve/sip/calls"
	"sipsieve/sip/mem"
)

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

// calls returns those of calls.
func (l *Limits) calls() calls.Limits {
	return calls.Limits{Calls: l.Calls, Ring: l.Ring, Talk: l.Talk, Interim: l.Interim, PerSource: l.PerSource,
		PerSecond: l.PerSecond}
}

// DefaultLimits returns the limits that suit a small SBC.
func DefaultLimits() Limits {
	return Limits{Calls: 200_000, Bindings: 100_000, Ring: 4 * time.Minute, Talk: 4 * time.Hour,
		PerSource: 2000, PerSecond: 200}
}

// Budgets are those of a host.
type Budgets struct {
	Calls, Bindings, Registers *mem.Budget // of Trackers; Registers are REGISTER requests that wait for their responses
	Legs, Devices              *mem.Budget // of Domains
}

// NewBudgets returns those of a host with so many Domains of so many Trackers each; devices is how many are remembered.
func NewBudgets(l Limits, devices, domains, trackers int) Budgets {
	all := domains * trackers
	return Budgets{Calls: mem.NewBudget(l.Calls, all), Bindings: mem.NewBudget(l.Bindings, all),
		Registers: mem.NewBudget(l.Bindings, all), Legs: mem.NewBudget(l.Calls, domains),
		Devices: mem.NewBudget(devices, domains)}
}
