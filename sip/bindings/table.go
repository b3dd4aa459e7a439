package bindings

import (
	"maps"
	"slices"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// A Table follows the registrations of one shard: the REGISTERs under way, and the bindings that they made.
type Table struct {
	book       book
	budget     *mem.Budget // of series
	series     mem.Slab[series]
	calls      map[event.Key]uint32     // series by address-of-record and Call-ID
	recent     mem.List                 // series in the order of their last messages
	sources    map[[16]byte]uint32      // open series by source address
	downstream map[uint32]finalResponse // by series: the first final response on another hop than the REGISTER's
}

// Limits bound what a Table remembers.
type Limits struct {
	Bindings int           // and so many REGISTERs under way
	Ring     time.Duration // how long a failure and a challenge are remembered
}

// Counts is what a Table has counted.
type Counts struct {
	Retransmissions uint64
	Registrations   [event.RegistrationStates]uint64
	Forgotten       uint64 // REGISTERs under way and inactive bindings that were evicted
}

// New returns a Table with the limits l. It appends its Events to log. gather may be shared with other tables of the
// same goroutine.
func New(l Limits, log *event.Log, gather *facts.Gather) *Table {
	t := &Table{book: book{limits: l, log: log, gather: gather}}
	t.clear()
	return t
}

// clear forgets everything but the counts.
func (t *Table) clear() {
	b := &t.book
	t.book = book{limits: b.limits, budget: b.budget, points: b.points, gather: b.gather, counts: b.counts, log: b.log,
		aors: make(map[event.Key]aor)}
	*t = Table{book: t.book, budget: t.budget, calls: make(map[event.Key]uint32), sources: make(map[[16]byte]uint32),
		downstream: make(map[uint32]finalResponse)}
}

// Share makes the Budgets limit the bindings and the REGISTERs of t as well: budgets of several Tables.
func (t *Table) Share(bindings, registers *mem.Budget) {
	t.book.budget, t.budget = bindings, registers
}

// Missed records that frames were lost in w: a binding that may have been refreshed then expires as if it had been.
// Losses that are a second apart count as one, for the REGISTER and its response may be on either side of that second.
func (t *Table) Missed(w event.Window) { t.book.losses.Add(w, time.Second) }

// Counted returns what has been counted so far.
func (t *Table) Counted() Counts { return t.book.counts }

// Leave returns the bindings and REGISTERs of t to its Budgets.
func (t *Table) Leave() {
	t.book.budget.GiveAll(t.book.slab.Len())
	t.budget.GiveAll(t.series.Len())
}

// Observe applies a REGISTER or its response. It returns false if a limit refused m.
func (t *Table) Observe(m *sip.Message, k event.Keys) bool {
	index := k.Shard.With(k.Call)
	n := t.calls[index]
	if n == 0 {
		if !m.Request() {
			return true
		}
		if n = t.openSeries(m, k, index); n == 0 {
			return false
		}
	}
	s := t.series.At(n)
	p := hops.Print(m, k)
	if !s.hop.Carries(m) { // what goes on to a further hop is no repeat
		p = ^p
	}
	if s.repeated(p) {
		t.book.counts.Retransmissions++
		return true
	}
	s.last = m.Time.UnixNano()
	t.recent.Append(n)
	if m.Request() {
		if m.CSeq > s.cseq { // the same on a further hop is no other REGISTER
			t.adoptDownstream(n, m.Time.UnixNano())
			t.applyRequest(s, m)
		}
		return true
	}
	if m.Status >= 200 && m.CSeq == s.cseq && s.pending {
		return t.applyFinal(n, m)
	}
	return true
}

// applyFinal applies the final response m to the REGISTER of series n. The one on the hop of the first REGISTER
// decides: a proxy may grant its client another expiry than the registrar grants the proxy. One on another hop is kept
// as fallback. It returns false if a limit refused it.
func (t *Table) applyFinal(n uint32, m *sip.Message) bool {
	s := t.series.At(n)
	v := t.readFinal(s, m)
	if !s.hop.Carries(m) {
		if _, known := t.downstream[n]; !known {
			t.downstream[n] = v
		}
		return true
	}
	delete(t.downstream, n)
	s.pending = false
	return t.decide(s, &v)
}

// adoptDownstream decides the REGISTER of series n by a final response on another hop, if there is one: none was seen
// on its own hop until now (nanoseconds).
func (t *Table) adoptDownstream(n uint32, now int64) {
	v, ok := t.downstream[n]
	if !ok {
		return
	}
	delete(t.downstream, n)
	s := t.series.At(n)
	s.pending, v.certain = false, max(v.time, now)
	t.decide(s, &v)
}

// readFinal reads the final response m to the last REGISTER of s.
func (t *Table) readFinal(s *series, m *sip.Message) finalResponse {
	received := m.Time.UnixNano()
	v := finalResponse{time: received, certain: received, code: m.Status, stale: stale(m)}
	if m.Status >= 300 {
		return v
	}
	i := 0
	for c := range facts.FromBytes(t.book.texts.Get(s.text)).Contacts() {
		v.grants[i] = c.Granted(m, s.requested(c))
		i++
	}
	return v
}

// openSeries returns the number of a new series, 0 if its source has too many without a 2xx. If there are too many
// series, the one whose last message is oldest is evicted.
func (t *Table) openSeries(m *sip.Message, k event.Keys, index event.Key) uint32 {
	source := m.Flow.Src.Addr().As16()
	if int(t.sources[source]) > t.book.limits.Bindings/mostOfOne {
		return 0
	}
	for has := t.series.Len(); has >= t.book.limits.Bindings || !t.budget.Take(has); has = t.series.Len() {
		t.book.counts.Forgotten++
		t.forgetSeries(t.recent.First())
	}
	n := t.series.New()
	t.calls[index] = n
	t.sources[source]++
	s := t.series.At(n)
	*s = series{index: index, aor: k.Shard, call: k.Call.Short(), open: true,
		hop: hops.Of(m, t.book.points.Number(m.Point))}
	return n
}

// forgetSeries frees series n.
func (t *Table) forgetSeries(n uint32) {
	s := t.series.At(n)
	t.recent.Remove(n)
	delete(t.downstream, n)
	delete(t.calls, s.index)
	t.settle(s)
	t.book.texts.Free(s.text)
	*s = series{}
	t.series.Free(n)
	t.budget.Give(t.series.Len())
}

// settle ends the counting of s for its source.
func (t *Table) settle(s *series) {
	if !s.open {
		return
	}
	s.open = false
	if t.sources[s.hop.Src]--; t.sources[s.hop.Src] == 0 {
		delete(t.sources, s.hop.Src)
	}
}

// applyRequest applies a REGISTER with a new CSeq.
func (t *Table) applyRequest(s *series, m *sip.Message) {
	s.cseq, s.pending, s.vias = m.CSeq, true, m.Vias
	t.setHop(s, m)
	s.expires = 3600 // RFC 3261 section 10.2.1.1 leaves it to the registrar: its usual default
	if v := m.Value(sip.Expires); v != nil {
		s.expires = facts.Expiry(v)
	}
	s.credentials = m.Value(sip.Authorization) != nil || m.Value(sip.ProxyAuthorization) != nil
	f, contacts, all := t.book.gather.Register(m)
	s.contacts, s.all = uint8(contacts), all
	s.text = t.book.texts.Put(s.text, f.Bytes())
}

// setHop sets the hop of the last REGISTER. If its source address changed, s is no longer counted for the old one.
func (t *Table) setHop(s *series, m *sip.Message) {
	h := hops.Of(m, t.book.points.Number(m.Point))
	if s.open && h.Src != s.hop.Src {
		t.settle(s)
	}
	s.hop = h
}

// decide applies the deciding final response v to a REGISTER. It returns false if a limit refused it.
func (t *Table) decide(s *series, v *finalResponse) bool {
	switch {
	case v.code == 401 || v.code == 407:
		s.challenges++
		again := s.challenged != 0 && v.time-s.challenged < int64(t.book.limits.Ring)
		s.challenged = v.time
		if s.credentials && again && !v.stale {
			return t.book.refused(s, v, event.RegistrationAuthFailed)
		}
	case v.code < 300:
		t.settle(s)
		kept := t.accept(s, v)
		s.challenged, s.challenges, s.repeats = 0, 0, 0
		return kept
	case v.code >= 400 && v.code != 423: // after 423 a REGISTER with a longer expiry follows (RFC 3261 section 10.3)
		return t.book.refused(s, v, event.RegistrationRejected)
	}
	return true
}

// accept applies the 2xx v. A REGISTER without Contact only queries the bindings.
func (t *Table) accept(s *series, v *finalResponse) bool {
	f := facts.FromBytes(t.book.texts.Get(s.text))
	if s.all {
		if s.expires == 0 {
			t.book.removeAll(s, f.Shared(), v)
		}
		return true
	}
	kept, i := true, 0
	for c, own := range f.Contacts() {
		one, seconds := t.book.gather.Join(f.Shared(), own), v.grants[i]
		if i++; s.requested(c) == 0 || seconds == 0 {
			t.book.remove(s, c, one, v)
			continue
		}
		kept = t.book.bind(s, c, one, lease{v, seconds}) && kept
	}
	return kept
}

// Advance moves the clock to now (nanoseconds): bindings that were not refreshed within the granted expiry and 32 s
// expire, and series without a message for 64 s are forgotten.
func (t *Table) Advance(now int64) {
	for n := t.recent.First(); n != 0 && t.series.At(n).last+seriesWait <= now; n = t.recent.First() {
		t.adoptDownstream(n, t.series.At(n).last+seriesWait)
		t.forgetSeries(n)
	}
	for n, due, ok := t.book.timers.Expired(now); ok; n, due, ok = t.book.timers.Expired(now) {
		t.book.expire(n, due)
	}
}

// Finish decides REGISTERs by the final responses on other hops, since no message follows, and forgets everything.
func (t *Table) Finish(now int64) {
	for _, n := range slices.Sorted(maps.Keys(t.downstream)) {
		t.adoptDownstream(n, now)
	}
	t.Leave()
	t.clear()
}
