package bindings

import (
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// A book holds the bindings of many addresses-of-record and publishes their changes.
type book struct {
	limits Limits
	budget *mem.Budget // of bindings
	slab   mem.Slab[binding]
	aors   map[event.Key]aor
	timers mem.Deadlines
	idle   mem.List // bindings that are not active, the oldest first
	texts  mem.Arena
	points hops.Points
	gather *facts.Gather
	losses event.Windows
	counts Counts
	log    *event.Log
}

// An aor is an address-of-record with its bindings.
type aor struct {
	first   uint32 // number of its latest binding
	count   uint32 // how many it has
	ordinal uint32 // of its Events
}

const (
	mostOfAOR  = 64                    // bindings of one address-of-record
	remembered = int64(24 * time.Hour) // how long an expired binding is kept, to recognise its recovery
)

// A lease is the expiry that a 2xx grants to one contact.
type lease struct {
	*finalResponse
	seconds uint32
}

// bind adds or refreshes the binding of an accepted contact, and publishes if its state changed. It returns false if a
// limit refused it.
func (t *book) bind(s *series, c facts.Contact, f facts.Facts, l lease) bool {
	id := s.identity(c)
	n := t.find(s, id)
	if n == 0 {
		if n = t.openBinding(s); n == 0 {
			return false
		}
	}
	b := t.slab.At(n)
	agent := s.aor.Mark(f.First(facts.UserAgentText))
	newAgent := agent != 0 && agent != b.agent
	state := b.changed(s, id, b.family)
	if newAgent {
		family := familyOf(s.aor, f.First(facts.UserAgentText))
		state = b.changed(s, id, family)
		b.agent, b.family = agent, family
	}
	b.identity = id
	b.setRequest(s)
	b.text = t.texts.Put(b.text, f.Bytes())
	b.since, b.granted, b.active, b.registered = l.time, l.seconds, true, true
	t.idle.Remove(n)
	t.timers.Set(n, b.end()+event.Timer64T1)
	switch {
	case state != 0:
		b.state = state
		t.publishChange(b, change{time: l.time, certain: l.certain, code: l.code, series: s}, f)
	default:
		b.refreshes++
		if newAgent || b.since/event.Day != b.day {
			t.publishSighting(b, s, f)
		}
	}
	b.state = event.Registered
	return true
}

// find returns the number of the binding of id at the registrar of s, 0 without one: by its instance, else its URI,
// else its Call-ID. A registrar is identified by its address, so that one phone has two bindings if its REGISTER is
// seen before and behind a border controller.
func (t *book) find(s *series, id identity) (n uint32) {
	best := 0
	for i := t.aors[s.aor].first; i != 0; i = t.slab.At(i).next {
		one := t.slab.At(i)
		if rank := one.likeness(id); rank > best && one.hop.Dst == s.hop.Dst {
			n, best = i, rank
		}
	}
	return n
}

// openBinding returns the number of a new binding of s's address-of-record, 0 if a limit refused it. The oldest binding
// that is not active is evicted if there are too many, an active one never.
func (t *book) openBinding(s *series) uint32 {
	r := t.aors[s.aor]
	if r.count >= mostOfAOR && !t.evictIdle(t.idleOf(r)) {
		return 0
	}
	for has := t.slab.Len(); has >= t.limits.Bindings || !t.budget.Take(has); has = t.slab.Len() {
		if !t.evictIdle(t.idle.First()) {
			return 0
		}
	}
	n := t.slab.New()
	r = t.aors[s.aor]
	*t.slab.At(n) = binding{aor: s.aor, next: r.first, hop: s.hop}
	t.aors[s.aor] = aor{first: n, count: r.count + 1, ordinal: r.ordinal}
	return n
}

// idleOf returns the oldest binding of r that is not active, 0 without one.
func (t *book) idleOf(r aor) (n uint32) {
	for i := r.first; i != 0; i = t.slab.At(i).next {
		if !t.slab.At(i).active {
			n = i // the list begins with the latest
		}
	}
	return n
}

func (t *book) evictIdle(n uint32) bool {
	if n == 0 {
		return false
	}
	t.counts.Forgotten++
	t.forgetBinding(n)
	return true
}

// refused applies a REGISTER that failed, and publishes if the one before did not fail. It returns false if a limit
// refused it.
func (t *book) refused(s *series, v *finalResponse, state event.RegistrationState) bool {
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
	b := t.slab.At(n)
	if !b.active {
		t.idle.Append(n)
		t.timers.Set(n, max(v.time+int64(t.limits.Ring), t.timers.When(n)))
	}
	if b.state != state {
		b.state = state
		was := *b
		b.setRequest(s)
		t.publishChange(b, change{time: v.time, certain: v.certain, code: v.code, series: s}, f)
		if was.active {
			b.hop, b.cseq, b.vias = was.hop, was.cseq, was.vias
		}
	}
	s.challenges = 0
	return true
}

// remove removes the binding of a contact that was registered with Expires 0.
func (t *book) remove(s *series, c facts.Contact, f facts.Facts, v *finalResponse) {
	if n := t.find(s, s.identity(c)); n != 0 {
		t.deregister(n, s, f, v)
	}
}

// removeAll removes all bindings at a registrar: Contact: * (RFC 3261 section 10.2.2).
func (t *book) removeAll(s *series, shared facts.Facts, v *finalResponse) {
	for n := t.aors[s.aor].first; n != 0; {
		b := t.slab.At(n)
		next := b.next
		if b.hop.Dst == s.hop.Dst {
			own := facts.FromBytes(t.texts.Get(b.text)).Contact()
			t.deregister(n, s, t.gather.Join(shared, own), v)
		}
		n = next
	}
}

// deregister removes binding n, and publishes if it was active.
func (t *book) deregister(n uint32, s *series, f facts.Facts, v *finalResponse) {
	if b := t.slab.At(n); b.active {
		b.state, b.granted = event.Deregistered, 0
		b.setRequest(s)
		t.publishChange(b, change{time: v.time, certain: v.certain, code: v.code, series: s}, f)
	}
	t.forgetBinding(n)
}

// expire handles the timer of binding n, which expired at due (nanoseconds). A binding that is not active is forgotten.
// An active one has expired, unless it may have been refreshed in a loss: then it expires as if it had been.
func (t *book) expire(n uint32, due int64) {
	b := t.slab.At(n)
	if !b.active {
		t.forgetBinding(n)
		return
	}
	if end := t.losses.LastEnd(b.since, due); end != 0 {
		b.since = end
		t.timers.Set(n, b.end()+event.Timer64T1)
		return
	}
	b.state, b.active = event.Expired, false
	t.publishChange(b, change{time: b.end(), certain: due}, facts.FromBytes(t.texts.Get(b.text)))
	t.idle.Append(n)
	t.timers.Set(n, due+remembered)
}

// forgetBinding frees binding n.
func (t *book) forgetBinding(n uint32) {
	b := t.slab.At(n)
	t.unlink(n, b)
	t.idle.Remove(n)
	t.timers.Stop(n)
	t.texts.Free(b.text)
	*b = binding{}
	t.slab.Free(n)
	t.budget.Give(t.slab.Len())
}

// unlink removes binding n from its address-of-record.
func (t *book) unlink(n uint32, one *binding) {
	r := t.aors[one.aor]
	r.count--
	if r.first == n {
		r.first = one.next
	}
	for i := r.first; i != 0; i = t.slab.At(i).next {
		if t.slab.At(i).next == n {
			t.slab.At(i).next = one.next
		}
	}
	if r.first == 0 {
		delete(t.aors, one.aor)
		return
	}
	t.aors[one.aor] = r
}

// A change is a change of a binding's state.
type change struct {
	time, certain int64   // when it was; when it was certain, which is the time of its Event. Nanoseconds
	code          int     // status of the response, 0 without one
	series        *series // nil if a timer caused it
}

// publishChange publishes the state of b after c.
func (t *book) publishChange(b *binding, c change, f facts.Facts) {
	t.counts.Registrations[b.state]++
	r := t.registration(b, c, f)
	b.refreshes = 0
	t.appendRegistration(b, event.RegistrationKind, c.certain, r)
}

// publishSighting publishes a refresh of b, for package devices only.
func (t *book) publishSighting(b *binding, s *series, f facts.Facts) {
	t.appendRegistration(b, event.SightingKind, b.since, t.registration(b, change{time: b.since, series: s}, f))
}

// registration returns the Registration that is published of b after c.
func (t *book) registration(b *binding, c change, f facts.Facts) *event.Registration {
	r := &event.Registration{At: event.When(c.time), State: b.state, Code: c.code, Expires: int(b.granted),
		Refreshes: int(b.refreshes), Status: event.Complete, Completeness: 100, CSeq: b.cseq, Vias: int(b.vias),
		Flow: b.hop.Flow(), VLAN: b.hop.VLAN, Link: b.hop.Link, Point: t.points[b.hop.Point], Origin: b.hop.Origin,
		Facts: f.Clone()}
	if s := c.series; s != nil {
		r.Retransmissions, r.Challenges = int(s.repeats), int(s.challenges)
	} else {
		r.Status = event.Partial
	}
	return r
}

// appendRegistration appends the Event of r, with the time certain (nanoseconds).
func (t *book) appendRegistration(b *binding, kind event.Kind, certain int64, r *event.Registration) {
	b.day = certain / event.Day
	a := t.aors[b.aor]
	a.ordinal++
	t.aors[b.aor] = a
	t.log.Add(event.Event{Time: event.When(certain), Key: b.aor, Ordinal: a.ordinal, Kind: kind, Stage: event.Stop,
		Revision: 1, Registration: r})
}
