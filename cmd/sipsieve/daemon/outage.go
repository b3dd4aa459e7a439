package daemon

import (
	"slices"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store/bus"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// excerptBytes is what an excerpt of a call takes in its stream. With the shipped policy and configs/quickstart.pcap it
// is 1,370 to 1,480 bytes, headers included.
const excerptBytes = 1500

// spoolPlan returns the streams of the spool of s.
func spoolPlan(s *config.Setup) (p bus.Plan) {
	p.DiskLimit, _ = s.Bus.DiskLimit()
	p.OpsLimit, _ = s.Bus.OpsLimit()
	for _, one := range s.Purposes {
		p.Streams = append(p.Streams, bus.StreamConfig{Purpose: one.Name, Retain: one.BusRetain.Shortest(), Priority: one.Priority})
	}
	return p
}

// An Outage is how long a hub may be away until a stream of the spool is full, or drops what is older than bus_retain.
type Outage struct {
	Purpose string        // of that stream
	Lasts   time.Duration // at the configured calls a second
	Disk    int64         // bytes that bus.disk needs for a day
}

// ShortestOutage returns the Outage of the purpose that is the first to lose an excerpt, by the rate of calls in s. It is
// false for a host without a spool or without a hub, and if no purpose takes all calls.
func ShortestOutage(s *config.Setup) (shortest Outage, ok bool) {
	if s.Hub == nil || !s.Collects() {
		return shortest, false
	}
	plan, disk := spoolPlan(s), int64(0)
	for _, p := range s.Purposes {
		perCall := excerptsPerCall(p)
		if perCall == 0 {
			continue
		}
		perSecond := int64(perCall) * excerptBytes * int64(s.Bus.CallRate())
		room := max(plan.Room(p.Name), 1)
		lasts := min(time.Duration(room/perSecond)*time.Second, p.BusRetain.Shortest())
		disk = max(disk, int64(float64(plan.DiskLimit)/float64(room)*float64(perSecond)*(24*time.Hour).Seconds()))
		if !ok || lasts < shortest.Lasts {
			shortest, ok = Outage{Purpose: p.Name, Lasts: lasts}, true
		}
	}
	shortest.Disk = disk
	return shortest, ok
}

// excerptsPerCall returns how many excerpts p makes of an answered call, 0 if not of all calls. Corrections are rare, and
// interim ones are off by default.
func excerptsPerCall(p *policy.Purpose) (n int) {
	if p.When != "" || !slices.Contains(p.Kinds, cpni.CallKind.String()) {
		return 0
	}
	for _, stage := range []string{"start", "answer", "stop"} {
		if slices.Contains(p.Stages, stage) {
			n++
		}
	}
	return n
}
