package main

import (
	"net/netip"
	"strconv"

	"sipsieve/sip/track"
)

// noTrunk is the name of what is on no trunk, in the ledger and in the metrics.
const noTrunk = "none"

// trunkNumbers are the trunks of the configuration by number, from 1.
type trunkNumbers struct {
	names []string
	of    func(a netip.Addr, vlan uint16) int // the number of the trunk of an address on a VLAN; 0 for none
}

// trunkNumbers numbers the trunks of c, which is valid.
func (c *config) trunkNumbers() (n trunkNumbers) {
	trunks, _ := c.trunks()
	numbers := map[string]int{}
	for i := range c.Trunk {
		n.names = append(n.names, c.Trunk[i].Name)
		numbers[c.Trunk[i].Name] = i + 1
	}
	n.of = func(a netip.Addr, vlan uint16) int {
		if t := trunks.Of(a, vlan); t != nil {
			return numbers[t.Name]
		}
		return 0
	}
	return n
}

// name returns the name of trunk number i.
func (n trunkNumbers) name(i int) string {
	if i == 0 {
		return noTrunk
	}
	return n.names[i-1]
}

// An otherLedger says how many messages there were that make no record, by method and by class: request, 1xx to 6xx.
type otherLedger map[string]sums

// An optionsLedger says how long the final responses to OPTIONS took, from the first request of their transactions.
type optionsLedger struct {
	Asked      uint64 `json:"asked"` // transactions
	Answered   uint64 `json:"answered"`
	Unanswered uint64 `json:"unanswered"` // within 32 s
	Evicted    uint64 `json:"evicted"`    // before that, to make room
	Cut        uint64 `json:"cut"`        // before that, at the end of a capture
	Waiting    uint64 `json:"waiting"`
	Sum        uint64 `json:"sum_us"` // of those that were answered
	Max        peak   `json:"max_us"`
	Within     sums   `json:"within_us"` // how many of them, by the lowest bound that they do not exceed
}

var classWords = [track.OtherClasses]string{"request", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx"}

// addOthers adds what was counted by trunk. Trunks of which nothing was seen are left out.
func (l *ledger) addOthers(counts []track.OtherCounts, trunks trunkNumbers) {
	for i := range counts {
		methods := otherLedger{}
		for m, classes := range counts[i].Messages {
			seen := sums{}
			for class, n := range classes {
				seen.add(classWords[class], n)
			}
			if len(seen) > 0 {
				methods[track.OtherMethods[m].String()] = seen
			}
		}
		name := trunks.name(i)
		if len(methods) > 0 {
			plus(&l.Others, &map[string]otherLedger{name: methods})
		}
		if counts[i].Options.Asked > 0 {
			plus(&l.Options, &map[string]optionsLedger{name: optionsOf(counts[i].Options)})
		}
	}
}

func optionsOf(c track.Latency) optionsLedger {
	o := optionsLedger{Asked: c.Asked, Answered: c.Answered, Unanswered: c.Unanswered, Evicted: c.Evicted, Cut: c.Cut,
		Waiting: c.Asked - c.Answered - c.Unanswered - c.Evicted - c.Cut, Sum: uint64(c.Sum.Microseconds()),
		Max: peak(c.Max.Microseconds()), Within: sums{}}
	for i, bound := range track.LatencyBounds {
		o.Within.add(strconv.FormatInt(bound.Microseconds(), 10), c.Within[i])
	}
	return o
}

// otherRequests returns the requests of Others by method.
func (l *ledger) otherRequests() sums {
	requests := sums{}
	for _, methods := range l.Others {
		for method, classes := range methods {
			requests.add(method, classes[classWords[0]])
		}
	}
	return requests
}
