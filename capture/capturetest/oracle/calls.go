package oracle

import (
	"cmp"
	"slices"
	"time"
)

// A hop is an unordered pair of addresses.
type hop struct{ low, high Host }

func (m *Message) hop() hop { return hop{min(m.Src, m.Dst), max(m.Src, m.Dst)} }

func (h hop) has(a Host) bool { return h.low == a || h.high == a }

// A trace is what was seen of one Call-ID, copies left out and repeats set apart.
type trace struct {
	ms      []*Message // each once, in the order of time
	repeats map[*Message][]time.Duration
	until   time.Duration
}

// A kind names what a message says in its transaction: a second message of that kind is a repeat.
type kind struct {
	src, dst       Host
	method, branch string
	status, seq    int
	from, to       string
}

// A packet is what two taps' copies have alike.
type packet struct {
	src, dst Host
	id       uint16
	call     string
}

// Records returns what must be told of ms, the domain's clock standing at until when the capture ends, in the order
// of the first time that each has.
func Records(ms []Message, until time.Duration) (rs []Record) {
	for _, c := range traces(ms, until) {
		calls := c.calls()
		for _, call := range calls {
			rs = append(rs, call.records()...)
		}
		rs = append(rs, c.midCalls(calls)...)
	}
	Sort(rs)
	return rs
}

// Sort puts rs in an order that depends on what they say only.
func Sort(rs []Record) {
	slices.SortStableFunc(rs, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Setup, b.Setup), cmp.Compare(a.Answer, b.Answer), cmp.Compare(a.End, b.End),
			cmp.Compare(a.Disposition, b.Disposition))
	})
}

// traces returns the messages by Call-ID.
func traces(ms []Message, until time.Duration) (cs []*trace) {
	ms = slices.Clone(ms)
	inOrder(ms)
	byID := map[string]*trace{}
	last := map[packet]time.Duration{}
	first := map[string]map[kind]*Message{}
	for i := range ms {
		m := &ms[i]
		p := packet{m.Src, m.Dst, m.ID, m.CallID}
		if t, ok := last[p]; ok && m.Time-t <= copyDistance {
			continue // the first of all copies is the message
		}
		last[p] = m.Time
		c := byID[m.CallID]
		if c == nil {
			c = &trace{repeats: map[*Message][]time.Duration{}, until: until}
			byID[m.CallID], first[m.CallID] = c, map[kind]*Message{}
			cs = append(cs, c)
		}
		k := kind{m.Src, m.Dst, m.Method, m.branch(), m.Status, m.Seq, m.From, m.To}
		if original := first[m.CallID][k]; original != nil {
			c.repeats[original] = append(c.repeats[original], m.Time)
			continue
		}
		first[m.CallID][k] = m
		c.ms = append(c.ms, m)
	}
	return cs
}

// An attempt is the INVITEs without To tag of one caller's tag and CSeq, and what belongs to their transactions.
type attempt struct {
	seq     int
	first   time.Duration
	invites []*Message
	ms      []*Message // INVITEs, responses, CANCELs and ACKs
	mine    hop        // the caller's
}

// A call is attempts that belong together, and the requests inside its dialogs.
type call struct {
	*trace
	tag      string // the caller's
	attempts []*attempt
	start    time.Duration
	next     time.Duration // start of the next call of that tag
	tags     map[hop]map[string]time.Duration
	answers  []answer
	txns     []*txn
	mineToo  []*Message // requests in its dialogs and their responses
	orphans  []*Message // others with its tag
}

// calls returns the calls whose INVITE was seen.
func (c *trace) calls() (calls []*call) {
	byTag := map[string][]*attempt{}
	var order []string
	for _, m := range c.ms {
		if m.Method != "INVITE" || !m.request() || m.To != "" {
			continue
		}
		as := byTag[m.From]
		i := slices.IndexFunc(as, func(a *attempt) bool { return a.seq == m.Seq })
		if i < 0 {
			if as == nil {
				order = append(order, m.From)
			}
			i = len(as)
			as = append(as, &attempt{seq: m.Seq, first: m.Time})
			byTag[m.From] = as
		}
		as[i].invites = append(as[i].invites, m)
	}
	for _, tag := range order {
		byTag[tag] = c.unseenTries(tag, byTag[tag])
		for _, m := range c.ms {
			if a := attemptOf(byTag[tag], tag, m); a != nil && m.Time >= byTag[tag][0].first { // before, nothing was open
				a.ms = append(a.ms, m)
			}
		}
		calls = append(calls, c.group(tag, byTag[tag])...)
	}
	for _, call := range calls {
		call.seeDialogs()
	}
	return calls
}

// unseenTries adds to as the tries whose INVITE was lost: responses to an INVITE of a higher CSeq that was seen neither
// without a To tag nor with one, while nothing was answered.
func (c *trace) unseenTries(tag string, as []*attempt) []*attempt {
	inside, answered := map[int]bool{}, false
	for _, m := range c.ms {
		if m.Method != "INVITE" || m.From != tag {
			continue
		}
		inside[m.Seq] = inside[m.Seq] || m.request() && m.To != ""
		if a := attemptOf(as, tag, m); a == nil && !m.request() && !inside[m.Seq] && !answered && m.Seq > as[0].seq &&
			m.Time > as[0].first {
			as = append(as, &attempt{seq: m.Seq, first: m.Time})
		}
		answered = answered || m.accepts()
	}
	slices.SortStableFunc(as, func(a, b *attempt) int { return cmp.Compare(a.first, b.first) })
	return as
}

// attemptOf returns the attempt whose transactions m belongs to, nil for none.
func attemptOf(as []*attempt, tag string, m *Message) *attempt {
	if m.From != tag || m.Method != "INVITE" && m.Method != "ACK" && m.Method != "CANCEL" {
		return nil
	}
	for _, a := range as {
		if a.seq == m.Seq {
			return a
		}
	}
	return nil
}

// group joins attempts to calls.
func (c *trace) group(tag string, as []*attempt) (calls []*call) {
	for _, a := range as {
		if len(a.invites) > 0 {
			a.mine = callersHop(a.invites)
		}
		if len(calls) > 0 {
			last := calls[len(calls)-1]
			before := last.attempts[len(last.attempts)-1]
			if joins(before, a) {
				if a.shows(before.mine) && !a.invitedOn(before.mine) {
					a.mine = before.mine // its own INVITE was lost there
				}
				last.attempts = append(last.attempts, a)
				continue
			}
			last.next = a.first
		}
		if len(a.invites) > 0 {
			calls = append(calls, &call{trace: c, tag: tag, attempts: []*attempt{a}, start: a.first, next: 1 << 62})
		}
	}
	return calls
}

func (a *attempt) invitedOn(h hop) bool {
	return slices.ContainsFunc(a.invites, func(m *Message) bool { return m.hop() == h })
}

// shows reports whether something of a was seen on h.
func (a *attempt) shows(h hop) bool {
	return slices.ContainsFunc(a.ms, func(m *Message) bool { return m.hop() == h })
}

// joins reports whether next is a further try of a's call.
func joins(a, next *attempt) bool {
	final := a.final()
	switch {
	case final == nil:
		// Not settled: the final response was lost, and which it was is not known. 401 and 407 are by far the most that
		// are followed by a new INVITE, so its wait is theirs, `Ring`.
		return !a.answered() && next.first-a.lastSign() <= ringWait
	case final.Status/100 == 3 || final.Status == 401 || final.Status == 407:
		return next.first-final.Time <= ringWait
	}
	since := final.Time
	if ack := a.refusalAck(); ack != nil {
		since = ack.Time
	}
	return next.first-since <= retryWait
}

// lastSign is the INVITE or the last provisional response other than 100.
func (a *attempt) lastSign() time.Duration {
	t := a.first
	for _, m := range a.ms {
		if m.provisional() {
			t = m.Time
		}
	}
	return t
}

func (m *Message) provisional() bool { return m.Method == "INVITE" && m.Status > 100 && m.Status < 200 }

func (m *Message) accepts() bool { return m.Status/100 == 2 }

func (a *attempt) answered() bool {
	return slices.ContainsFunc(a.ms, func(m *Message) bool { return m.Method == "INVITE" && m.accepts() })
}

// callersHop is the hop on which the call came in: the one that follows no other; of several the one whose top Via
// stands in the others' lists; else the first in time.
func callersHop(invites []*Message) hop {
	var firsts []*Message
	for _, m := range invites {
		if !slices.ContainsFunc(firsts, func(f *Message) bool { return f.hop() == m.hop() }) {
			firsts = append(firsts, m)
		}
	}
	left := without(firsts, func(x, y *Message) bool { return x.Dst == y.Src })
	left = without(left, func(x, y *Message) bool {
		return slices.ContainsFunc(y.Vias, func(v Via) bool { return v.Branch == x.branch() })
	})
	return left[0].hop()
}

// without returns ms without those that come behind another; all of them if none would be left.
func without(ms []*Message, before func(x, y *Message) bool) (left []*Message) {
	for _, y := range ms {
		if !slices.ContainsFunc(ms, func(x *Message) bool { return x != y && before(x, y) }) {
			left = append(left, y)
		}
	}
	if len(left) == 0 {
		return ms
	}
	return left
}
