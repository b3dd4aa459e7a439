package main

import (
	"strconv"

	"sipsieve/sip/track"
)

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
func (l *ledger) addOthers(counts []track.OtherCounts, trunks []string) {
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
		name := trunks[i]
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
