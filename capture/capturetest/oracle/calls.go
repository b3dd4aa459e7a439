package oracle

import (
	"slices"
	"time"
)

// Records returns the records expected of ms when the capture ends at until, in the order of Sort.
func Records(ms []Message, until time.Duration) (rs []Record) {
	for _, c := range traces(ms, until) {
		calls := c.calls()
		for _, call := range calls {
			rs = append(rs, call.records()...)
		}
		rs = append(rs, midCalls(c, calls)...)
	}
	Sort(rs)
	return rs
}

// A call is the attempts that belong together, and the requests inside its dialogs.
type call struct {
	dialogs
	txns    []*txn
	mineToo []*Message // requests in its dialogs and their responses
	orphans []*Message // others with its tag
}

// seeDialogs finds the forks, the answers and the requests inside dialogs.
func (c *call) seeDialogs() {
	c.seeTags()
	c.findAnswers()
	c.findTransactions()
	c.answerUnseen()
}

// answerUnseen takes an accepted re-INVITE or UPDATE for the proof of an answer of which neither the 2xx nor the ACK
// was seen, when nothing else decides.
func (c *call) answerUnseen() {
	last := c.last()
	if len(c.answers) > 0 || last.final() != nil || last.cancel() != nil {
		return
	}
	for _, t := range c.txns {
		if (t.method == "INVITE" || t.method == "UPDATE") && t.accepted != Never && t.fork != other {
			c.addAnswer(answer{tag: t.fork, at: Never, unseen: true})
			if c.tags[t.on] == nil { // Not settled: from then on the dialog has been seen there
				c.tags[t.on] = map[string]time.Duration{t.fork: t.accepted}
			}
			c.txns, c.mineToo, c.orphans = nil, nil, nil
			c.findTransactions()
			return
		}
	}
}

// findTransactions gathers the requests inside c's dialogs.
func (c *call) findTransactions() {
	raws := map[transaction]*raw{}
	var order []transaction
	for _, m := range c.ms {
		if m.Time < c.start || m.Time >= c.next || m.From != c.tag && m.To != c.tag && !c.hasTagOf(m) || c.attempt(m) != nil {
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

// addRaw adds what one hop shows of a request, unless it is in none of c's dialogs. A refusal of a BYE that was not
// seen is left out: the time of the BYE is unknown.
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

// addCopy adds what one hop, on which no tag was seen, shows of a request that is in a dialog on another hop.
//
// Not settled: such a request is recognised by its method, CSeq and sender, within a second.
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

// records returns a record of each answered fork, or one of the last attempt if none was answered.
func (c *call) records() (rs []Record) {
	r := c.begin()
	if len(c.answers) == 0 {
		unansweredRecord(c, &r)
		return append(rs, r)
	}
	for i := range c.answers {
		r := c.begin()
		r.Disposition = answered
		if i > 0 {
			c.secondFork(&r, &c.answers[i])
		}
		t := talk{call: c, answer: &c.answers[i], second: i > 0}
		t.fill(&r)
		rs = append(rs, r)
	}
	return rs
}

// begin returns what all records of c have alike.
func (c *call) begin() Record {
	r := unseen()
	r.Setup, r.Forks, r.Challenges, r.Redirects = c.start, c.forks(), c.challenges(), c.redirects()
	until := time.Duration(1 << 62)
	if len(c.answers) > 0 {
		until = c.answers[0].at // a provisional response after the answer sets nothing
		if c.answers[0].unseen {
			until = 1 << 62
		}
	}
	c.provisionals(&r, func(m *Message) bool { return m.Time <= until })
	return r
}

// secondFork sets what a second answered fork has of its own: the provisional responses.
func (c *call) secondFork(r *Record, a *answer) {
	early := r.Early // not its own: the rules name the times only
	r.Progress, r.Ring = Never, Never
	c.provisionals(r, func(m *Message) bool { return m.To == a.tag && m.Time <= a.at })
	r.Early = early
	r.Flags = append(r.Flags, "second_fork")
}

// provisionals sets the first provisional responses, whichever hop shows them first.
func (c *call) provisionals(r *Record, of func(*Message) bool) {
	for _, m := range c.messages() {
		if !m.provisional() || !of(m) {
			continue
		}
		if r.Progress == Never || m.Time < r.Progress {
			r.Progress = m.Time
		}
		if (m.Status == 180 || m.Status == 183) && (r.Ring == Never || m.Time < r.Ring) {
			r.Ring = m.Time
		}
		r.Early = r.Early || m.SDP != ""
	}
}

// finish sets what follows from the rest.
func (c *call) finish(r *Record) {
	if c.oneWay() {
		r.Missing = append(r.Missing, "one_direction")
	}
	r.finish()
}

// oneWay reports whether no response, or no request, of c was seen at all.
//
// An orphan is not of the call, whatever it shows of the capture.
func (c *call) oneWay() bool {
	requests, responses := false, false
	see := func(m *Message) {
		requests = requests || m.request()
		responses = responses || !m.request()
	}
	for _, m := range c.messages() {
		see(m)
	}
	for _, m := range c.mineToo {
		see(m)
	}
	return !requests || !responses
}

// count counts the repeats of c's messages: those before made, the earliest time of the record, and all.
func (c *call) count(r *Record, made time.Duration, of func(*Message) bool) {
	add := func(m *Message) {
		for _, t := range c.repeats[m] {
			r.MostRepeats++
			if t < made && of(m) {
				r.Repeats++
			}
		}
	}
	for _, m := range c.messages() {
		add(m)
	}
	for _, m := range c.mineToo {
		add(m)
	}
	for _, m := range c.orphans { // they are not of the call, but it is only a counter
		r.MostRepeats += len(c.repeats[m])
	}
}
