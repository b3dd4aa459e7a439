package track

import (
	"slices"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/mem"
)

// A record is the bindings of one address-of-record.
type record struct {
	first   uint32
	held    uint32
	ordinal uint32 // of its Events
}

// A binding is one contact of an address-of-record at one registrar, or the failure to make one. It holds no pointer.
type binding struct {
	record    Key
	next      uint32 // of the same address-of-record
	text      mem.Text
	hop       hop
	identity         // what it is known by
	agent     uint64 // mark of the User-Agent
	family    uint64 // mark of vendor and model in it
	since     int64  // of the last REGISTER that was accepted, or may have been
	day       int64  // of the last Event, since 1970 in UTC
	granted   uint32
	cseq      uint32
	refreshes uint32
	vias      uint8
	state     RegistrationState
	holds     bool
	held      bool // it has been one
}

const (
	mostOfRecord = 64                    // bindings of one address-of-record
	remembered   = int64(24 * time.Hour) // how long what has expired is known again
	day          = int64(24 * time.Hour)
)

// A lease is what a 2xx grants.
type lease struct {
	*verdict
	seconds uint32
}

// An identity is what bindings are known by, as marks; 0 is unknown.
type identity struct {
	instance uint64 // of the instance-id
	flow     uint64 // of its reg-id (RFC 5626 section 4.2)
	contact  uint64 // of the Contact's URI
	host     uint64 // of its host
	call     uint64 // of the Call-ID, where nothing else tells the devices of one address apart
}

func (s *series) identity(c contact) identity {
	id := identity{contact: markOf(s.record, c.user, c.host, c.port), host: markOf(s.record, c.host)}
	if len(c.instance) > 0 {
		id.instance, id.flow = markOf(s.record, c.instance), markOf(s.record, c.flow)
	} else if s.contacts <= 1 {
		id.call = s.call
	}
	return id
}

// find returns the binding of id at the registrar that s speaks to, 0 without one: by its instance, else its URI, else
// its Call-ID. A registrar is told by its address, so that one phone's registrations before and behind a border
// controller are two.
func (b *bindings) find(s *series, id identity) (n uint32) {
	best := 0
	for at := b.records[s.record].first; at != 0; at = b.slab.At(at).next {
		one := b.slab.At(at)
		if rank := one.likeness(id); rank > best && one.hop.dst == s.hop.dst {
			n, best = at, rank
		}
	}
	return n
}

// likeness ranks what id and other have in common, 0 if they are two.
func (id identity) likeness(other identity) int {
	switch {
	case id.instance != 0 && id.instance == other.instance:
		if id.flow != other.flow {
			return 0
		}
		return 3
	case id.contact != 0 && id.contact == other.contact:
		return 2
	case id.call != 0 && id.call == other.call:
		return 1
	}
	return 0
}

// bind takes note of a contact that was accepted, and tells if that changed anything. It reports false if a limit kept
// it out.
func (t *Tracker) bind(s *series, c contact, f Facts, l lease) bool {
	id := s.identity(c)
	n := t.bindings.find(s, id)
	if n == 0 {
		if n = t.openBinding(s); n == 0 {
			return false
		}
	}
	b := t.bindings.slab.At(n)
	agent := markOf(s.record, f.First(UserAgentText))
	newAgent := agent != 0 && agent != b.agent
	state := b.changed(s, id, b.family)
	if newAgent {
		family := familyOf(s.record, f.First(UserAgentText))
		state = b.changed(s, id, family)
		b.agent, b.family = agent, family
	}
	b.identity = id
	b.take(s)
	b.text = t.bindings.texts.Put(b.text, f.text)
	b.since, b.granted, b.holds, b.held = l.at, l.seconds, true, true
	t.bindings.idle.Remove(n)
	t.bindings.lapses.Set(n, b.end()+timer64T1)
	switch {
	case state != 0:
		b.state = state
		t.tellBinding(b, telling{at: l.at, certain: l.certain, code: l.code, series: s}, f)
	default:
		b.refreshes++
		if newAgent || b.since/day != b.day {
			t.sight(b, s, f)
		}
	}
	b.state = Registered
	return true
}

// familyOf marks vendor and model of a User-Agent: another firmware makes no other device.
func familyOf(record Key, agent []byte) uint64 {
	d := sip.ReadDevice(agent)
	return markOf(record, []byte(d.Vendor), []byte(d.Model))
}

// take notes how s's REGISTER came.
func (b *binding) take(s *series) { b.hop, b.cseq, b.vias = s.hop, s.cseq, s.vias }

// end is when what was granted ends.
func (b *binding) end() int64 { return b.since + int64(b.granted)*int64(time.Second) }

// changed says what an accepted REGISTER changes of b, 0 for nothing. A source port that changed, or that of the
// Contact, is no move: a phone behind NAT may have another one for each refresh.
func (b *binding) changed(s *series, id identity, family uint64) RegistrationState {
	switch {
	case !b.held:
		return Registered
	case !b.holds || b.state != Registered:
		return Recovered
	case id.instance != b.instance && id.instance != 0 && b.instance != 0,
		id.instance == 0 && b.instance == 0 && family != b.family && family != 0 && b.family != 0:
		return ChangedDevice
	case id.host != b.host || s.hop.src != b.hop.src:
		return Moved
	}
	return 0
}

// openBinding returns a new binding of s's address-of-record, 0 if there is no room: what does not hold goes first,
// the oldest of it, and what holds never.
func (t *Tracker) openBinding(s *series) uint32 {
	b := &t.bindings
	r := b.records[s.record]
	if r.held >= mostOfRecord && !t.dropIdle(b.idleOf(r)) {
		return 0
	}
	for has := b.slab.Len(); has >= t.limits.Bindings || !t.budgets.Bindings.take(has); has = b.slab.Len() {
		if !t.dropIdle(b.idle.First()) {
			return 0
		}
	}
	n := b.slab.New()
	r = b.records[s.record]
	*b.slab.At(n) = binding{record: s.record, next: r.first, hop: s.hop}
	b.records[s.record] = record{first: n, held: r.held + 1, ordinal: r.ordinal}
	return n
}

// idleOf returns a binding of r that does not hold, 0 without one.
func (b *bindings) idleOf(r record) (n uint32) {
	for at := r.first; at != 0; at = b.slab.At(at).next {
		if !b.slab.At(at).holds {
			n = at // the list begins with the youngest
		}
	}
	return n
}

func (t *Tracker) dropIdle(n uint32) bool {
	if n == 0 {
		return false
	}
	t.counts.Forgotten++
	t.forgetBinding(n)
	return true
}

// refused takes note of a REGISTER that failed, and tells if the one before did not. It reports false if a limit kept
// it out.
func (t *Tracker) refused(s *series, v *verdict, state RegistrationState) bool {
	shared, contacts := Facts{text: t.bindings.texts.Get(s.text)}.split()
	c, own, _ := nextContact(contacts)
	f, id := t.joined(shared, own), s.identity(c)
	n := t.bindings.find(s, id)
	if n == 0 {
		if n = t.openBinding(s); n == 0 {
			return false
		}
		b := t.bindings.slab.At(n)
		b.identity = id
	}
	b, at := t.bindings.slab.At(n), v.at
	if !b.holds {
		t.bindings.idle.Append(n)
		t.bindings.lapses.Set(n, max(at+int64(t.limits.Ring), t.bindings.lapses.When(n)))
	}
	if b.state != state {
		b.state = state
		was := *b
		b.take(s)
		t.tellBinding(b, telling{at: at, certain: v.certain, code: v.code, series: s}, f)
		if was.holds {
			b.hop, b.cseq, b.vias = was.hop, was.cseq, was.vias
		}
	}
	s.challenges = 0
	return true
}

// remove takes note of a contact that was taken back.
func (t *Tracker) remove(s *series, c contact, f Facts, v *verdict) {
	if n := t.bindings.find(s, s.identity(c)); n != 0 {
		t.deregister(n, s, f, v)
	}
}

// removeAll takes note of Contact: *, which takes back all bindings at a registrar (RFC 3261 section 10.2.2).
func (t *Tracker) removeAll(s *series, shared Facts, v *verdict) {
	for n := t.bindings.records[s.record].first; n != 0; {
		b := t.bindings.slab.At(n)
		next := b.next
		if b.hop.dst == s.hop.dst {
			own := contactIn(Facts{text: t.bindings.texts.Get(b.text)})
			t.deregister(n, s, t.joined(shared, own), v)
		}
		n = next
	}
}

// contactIn returns the Facts of fs that are the contact's.
func contactIn(fs Facts) (own Facts) {
	for _, f := range []Fact{ContactUser, ContactHost, ContactPort, InstanceID, RegID} {
		own.Append(f, fs.First(f))
	}
	return own
}

// deregister forgets binding n, and tells if it held.
func (t *Tracker) deregister(n uint32, s *series, f Facts, v *verdict) {
	if b := t.bindings.slab.At(n); b.holds {
		b.state, b.granted = Deregistered, 0
		b.take(s)
		t.tellBinding(b, telling{at: v.at, certain: v.certain, code: v.code, series: s}, f)
	}
	t.forgetBinding(n)
}

// lapseBinding tells that binding n has expired, unless it may have been refreshed while nothing was seen, and forgets
// it later.
func (t *Tracker) lapseBinding(n uint32, due int64) {
	b := t.bindings.slab.At(n)
	if !b.holds {
		t.forgetBinding(n)
		return
	}
	if end := t.bindings.unseen(b.since, due); end != 0 {
		b.since = end
		t.bindings.lapses.Set(n, b.end()+timer64T1)
		return
	}
	b.state, b.holds = Expired, false
	t.tellBinding(b, telling{at: b.end(), certain: due}, Facts{text: t.bindings.texts.Get(b.text)})
	t.bindings.idle.Append(n)
	t.bindings.lapses.Set(n, due+remembered)
}

// forgetBinding frees binding n.
func (t *Tracker) forgetBinding(n uint32) {
	bs := &t.bindings
	b := bs.slab.At(n)
	bs.unlink(n, b)
	bs.idle.Remove(n)
	bs.lapses.Stop(n)
	bs.texts.Free(b.text)
	*b = binding{}
	bs.slab.Free(n)
	t.budgets.Bindings.give(bs.slab.Len())
}

// unlink takes binding n out of its record.
func (b *bindings) unlink(n uint32, one *binding) {
	r := b.records[one.record]
	r.held--
	if r.first == n {
		r.first = one.next
	}
	for at := r.first; at != 0; at = b.slab.At(at).next {
		if b.slab.At(at).next == n {
			b.slab.At(at).next = one.next
		}
	}
	if r.first == 0 {
		delete(b.records, one.record)
		return
	}
	b.records[one.record] = r
}

// A telling is how a change of state came to be known.
type telling struct {
	at, certain int64 // when it was; when it was certain
	code        int
	series      *series // nil if no message told it
}

// tellBinding tells that b's state has changed.
func (t *Tracker) tellBinding(b *binding, how telling, f Facts) {
	t.counts.Registrations[b.state]++
	r := b.event(t, how, f)
	b.refreshes = 0
	t.appendRegistration(b, RegistrationKind, how.certain, r)
}

// sight tells the devices, and nobody else, that b was refreshed.
func (t *Tracker) sight(b *binding, s *series, f Facts) {
	t.appendRegistration(b, SightingKind, b.since, b.event(t, telling{at: b.since, series: s}, f))
}

func (b *binding) event(t *Tracker, how telling, f Facts) *Registration {
	r := &Registration{At: when(how.at), State: b.state, Code: how.code, Expires: int(b.granted),
		Refreshes: int(b.refreshes), Status: Complete, Completeness: 100, CSeq: b.cseq, Vias: int(b.vias),
		Flow: b.hop.flow(), VLAN: b.hop.vlan, Link: b.hop.link, Point: t.points[b.hop.point], Origin: b.hop.origin,
		Facts: Facts{text: slices.Clone(f.text)}}
	if s := how.series; s != nil {
		r.Retransmissions, r.Challenges = int(s.repeats), int(s.challenges)
	} else {
		r.Status = Partial
	}
	return r
}

func (t *Tracker) appendRegistration(b *binding, kind Kind, certain int64, r *Registration) {
	b.day = certain / day
	rec := t.bindings.records[b.record]
	rec.ordinal++
	t.bindings.records[b.record] = rec
	t.events = append(t.events, Event{Time: when(certain), Key: b.record, Ordinal: rec.ordinal, Kind: kind, Stage: Stop,
		Revision: 1, Registration: r})
}
