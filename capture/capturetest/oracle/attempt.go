package oracle

import (
	"slices"
	"time"
)

// An attempt is the INVITEs without To tag of one caller's tag and CSeq, and what belongs to their transactions.
type attempt struct {
	seq     int
	first   time.Duration
	invites []*Message
	ms      []*Message // INVITEs, responses, CANCELs and ACKs
	mine    hop        // the caller's
}

// A branch is one INVITE transaction on one hop.
type branch struct {
	on hop
	id string
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

// joins reports whether next is a further try of a's call.
func joins(a, next *attempt) bool {
	final := a.final()
	switch {
	case final == nil:
		// Not settled: the final response was lost, and its code is unknown. 401 and 407 are by far the most that
		// are followed by a new INVITE, so its wait is theirs, `Ring`.
		return !a.answered() && next.first-a.lastSign() <= ringWait
	case final.retried():
		return next.first-final.Time <= ringWait
	}
	since := final.Time
	if ack := a.refusalAck(); ack != nil {
		since = ack.Time
	}
	return next.first-since <= retryWait
}

func (a *attempt) invitedOn(h hop) bool {
	return slices.ContainsFunc(a.invites, func(m *Message) bool { return m.hop() == h })
}

// shows reports whether something of a was seen on h.
func (a *attempt) shows(h hop) bool {
	return slices.ContainsFunc(a.ms, func(m *Message) bool { return m.hop() == h })
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

func (a *attempt) answered() bool {
	return slices.ContainsFunc(a.ms, func(m *Message) bool { return m.Method == "INVITE" && m.accepts() })
}

// final returns the refusal that decides about a, nil for none: that of the caller's hop, and without a final
// response and a CANCEL there the last one of the other hops, when nothing is alive on them.
func (a *attempt) final() *Message {
	near, alive := a.lastRefusal(func(h hop) bool { return h == a.mine })
	if near != nil {
		if alive { // another target is still tried
			return nil
		}
		return near
	}
	if a.cancel() != nil {
		return nil
	}
	far, alive := a.lastRefusal(func(h hop) bool { return h != a.mine })
	if alive {
		return nil
	}
	return far
}

// lastRefusal returns the last refusal on some hops, and whether a transaction on them has no final response.
func (a *attempt) lastRefusal(on func(hop) bool) (final *Message, alive bool) {
	finals := map[branch]*Message{}
	for _, m := range a.ms {
		if m.Method != "INVITE" || !on(m.hop()) {
			continue
		}
		b := branch{m.hop(), m.branch()}
		if m.Status < 200 {
			if finals[b] == nil {
				finals[b] = nil
			}
			continue
		}
		finals[b] = m
		if m.Status >= 300 {
			final = m
		}
	}
	for _, f := range finals {
		alive = alive || f == nil
	}
	return final, alive
}

// cancel returns the first CANCEL on the caller's hop.
func (a *attempt) cancel() *Message {
	return a.find(func(m *Message) bool { return m.Method == "CANCEL" && m.request() && m.hop() == a.mine })
}

func (a *attempt) find(is func(*Message) bool) *Message {
	if i := slices.IndexFunc(a.ms, is); i >= 0 {
		return a.ms[i]
	}
	return nil
}

// refusalAck returns the ACK in the INVITE's transaction on the caller's hop, or on the hop of the refusal that
// decides.
//
// Not settled: whose ACK counts when a far hop's refusal decides. Either shows that the refusal arrived.
func (a *attempt) refusalAck() *Message {
	final := a.final()
	return a.find(func(m *Message) bool {
		on := m.hop() == a.mine || final != nil && m.hop() == final.hop()
		return on && a.acknowledgesRefusal(m)
	})
}

// acknowledgesRefusal reports whether m is the ACK of a refusal: it has the branch of the INVITE.
func (a *attempt) acknowledgesRefusal(m *Message) bool {
	return m.Method == "ACK" && nil != a.find(func(o *Message) bool {
		return o.Method == "INVITE" && o.hop() == m.hop() && o.branch() == m.branch() && !o.accepts()
	})
}

// acknowledgesAnswer reports whether m is the ACK of a 2xx: a transaction of its own.
func (a *attempt) acknowledgesAnswer(m *Message) bool {
	return m.Method == "ACK" && m.To != "" && !a.acknowledgesRefusal(m)
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
