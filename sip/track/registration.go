package track

import (
	"bytes"
	"slices"
	"time"

	"sipsieve/sip"
)

// bindings are what is known of registrations: one an address-of-record and Call-ID (RFC 3261 section 10.2.4 wants
// one Call-ID of one device's registrations).
type bindings struct {
	slab   slab[binding]
	index  map[Key]uint32
	lapses deadlines
	texts  arena
}

func newBindings() bindings { return bindings{index: make(map[Key]uint32)} }

// A binding is one device's registration. It holds no pointer.
type binding struct {
	index, record        Key
	text                 text
	hop                  hop
	seen                 [8]uint32
	cseq, asked, granted uint32
	refreshes, ordinal   uint32
	repeats, challenges  uint16
	nseen, vias          uint8
	credentials          bool
	state                RegistrationState
	requested            bool
}

// register takes note of a REGISTER or its response. It reports false if a limit kept m out.
func (t *Tracker) register(m *sip.Message, k Keys) bool {
	key := k.Shard.with(k.Call)
	n := t.bindings.index[key]
	if n == 0 {
		if !m.Request() {
			return true
		}
		if t.bindings.slab.len() >= t.limits.Bindings {
			return false
		}
		n = t.bindings.slab.take()
		t.bindings.index[key] = n
		b := t.bindings.slab.at(n)
		b.index, b.record = key, k.Shard
	}
	b := t.bindings.slab.at(n)
	if b.repeated(print(m, k)) {
		t.counts.Retransmissions++
		return true
	}
	if m.Request() {
		t.registerRequest(n, b, m)
	} else if m.Status >= 200 && m.CSeq == b.cseq && b.requested {
		t.registerFinal(n, b, m)
	}
	return true
}

func (b *binding) repeated(p uint32) bool {
	if slices.Contains(b.seen[:], p) {
		b.repeats++
		return true
	}
	b.seen[b.nseen%8] = p
	b.nseen++
	return false
}

func (t *Tracker) registerRequest(n uint32, b *binding, m *sip.Message) {
	b.cseq, b.requested, b.vias = m.CSeq, true, m.Vias
	b.hop = hopOf(m, t.point(m.Point))
	b.asked = granted(m, nil, 3600)
	b.credentials = m.Value(sip.Authorization) != nil || m.Value(sip.ProxyAuthorization) != nil
	f := t.start()
	f.Append(CallIDText, m.Value(sip.CallID))
	user, host := userHost(m.Value(sip.To))
	f.append(RegisteredNumber, dialled(user))
	f.append(RegisteredHost, host)
	for _, s := range m.Spans[:m.N] {
		if s.Header != sip.From && s.Header != sip.To && s.Header != sip.RequestURI {
			f.gather(s.Header, m.At(s))
		}
	}
	b.text = t.bindings.texts.put(b.text, f.text)
	if b.state == 0 {
		t.bindings.lapses.set(n, m.Time.UnixNano()+int64(t.limits.Ring))
	}
}

// registerFinal takes note of the final response to a REGISTER and tells if it changed anything.
func (t *Tracker) registerFinal(n uint32, b *binding, m *sip.Message) {
	b.requested = false
	at := m.Time.UnixNano()
	switch {
	case m.Status == 401 || m.Status == 407:
		b.challenges++
		if b.credentials && b.challenges > 1 && !stale(m) && b.state != RegistrationAuthFailed {
			t.tellBinding(b, RegistrationAuthFailed, m)
		}
	case m.Status < 300:
		t.granted(n, b, m)
	case m.Status >= 400 && m.Status != 423 && b.state != RegistrationRejected:
		t.tellBinding(b, RegistrationRejected, m)
	}
	if b.state == RegistrationAuthFailed || b.state == RegistrationRejected {
		t.bindings.lapses.set(n, at+int64(t.limits.Ring))
	}
}

// granted takes note of a 2xx.
func (t *Tracker) granted(n uint32, b *binding, m *sip.Message) {
	contact := Facts{text: t.bindings.texts.get(b.text)}.First(ContactHost)
	b.granted = granted(m, contact, b.asked)
	if b.asked == 0 {
		b.granted = 0
	}
	if b.granted == 0 {
		if b.state == Registered {
			t.tellBinding(b, Deregistered, m)
		}
		t.forgetBinding(n)
		return
	}
	if b.state == Registered {
		b.refreshes++
	} else {
		t.tellBinding(b, Registered, m)
	}
	b.challenges = 0
	t.bindings.lapses.set(n, m.Time.UnixNano()+int64(b.granted)*int64(time.Second)+patience)
}

// granted returns the seconds that m gives the contact with host: its parameter, else Expires, else otherwise.
func granted(m *sip.Message, host []byte, otherwise uint32) uint32 {
	for _, s := range m.Spans[:m.N] {
		if s.Header != sip.Contact {
			continue
		}
		found, n := false, uint32(0)
		sip.Addresses(m.At(s), func(a []byte) {
			_, at := userHost(a)
			if p, ok := sip.ParamOf(a, "expires"); ok && !found && (host == nil || bytes.EqualFold(at, host)) {
				found, n = true, seconds(p)
			}
		})
		if found {
			return n
		}
	}
	if v := m.Value(sip.Expires); v != nil {
		return seconds(v)
	}
	return otherwise
}

// stale reports whether m's challenge only asks for a new nonce (RFC 7616 section 3.3).
func stale(m *sip.Message) bool {
	for _, s := range m.Spans[:m.N] {
		if s.Header == sip.WWWAuthenticate || s.Header == sip.ProxyAuthenticate {
			v := bytes.ToLower(m.At(s))
			if bytes.HasPrefix(v, []byte("stale")) && bytes.Contains(v, []byte("true")) {
				return true
			}
		}
	}
	return false
}

func (t *Tracker) tellBinding(b *binding, state RegistrationState, m *sip.Message) {
	b.state = state
	t.appendRegistration(b, m.Time.UnixNano(), m.Time.UnixNano(), m.Status)
}

// appendRegistration tells that b's state changed at at, which was certain at certain.
func (t *Tracker) appendRegistration(b *binding, at, certain int64, code int) {
	t.counts.Registrations[b.state]++
	b.ordinal++
	status := Complete
	if b.state == Expired {
		status = Partial
	}
	r := &Registration{At: when(at), State: b.state, Code: code, Expires: int(b.granted), Refreshes: int(b.refreshes),
		Status: status, Completeness: 100, Retransmissions: int(b.repeats), Challenges: int(b.challenges), CSeq: b.cseq,
		Vias: int(b.vias), Flow: b.hop.flow(), VLAN: b.hop.vlan, Link: b.hop.link,
		Point: t.points[b.hop.point], Origin: b.hop.origin,
		Facts: Facts{text: slices.Clone(t.bindings.texts.get(b.text))}}
	t.events = append(t.events, Event{Time: when(certain), Key: b.record, Ordinal: b.ordinal, Kind: RegistrationKind,
		Stage: Stop, Revision: 1, Registration: r})
}

// expire tells of bindings that were not refreshed within the granted time and 32 s.
func (t *Tracker) expire() {
	q := &t.bindings.lapses
	for n, at, ok := q.due(t.now); ok; n, at, ok = q.due(t.now) {
		if b := t.bindings.slab.at(n); b.state == Registered {
			b.state = Expired
			t.appendRegistration(b, at-patience, at, 0)
		}
		t.forgetBinding(n)
	}
}

func (t *Tracker) forgetBinding(n uint32) {
	b := t.bindings.slab.at(n)
	delete(t.bindings.index, b.index)
	t.bindings.lapses.drop(n)
	t.bindings.texts.give(b.text)
	*b = binding{}
	t.bindings.slab.give(n)
}
