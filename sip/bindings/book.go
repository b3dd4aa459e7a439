package bindings

import (
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// A book holds the bindings of many addresses-of-record.
type book struct {
	limits  Limits
	budget  *mem.Budget // of bindings
	slab    mem.Slab[binding]
	records map[event.Key]record
	lapses  mem.Deadlines
	idle    mem.List // bindings that do not hold, the oldest first
	texts   mem.Arena
	points  hops.Points
	gather  *facts.Gather
	losses  event.Windows
	counts  Counts
	log     *event.Log
}

// A record is the bindings of one address-of-record.
type record struct {
	first   uint32
	held    uint32
	ordinal uint32 // of its Events
}

const (
	mostOfRecord = 64                    // bindings of one address-of-record
	remembered   = int64(24 * time.Hour) // how long what has expired is known again
)

// A lease is what a 2xx grants.
type lease struct {
	*verdict
	seconds uint32
}

// bind takes note of a contact that was accepted, and tells if that changed anything. It reports false if a limit kept
// it out.
func (t *book) bind(s *series, c facts.Contact, f facts.Facts, l lease) bool {
	id := s.identity(c)
	n := t.find(s, id)
	if n == 0 {
		if n = t.openBinding(s); n == 0 {
			return false
		}
	}
	b := t.slab.At(n)
	agent := s.record.Mark(f.First(facts.UserAgentText))
	newAgent := agent != 0 && agent != b.agent
	state := b.changed(s, id, b.family)
	if newAgent {
		family := familyOf(s.record, f.First(facts.UserAgentText))
		state = b.changed(s, id, family)
		b.agent, b.family = agent, family
	}
	b.identity = id
	b.take(s)
	b.text = t.texts.Put(b.text, f.Bytes())
	b.since, b.granted, b.holds, b.held = l.at, l.seconds, true, true
	t.idle.Remove(n)
	t.lapses.Set(n, b.end()+event.Timer64T1)
	switch {
	case state != 0:
		b.state = state
		t.tellBinding(b, telling{at: l.at, certain: l.certain, code: l.code, series: s}, f)
	default:
		b.refreshes++
		if newAgent || b.since/event.Day != b.day {
			t.sight(b, s, f)
		}
	}
	b.state = event.Registered
	return true
}

// find returns the binding of id at the registrar that s speaks to, 0 without one: by its instance, else its URI, else
// its Call-ID. A registrar is told by its address, so that one phone's registrations before and behind a border
// controller are two.
func (t *book) find(s *series, id identity) (n uint32) {
	best := 0
	for at := t.records[s.record].first; at != 0; at = t.slab.At(at).next {
		one := t.slab.At(at)
		if rank := one.likeness(id); rank > best && one.hop.Dst == s.hop.Dst {
			n, best = at, rank
		}
	}
	return n
}

// openBinding returns a new binding of s's address-of-record, 0 if there is no room: what does not hold goes first,
// the oldest of it, and what holds never.
func (t *book) openBinding(s *series) uint32 {
	r := t.records[s.record]
	if r.held >= mostOfRecord && !t.dropIdle(t.idleOf(r)) {
		return 0
	}
	for has := t.slab.Len(); has >= t.limits.Bindings || !t.budget.Take(has); has = t.slab.Len() {
		if !t.dropIdle(t.idle.First()) {
			return 0
		}
	}
	n := t.slab.New()
	r = t.records[s.record]
	*t.slab.At(n) = binding{record: s.record, next: r.first, hop: s.hop}
	t.records[s.record] = record{first: n, held: r.held + 1, ordinal: r.ordinal}
	return n
}

// idleOf returns a binding of r that does not hold, 0 without one.
func (t *book) idleOf(r record) (n uint32) {
	for at := r.first; at != 0; at = t.slab.At(at).next {
		if !t.slab.At(at).holds {
			n = at // the list begins with the youngest
		}
	}
	return n
}

func (t *book) dropIdle(n uint32) bool {
	if n == 0 {
		return false
	}
	t.counts.Forgotten++
	t.forgetBinding(n)
	return true
}

// refused takes note of a REGISTER that failed, and tells if the one before did not. It reports false if a limit kept
// it out.
func (t *book) refused(s *series, v *verdict, state event.RegistrationState) bool {
	all := facts.FromBytes(t.texts.Get(s.text))
	var c facts.Contact
	var own facts.Facts
	for c, own = range all.Contacts() {
		break
	}
	f, id := t.gather.Join(all.Shared(), own), s.identity(c)
	n := t.find(s, id)
	if n == 0 {
		if n = t.openBinding(s); n == 0 {
			return false
		}
		b := t.slab.At(n)
		b.identity = id
	}
	b, at := t.slab.At(n), v.at
	if !b.holds {
		t.idle.Append(n)
		t.lapses.Set(n, max(at+int64(t.limits.Ring), t.lapses.When(n)))
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
func (t *book) remove(s *series, c facts.Contact, f facts.Facts, v *verdict) {
	if n := t.find(s, s.identity(c)); n != 0 {
		t.deregister(n, s, f, v)
	}
}

// removeAll takes note of Contact: *, which takes back all bindings at a registrar (RFC 3261 section 10.2.2).
func (t *book) removeAll(s *series, shared facts.Facts, v *verdict) {
	for n := t.records[s.record].first; n != 0; {
		b := t.slab.At(n)
		next := b.next
		if b.hop.Dst == s.hop.Dst {
			own := facts.FromBytes(t.texts.Get(b.text)).Contact()
			t.deregister(n, s, t.gather.Join(shared, own), v)
		}
		n = next
	}
}

// deregister forgets binding n, and tells if it held.
func (t *book) deregister(n uint32, s *series, f facts.Facts, v *verdict) {
	if b := t.slab.At(n); b.holds {
		b.state, b.granted = event.Deregistered, 0
		b.take(s)
		t.tellBinding(b, telling{at: v.at, certain: v.certain, code: v.code, series: s}, f)
	}
	t.forgetBinding(n)
}

// lapseBinding tells that binding n has expired, unless it may have been refreshed while nothing was seen, and forgets
// it later.
func (t *book) lapseBinding(n uint32, due int64) {
	b := t.slab.At(n)
	if !b.holds {
		t.forgetBinding(n)
		return
	}
	if end := t.losses.LastEnd(b.since, due); end != 0 {
		b.since = end
		t.lapses.Set(n, b.end()+event.Timer64T1)
		return
	}
	b.state, b.holds = event.Expired, false
	t.tellBinding(b, telling{at: b.end(), certain: due}, facts.FromBytes(t.texts.Get(b.text)))
	t.idle.Append(n)
	t.lapses.Set(n, due+remembered)
}

// forgetBinding frees binding n.
func (t *book) forgetBinding(n uint32) {
	b := t.slab.At(n)
	t.unlink(n, b)
	t.idle.Remove(n)
	t.lapses.Stop(n)
	t.texts.Free(b.text)
	*b = binding{}
	t.slab.Free(n)
	t.budget.Give(t.slab.Len())
}

// unlink takes binding n out of its record.
func (t *book) unlink(n uint32, one *binding) {
	r := t.records[one.record]
	r.held--
	if r.first == n {
		r.first = one.next
	}
	for at := r.first; at != 0; at = t.slab.At(at).next {
		if t.slab.At(at).next == n {
			t.slab.At(at).next = one.next
		}
	}
	if r.first == 0 {
		delete(t.records, one.record)
		return
	}
	t.records[one.record] = r
}

// A telling is how a change of state came to be known.
type telling struct {
	at, certain int64 // when it was; when it was certain
	code        int
	series      *series // nil if no message told it
}

// tellBinding tells that b's state has changed.
func (t *book) tellBinding(b *binding, how telling, f facts.Facts) {
	t.counts.Registrations[b.state]++
	r := t.event(b, how, f)
	b.refreshes = 0
	t.appendRegistration(b, event.RegistrationKind, how.certain, r)
}

// sight tells the devices, and nobody else, that b was refreshed.
func (t *book) sight(b *binding, s *series, f facts.Facts) {
	t.appendRegistration(b, event.SightingKind, b.since, t.event(b, telling{at: b.since, series: s}, f))
}

// event returns what b is after the change that how describes.
func (t *book) event(b *binding, how telling, f facts.Facts) *event.Registration {
	r := &event.Registration{At: event.When(how.at), State: b.state, Code: how.code, Expires: int(b.granted),
		Refreshes: int(b.refreshes), Status: event.Complete, Completeness: 100, CSeq: b.cseq, Vias: int(b.vias),
		Flow: b.hop.Flow(), VLAN: b.hop.VLAN, Link: b.hop.Link, Point: t.points[b.hop.Point], Origin: b.hop.Origin,
		Facts: f.Clone()}
	if s := how.series; s != nil {
		r.Retransmissions, r.Challenges = int(s.repeats), int(s.challenges)
	} else {
		r.Status = event.Partial
	}
	return r
}

func (t *book) appendRegistration(b *binding, kind event.Kind, certain int64, r *event.Registration) {
	b.day = certain / event.Day
	rec := t.records[b.record]
	rec.ordinal++
	t.records[b.record] = rec
	t.log.Add(event.Event{Time: event.When(certain), Key: b.record, Ordinal: rec.ordinal, Kind: kind, Stage: event.Stop,
		Revision: 1, Registration: r})
}
