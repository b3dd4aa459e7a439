package ledger

import (
	"strconv"

	"sipsieve/sip"
	"sipsieve/sip/track"
)

// Messages says what became of SIP messages with a start line.
type Messages struct {
	Total           uint64 `json:"total"`
	Tracked         uint64 `json:"tracked"`
	Requests        Sums   `json:"requests"` // by method
	Statuses        Sums   `json:"statuses"` // responses, by status code
	Retransmissions uint64 `json:"retransmissions"`
	Duplicates      uint64 `json:"duplicates"`
	Late            uint64 `json:"late"` // came after their turn, from one of several readers
	Dropped         uint64 `json:"dropped"`
	Refused         Sums   `json:"refused"`  // not used, by reason
	Odd             Sums   `json:"odd"`      // used, by what is odd about them
	LeftOut         uint64 `json:"left_out"` // values that a message had no room for
	Oversize        uint64 `json:"oversize"` // Identity lines that are too long, of messages that are used
}

func (m *Messages) addReader(c *sip.Counts) {
	for method, n := range c.Requests {
		m.Requests.Add(sip.Method(method).String(), n)
		m.Total += n
	}
	for code, n := range c.Statuses {
		m.Statuses.Add(strconv.Itoa(code), n)
		m.Total += n
	}
	for r, n := range c.Refused {
		m.Refused.Add(sip.Refusal(r).String(), n)
	}
	for i, n := range c.Odd {
		m.Odd.Add(sip.Flags(1<<i).String(), n)
	}
	m.LeftOut += c.LeftOut
	m.Oversize += c.Oversize
}

func (m *Messages) addTracker(c *track.Counts) {
	m.Tracked += c.Tracked
	m.Duplicates += c.Duplicates
	m.Retransmissions += c.Retransmissions
	m.Dropped += c.Dropped
	m.Odd.Add(sip.URIBad.String(), c.Opaque)
}

// balance requires each message to have one start line and one fate.
func (m *Messages) balance(b *balance) {
	b.equal("messages.total, by start line", m.Total, m.Requests.Total()+m.Statuses.Total())
	b.whole("messages.total, by fate", m.Total, m.Tracked+m.Duplicates+m.Refused.Total()+m.Dropped)
	b.atMost("messages.retransmissions", m.Retransmissions, m.Tracked)
}
