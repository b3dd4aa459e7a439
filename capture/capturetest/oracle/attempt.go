package oracle

import "slices"

// A branch is one INVITE transaction on one hop.
type branch struct {
	on hop
	id string
}

// final returns the refusal that decides about a, nil for none: that of the caller's hop, and without a final
// response and a CANCEL there the last one of the other hops, when nothing is alive on them.
func (a *attempt) final() *Message {
	near, alive := a.last(func(h hop) bool { return h == a.mine })
	if near != nil {
		if alive { // another target is still tried
			return nil
		}
		return near
	}
	if a.cancel() != nil {
		return nil
	}
	far, alive := a.last(func(h hop) bool { return h != a.mine })
	if alive {
		return nil
	}
	return far
}

// last returns the last refusal on some hops, and whether a transaction on them has no final response.
func (a *attempt) last(on func(hop) bool) (final *Message, alive bool) {
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
