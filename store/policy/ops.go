// This file has methods of Policy because they are about what has no purpose of its own.

package policy

import "time"

// Ops is the purpose of records about sensors, which have nothing of a person. No policy has a purpose of that name: it is
// not in the register.
const Ops = "ops"

// LongestExpiry returns the day on which what happened at t expires of the purpose that keeps it longest.
func (p *Policy) LongestExpiry(t time.Time) (longest Date) {
	for _, u := range p.Purposes() {
		if day := expiry(t, "day", u.Retain); day.Compare(longest) > 0 {
			longest = day
		}
	}
	return longest
}

// LongestRetain returns the longest time for which a purpose keeps, a month taken as 30 days.
func (p *Policy) LongestRetain() (longest time.Duration) {
	for _, u := range p.Purposes() {
		longest = max(longest, u.Retain.Duration())
	}
	return longest
}

// ShortestBusRetain returns the shortest time for which a purpose keeps on the bus; zero without an enabled purpose.
func (p *Policy) ShortestBusRetain() (shortest Retention) {
	for i, u := range p.Purposes() {
		if i == 0 || u.BusRetain.Shortest() < shortest.Shortest() {
			shortest = u.BusRetain
		}
	}
	return shortest
}
