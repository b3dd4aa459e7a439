package oracle

import (
	"slices"
	"time"
)

// A midCall is a dialog whose INVITE was not seen.
type midCall struct {
	call
	dialog []*Message // all that was seen of it
	open   *Message   // the first 2xx to an INVITE; nil without one
	first  bool       // open answers the INVITE that began the call, not a re-INVITE
}

// midCalls returns the records of dialogs of t that are in none of calls.
func midCalls(t *trace, calls []*call) (rs []Record) {
	var left []*Message
	for _, m := range t.ms {
		if !slices.ContainsFunc(calls, func(c *call) bool {
			return (m.From == c.tag || m.To == c.tag) && m.Time >= c.start
		}) {
			left = append(left, m)
		}
	}
	for len(left) > 0 {
		mid := midCall{}
		pair := left[0]
		same := func(m *Message) bool { return m.To != "" && samePair(m, pair) }
		for _, m := range left {
			if same(m) {
				mid.dialog = append(mid.dialog, m)
			}
		}
		left = slices.DeleteFunc(left, func(m *Message) bool { return same(m) || m == pair })
		if r, ok := mid.record(t); ok {
			rs = append(rs, r)
		}
	}
	return rs
}

func samePair(a, b *Message) bool {
	return a.From == b.From && a.To == b.To || a.From == b.To && a.To == b.From
}

// record returns the record of the dialog, whose messages stand in t, and whether there is one: a 2xx to an INVITE
// opens it, or a BYE and its 2xx alone make it.
func (c *midCall) record(t *trace) (r Record, ok bool) {
	i := slices.IndexFunc(c.dialog, func(m *Message) bool { return m.Method == "INVITE" && m.accepts() })
	if i < 0 {
		return c.byeAlone()
	}
	c.open = c.dialog[i]
	c.first = !slices.ContainsFunc(c.dialog[:i], func(m *Message) bool {
		return m.Method != "CANCEL" && (m.request() || m.Status >= 200)
	})
	own := &trace{repeats: t.repeats, until: t.until}
	c.tries = tries{trace: own, tag: c.open.From, start: c.dialog[0].Time, next: 1 << 62}
	for _, m := range t.ms {
		if m.From == c.open.From && m.To == "" { // repeats of it may be counted
			c.orphans = append(c.orphans, m)
		}
	}
	for _, m := range c.dialog {
		if m.Time < c.open.Time && (m.Method != "INVITE" || m.Seq != c.open.Seq || m.From != c.open.From) {
			c.orphans = append(c.orphans, m)
			continue
		}
		own.ms = append(own.ms, m)
	}
	c.seeAnswer()
	c.findTransactions()
	return c.fill(), true
}

// seeAnswer takes c.open for the answer, and the one dialog as seen on every hop that shows it.
func (c *midCall) seeAnswer() {
	c.answers = []answer{{tag: c.open.To, at: c.open.Time, code: c.open.Status, expires: c.open.Expires}}
	c.tags = map[hop]map[string]time.Duration{}
	for _, m := range c.ms {
		if c.tags[m.hop()] == nil {
			c.tags[m.hop()] = map[string]time.Duration{c.open.To: m.Time}
		}
	}
	if !c.first {
		c.answers[0].at = Never // the answer was before
		return
	}
	c.attempts = []*attempt{{seq: c.open.Seq, mine: c.open.hop()}}
	for _, m := range c.ms {
		if attemptOf(c.attempts, c.tag, m) != nil {
			c.attempts[0].ms = append(c.attempts[0].ms, m)
		}
	}
}

// fill returns the record of a call from its first 2xx on.
func (c *midCall) fill() Record {
	r := unseen()
	r.Disposition = answered
	t := talk{call: &c.call, answer: &c.answers[0]}
	t.fill(&r)
	r.Repeats, r.MostRepeats = 0, 0
	c.count(&r, t.made, func(m *Message) bool { return m.Time >= c.open.Time }) // what came before may be counted or not
	c.seen(&r)
	return r
}

// seen sets completeness and what is missing.
//
// Not settled: final_response of a call that a re-INVITE opened. The table of states names invite only: a final
// response was seen. Not settled: no_ack. The 2xx may be that of a re-INVITE, and the wait for the ACK begins with an
// answer whose INVITE was seen.
func (c *midCall) seen(r *Record) {
	r.Missing = slices.DeleteFunc(r.Missing, func(w string) bool { return !c.first && w == noAck })
	r.Missing = append(r.Missing, noInvite)
	seen := 1
	if c.first {
		r.Forks = 1
		if !slices.Contains(r.Missing, noAck) {
			seen++
		}
	} else {
		r.Answer, r.Code = Never, 0
		r.Missing = append(r.Missing, noAck)
	}
	r.Flags = slices.DeleteFunc(r.Flags, func(w string) bool { return w == "no_ack" || w == "answer_by_ack" })
	if !slices.Contains(r.Missing, noBye) {
		seen++
	}
	if r.EndSource == observed && r.EndCause != "dialog_lost" && !slices.Contains(r.Missing, noByeAnswer) {
		seen++
	}
	r.Completeness = 100 * seen / 5
	c.finish(r)
	r.Missing = slices.Compact(r.Missing)
}

// byeAlone returns the record of a BYE and its 2xx, and whether there is one.
func (c *midCall) byeAlone() (r Record, ok bool) {
	var bye *Message
	for _, m := range c.dialog {
		if m.Method != "BYE" || !m.request() || bye != nil {
			continue
		}
		if slices.ContainsFunc(c.dialog, func(o *Message) bool { return o.accepts() && o.branch() == m.branch() }) {
			bye = m
		}
	}
	if bye == nil {
		return r, false
	}
	r = unseen()
	r.Disposition, r.Status, r.End, r.Completeness = answered, "partial", bye.Time, 40
	r.EndCause, r.EndSource, r.DisconnectBy = "normal", observed, unknown
	r.Missing = []string{noInvite, noFinal, noAck}
	r.MostRepeats = len(c.dialog) * 8 // what came before the 2xx may be counted or not
	r.setCause(bye.Cause, 16)
	return r, true
}
