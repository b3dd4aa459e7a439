package ledger

import (
	"strconv"

	"sipsieve/sip/track"
)

// Others says how many messages there were that make no record, by method and by class: request, 1xx to 6xx.
type Others map[string]Sums

// Options says how long the final responses to OPTIONS took, from the first request of their transactions.
type Options struct {
	Asked      uint64 `json:"asked"` // transactions
	Answered   uint64 `json:"answered"`
	Unanswered uint64 `json:"unanswered"` // within 32 s
	Evicted    uint64 `json:"evicted"`    // before that, to make room
	Cut        uint64 `json:"cut"`        // before that, at the end of a capture
	Waiting    uint64 `json:"waiting"`
	Sum        uint64 `json:"sum_us"` // of those that were answered
	Max        Peak   `json:"max_us"`
	Within     Sums   `json:"within_us"` // how many of them, by the lowest bound that they do not exceed
}

var classWords = [track.OtherClasses]string{"request", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx"}

// othersOf returns the messages of a trunk, empty if there are none.
func othersOf(c *track.OtherCounts) Others {
	o := Others{}
	for m, classes := range c.Messages {
		seen := Sums{}
		for class, n := range classes {
			seen.Add(classWords[class], n)
		}
		if len(seen) > 0 {
			o[track.OtherMethods[m].String()] = seen
		}
	}
	return o
}

func optionsOf(c track.Latency) Options {
	o := Options{Asked: c.Transactions, Answered: c.Answered, Unanswered: c.Unanswered, Evicted: c.Evicted, Cut: c.Cut,
		Waiting: c.Transactions - c.Answered - c.Unanswered - c.Evicted - c.Cut, Sum: uint64(c.Sum.Microseconds()),
		Max: Peak(c.Max.Microseconds()), Within: Sums{}}
	for i, bound := range track.LatencyBounds {
		o.Within.Add(strconv.FormatInt(bound.Microseconds(), 10), c.Within[i])
	}
	return o
}

// otherRequests returns the requests of all trunks by method.
func otherRequests(trunks map[string]Others) Sums {
	requests := Sums{}
	for _, methods := range trunks {
		for method, classes := range methods {
			requests.Add(method, classes[classWords[0]])
		}
	}
	return requests
}
