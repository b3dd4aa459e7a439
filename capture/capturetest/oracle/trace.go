package oracle

import (
	"cmp"
	"slices"
	"time"
)

// A trace is the messages of one Call-ID, without copies of other taps and with repeats set apart.
type trace struct {
	ms      []*Message // each once, in the order of time
	repeats map[*Message][]time.Duration
	until   time.Duration
}

// A kind identifies a message in its transaction: a second message of that kind is a repeat.
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
			calls = append(calls, &call{dialogs: dialogs{tries: tries{
				trace: c, tag: tag, attempts: []*attempt{a}, start: a.first, next: 1 << 62}}})
		}
	}
	return calls
}
