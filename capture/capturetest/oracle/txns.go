package oracle

import (
	"slices"
	"time"
)

// A raw is the messages of one transaction inside a dialog on one hop.
type raw struct {
	request *Message
	replies []*Message
}

// transaction names a raw.
type transaction struct {
	on             hop
	branch, method string
	seq            int
}

// findTransactions gathers the requests inside c's dialogs.
func (c *call) findTransactions() {
	raws := map[transaction]*raw{}
	var order []transaction
	for _, m := range c.ms {
		if m.Time < c.start || m.Time >= c.next || m.From != c.tag && m.To != c.tag && !c.knows(m) || c.attempt(m) != nil {
			continue
		}
		k := transaction{m.hop(), m.branch(), m.Method, m.Seq}
		r := raws[k]
		if r == nil {
			r = &raw{}
			raws[k] = r
			order = append(order, k)
		}
		if m.request() {
			r.request = m
		} else {
			r.replies = append(r.replies, m)
		}
	}
	var left []*raw
	for _, k := range order {
		if !c.addRaw(raws[k]) {
			left = append(left, raws[k])
		}
	}
	for _, r := range left {
		c.addCopy(r)
	}
}

// addCopy adds what one hop, on which no tag was seen, shows of a request that is in a dialog on another hop.
//
// Not settled: such a request is told from others by its method, CSeq and sender, within a second.
func (c *call) addCopy(r *raw) {
	m := r.request
	if m != nil && !c.anyTagBefore(m.hop(), m.Time) && c.tookPart(m.hop(), m.Time) {
		side := c.side(m)
		for _, t := range c.txns {
			if t.method == m.Method && t.seq == m.Seq && t.side == side && (t.at-m.Time).Abs() < time.Second {
				c.add(r, m, t.fork)
				return
			}
		}
	}
	if m != nil {
		c.orphans = append(c.orphans, m)
	}
	c.orphans = append(c.orphans, r.replies...)
}

// knows reports whether one of m's tags was seen as a To tag of c.
func (c *call) knows(m *Message) bool {
	for _, seen := range c.tags {
		_, from := seen[m.From]
		_, to := seen[m.To]
		if from || to {
			return true
		}
	}
	return false
}

func (c *call) attempt(m *Message) *attempt { return attemptOf(c.attempts, c.tag, m) }

// addRaw adds what one hop shows of a request, unless it is in none of c's dialogs. A refusal of a BYE that was not
// seen says nothing: the time of the BYE is not known.
func (c *call) addRaw(r *raw) bool {
	accepted := slices.ContainsFunc(r.replies, (*Message).accepts)
	m := r.request
	if m == nil {
		m = r.replies[max(slices.IndexFunc(r.replies, (*Message).accepts), 0)]
	}
	fork := c.resolve(m, accepted)
	if fork == "" {
		return false
	}
	c.add(r, m, fork)
	return true
}

// add adds what one hop shows of a request in the dialog of fork.
func (c *call) add(r *raw, m *Message, fork string) {
	if r.request != nil {
		c.mineToo = append(c.mineToo, r.request)
	}
	c.mineToo = append(c.mineToo, r.replies...)
	if r.request != nil || m.accepts() || m.Method != "BYE" {
		c.merge(r, m, fork)
	}
}

// merge joins what one hop shows of a request with what the others show: the same sender, method, CSeq and dialog.
func (c *call) merge(r *raw, m *Message, fork string) {
	side := c.side(m)
	i := slices.IndexFunc(c.txns, func(t *txn) bool {
		return t.fork == fork && t.method == m.Method && t.side == side && t.seq == m.Seq
	})
	if i < 0 {
		i = len(c.txns)
		c.txns = append(c.txns, &txn{method: m.Method, on: m.hop(), side: side, fork: fork, seq: m.Seq, at: m.Time,
			accepted: Never, refused: Never})
	}
	t := c.txns[i]
	if r.request != nil && (t.request == nil || r.request.Time < t.request.Time) {
		t.request, t.at, t.sdp = r.request, r.request.Time, r.request.SDP
	}
	for _, reply := range r.replies {
		switch {
		case reply.Status < 200:
		case reply.accepts():
			if t.accepted == Never || reply.Time < t.accepted {
				t.accepted, t.expires, t.reply = reply.Time, reply.Expires, reply.SDP
			}
		case t.refusal == nil || reply.Time < t.refusal.Time:
			t.refusal, t.refused = reply, reply.Time
		}
	}
}

// side is who sent m.
func (c *call) side(m *Message) string {
	if m.From == c.tag || m.To != c.tag && !c.isCallee(m.From) {
		return caller
	}
	return callee
}

// isCallee reports whether tag is a callee's.
func (c *call) isCallee(tag string) bool {
	for _, seen := range c.tags {
		if _, ok := seen[tag]; ok {
			return true
		}
	}
	return false
}

// challenged reports whether t was answered by 401 or 407 and by nothing better.
func (t *txn) challenged() bool {
	return t.accepted == Never && t.refusal != nil && (t.refusal.Status == 401 || t.refusal.Status == 407)
}

// answeredAt is when t's final response was seen, Never without one. 401 and 407 are none: they wait for the retry.
func (t *txn) answeredAt() time.Duration {
	if t.accepted != Never {
		return t.accepted
	}
	if t.challenged() {
		return Never
	}
	return t.refused
}
