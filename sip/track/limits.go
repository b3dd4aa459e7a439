package track

import (
	"time"

	"sipsieve/sip/calls"
	"sipsieve/sip/mem"
)

// Limits are those of a Tracker. What exceeds them is refused or evicted, and counted. Trackers that share Budgets have
// these limits together as well; below the limits the Events do not depend on the number of Trackers.
type Limits struct {
	Calls, Bindings int
	Ring            time.Duration // longest wait for a final response
	Talk            time.Duration // longest silence of a call without a session timer
	Interim         time.Duration // how often an answered call is published; 0 for never

	// A source is a /24 of IPv4 or a /48 of IPv6. It may have PerSource calls without a response but 100, and open
	// PerSecond of them a second after a burst of PerSource. 0 in either is no limit.
	PerSource, PerSecond int
}

// calls returns the limits of calls.
func (l *Limits) calls() calls.Limits {
	return calls.Limits{Calls: l.Calls, Ring: l.Ring, Talk: l.Talk, Interim: l.Interim, PerSource: l.PerSource,
		PerSecond: l.PerSecond}
}

// DefaultLimits returns the limits that suit a small SBC.
func DefaultLimits() Limits {
	return Limits{Calls: 200_000, Bindings: 100_000, Ring: 4 * time.Minute, Talk: 4 * time.Hour,
		PerSource: 2000, PerSecond: 200}
}

// Budgets limit all Trackers and Domains of a host together.
type Budgets struct {
	Calls, Bindings, Registers *mem.Budget // of Trackers; Registers are REGISTER requests that wait for their responses
	Legs, Devices              *mem.Budget // of Domains
}

// NewBudgets returns the Budgets of a host with so many Domains of so many Trackers each, and so many devices.
func NewBudgets(l Limits, devices, domains, trackers int) Budgets {
	all := domains * trackers
	return Budgets{Calls: mem.NewBudget(l.Calls, all), Bindings: mem.NewBudget(l.Bindings, all),
		Registers: mem.NewBudget(l.Bindings, all), Legs: mem.NewBudget(l.Calls, domains),
		Devices: mem.NewBudget(devices, domains)}
}
