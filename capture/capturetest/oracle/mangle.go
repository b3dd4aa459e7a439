package oracle

import (
	"slices"
	"time"
)

// mangle makes of what was sent what the capture shows, and sets where it ends.
func (n *network) mangle(c *Call) {
	inOrder(c.Messages)
	if n.kinds.Has(LateCopy) {
		n.copyLate(c)
	}
	if n.kinds.Has(Repeats) && len(c.Messages) > 0 {
		n.repeat(c)
	}
	switch {
	case n.kinds.Has(Loss) && len(c.Messages) > 1:
		n.lose(c)
	case n.kinds.Has(OneWay):
		side := []Host{callerHost, calleeHost}[n.r.IntN(2)]
		c.Messages = slices.DeleteFunc(c.Messages, func(m Message) bool { return m.Src != side })
	case n.kinds.Has(NoAnswer):
		c.Messages = slices.DeleteFunc(c.Messages, func(m Message) bool {
			return m.From == n.tag && m.Seq == n.answered && (m.Method == "INVITE" && m.accepts() || m.Method == "ACK")
		})
	case n.kinds.Has(MidCall):
		start := n.somewhere(c)
		c.Messages = slices.DeleteFunc(c.Messages, func(m Message) bool { return m.Time < start })
	}
	c.Until = 0
	for _, m := range c.Messages {
		c.Until = m.Time
	}
	switch {
	case n.kinds.Has(Cut):
		c.Until = n.somewhere(c)
		c.Messages = slices.DeleteFunc(c.Messages, func(m Message) bool { return m.Time > c.Until })
	case n.chance(8):
		c.Until += n.between(time.Second, 20*time.Second)
	default:
		c.Until += 6 * time.Hour
	}
	if n.kinds.Has(Taps) {
		n.twice(c)
	}
}

// lose takes one message away. Without its INVITE a call with early forks is several dialogs of which nobody can know
// that they are one call, a try of which the time is not known may be late, and a target's hop may be taken for the
// caller's.
func (n *network) lose(c *Call) {
	i := n.r.IntN(len(c.Messages))
	m := &c.Messages[i]
	alone := n.kinds.Has(EarlyBye, EarlyByeRefused, EarlyByeFork, Forks, Retry, LateRetry,
		NextCarrier)
	if alone && m.Method == "INVITE" && m.request() && m.To == "" {
		i = len(c.Messages) - 1
	}
	c.Messages = slices.Delete(c.Messages, i, i+1)
}

// somewhere returns a time within c: of a message, or between two.
func (n *network) somewhere(c *Call) time.Duration {
	if len(c.Messages) == 0 {
		return 0
	}
	m := &c.Messages[n.r.IntN(len(c.Messages))]
	return m.Time + n.between(0, 2*time.Second)
}

// repeat repeats some messages as RFC 3261 17 does, 500 ms and more after.
func (n *network) repeat(c *Call) {
	for range 1 + n.r.IntN(4) {
		m := c.Messages[n.r.IntN(len(c.Messages))]
		for i := range 1 + n.r.IntN(3) {
			again := m
			again.Time += 500 * time.Millisecond << i
			n.ids++
			again.ID = n.ids
			c.Messages = append(c.Messages, again)
		}
	}
	inOrder(c.Messages)
}

// copyLate repeats messages of one of two answered forks long after, as long as the other may be up.
func (n *network) copyLate(c *Call) {
	end := c.Messages[len(c.Messages)-1].Time
	for range 8 {
		m := c.Messages[n.r.IntN(len(c.Messages))]
		if m.Method == "BYE" || m.Method == "INVITE" && m.accepts() || m.Method == "ACK" && m.To != "" {
			m.Time = n.between(min(m.Time+500*time.Millisecond, end), end)
			n.ids++
			m.ID = n.ids
			c.Messages = append(c.Messages, m)
		}
	}
	inOrder(c.Messages)
}

// twice has a second tap show some packets, not more than 150 ms later.
func (n *network) twice(c *Call) {
	for _, m := range c.Messages {
		if n.chance(2) {
			m.Time += n.between(20*time.Microsecond, 150*time.Millisecond)
			c.Messages = append(c.Messages, m)
		}
	}
	inOrder(c.Messages)
	for _, m := range c.Messages {
		c.Until = max(c.Until, m.Time)
	}
}
