package oracle

import (
	"slices"
	"time"
)

// midCalls returns what must be told of dialogs whose INVITE was not seen.
func (c *trace) midCalls(calls []*call) (rs []Record) {
	var left []*Message
	for _, m := range c.ms {
		if !slices.ContainsFunc(calls, func(call *call) bool {
			return (m.From == call.tag || m.To == call.tag) && m.Time >= call.start
		}) {
			left = append(left, m)
		}
	}
	for len(left) > 0 {
		var dialog []*Message
		pair := left[0]
		same := func(m *Message) bool { return m.To != "" && samePair(m, pair) }
		for _, m := range left {
			if same(m) {
				dialog = append(dialog, m)
			}
		}
		left = slices.DeleteFunc(left, func(m *Message) bool { return same(m) || m == pair })
		if r, ok := c.midCall(dialog); ok {
			rs = append(rs, r)
		}
	}
	return rs
}

func samePair(a, b *Message) bool {
	return a.From == b.From && a.To == b.To || a.From == b.To && a.To == b.From
}

// midCall returns what must be told of the messages of one dialog: a 2xx to an INVITE opens a record, or a BYE and
// its 2xx alone make one.
func (c *trace) midCall(ms []*Message) (r Record, ok bool) {
	i := slices.IndexFunc(ms, func(m *Message) bool { return m.Method == "INVITE" && m.accepts() })
	if i < 0 {
		return c.byeAlone(ms)
	}
	open := ms[i]
	own := &trace{repeats: c.repeats, until: c.until}
	mid := &call{trace: own, tag: open.From, start: ms[0].Time, next: 1 << 62}
	for _, m := range c.ms {
		if m.From == open.From && m.To == "" { // repeats of it may be counted
			mid.orphans = append(mid.orphans, m)
		}
	}
	mid.answers = []answer{{tag: open.To, at: open.Time, code: open.Status, expires: open.Expires}}
	mid.tags = map[hop]map[string]time.Duration{}
	first := !slices.ContainsFunc(ms[:i], func(m *Message) bool {
		return m.Method != "CANCEL" && (m.request() || m.Status >= 200)
	})
	for _, m := range ms {
		if m.Time < open.Time && (m.Method != "INVITE" || m.Seq != open.Seq || m.From != open.From) {
			mid.orphans = append(mid.orphans, m)
			continue
		}
		own.ms = append(own.ms, m)
	}
	for _, m := range own.ms {
		mid.sawDialog(m, open.To)
	}
	if first {
		mid.attempts = []*attempt{{seq: open.Seq, mine: open.hop()}}
		for _, m := range own.ms {
			if attemptOf(mid.attempts, mid.tag, m) != nil {
				mid.attempts[0].ms = append(mid.attempts[0].ms, m)
			}
		}
	} else {
		mid.answers[0].at = Never // the answer was before
	}
	mid.findTransactions()
	return mid.midRecord(first, open.Time), true
}

// sawDialog takes note that the one dialog of a mid-call start is seen on m's hop.
func (c *call) sawDialog(m *Message, tag string) {
	if c.tags[m.hop()] == nil {
		c.tags[m.hop()] = map[string]time.Duration{tag: m.Time}
	}
}

// midRecord tells a call from its first 2xx on.
func (c *call) midRecord(first bool, open time.Duration) Record {
	r := unseen()
	r.Disposition = answered
	t := talk{call: c, answer: &c.answers[0]}
	t.tell(&r)
	r.Repeats, r.MostRepeats = 0, 0
	c.count(&r, t.told, func(m *Message) bool { return m.Time >= open }) // what came before may be counted or not
	return c.midSeen(r, first)
}

// midSeen sets what is known of a call from the middle.
//
// Not settled: final_response of a call that a re-INVITE opened. The table of states names invite only: a final
// response was seen. Not settled: no_ack. The 2xx may be that of a re-INVITE, and the wait for the ACK begins with an
// answer whose INVITE was seen.
func (c *call) midSeen(r Record, first bool) Record {
	r.Missing = slices.DeleteFunc(r.Missing, func(w string) bool { return !first && w == noAck })
	r.Missing = append(r.Missing, noInvite)
	seen := 0
	if first {
		seen++
		r.Forks = 1
		if !has(r.Missing, noAck) {
			seen++
		}
	} else {
		r.Answer, r.Code = Never, 0
		r.Missing = append(r.Missing, noAck)
		seen++ // the 2xx to the re-INVITE
	}
	r.Flags = slices.DeleteFunc(r.Flags, func(w string) bool { return w == "no_ack" || w == "answer_by_ack" })
	if !has(r.Missing, noBye) {
		seen++
	}
	if r.EndSource == observed && r.EndCause != "dialog_lost" && !has(r.Missing, noByeAnswer) {
		seen++
	}
	r.Completeness = 100 * seen / 5
	c.finish(&r)
	r.Missing = slices.Compact(r.Missing)
	return r
}

// byeAlone returns what must be told of a BYE and its 2xx of an unknown call.
func (c *trace) byeAlone(ms []*Message) (r Record, ok bool) {
	var bye *Message
	for _, m := range ms {
		if m.Method != "BYE" || !m.request() || bye != nil {
			continue
		}
		if slices.ContainsFunc(ms, func(o *Message) bool { return o.accepts() && o.branch() == m.branch() }) {
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
	r.MostRepeats = len(ms) * 8 // what came before the 2xx may be counted or not
	(*call)(nil).cause(&r, bye.Cause, 16)
	return r, true
}
