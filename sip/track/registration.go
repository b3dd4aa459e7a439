package track

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/mem"
	"sipsieve/sip/syntax"
)

// bindings are what is known of registrations: the REGISTERs under way, and the bindings that they made.
type bindings struct {
	series  mem.Slab[series]
	calls   map[Key]uint32 // series by address-of-record and Call-ID
	recent  mem.List       // series, the one that was heard of longest ago first
	sources map[[16]byte]uint32
	far     map[uint32]verdict // by series: the first final response on another hop than the REGISTER's
	slab    mem.Slab[binding]
	records map[Key]record
	lapses  mem.Deadlines
	idle    mem.List // bindings that do not hold, the oldest first
	texts   mem.Arena
	gaps    []gap
}

func newBindings() bindings {
	return bindings{calls: make(map[Key]uint32), sources: make(map[[16]byte]uint32), far: make(map[uint32]verdict),
		records: make(map[Key]record)}
}

// A series is the REGISTERs of one user agent for one address-of-record under one Call-ID (RFC 3261 section 10.2.4
// wants one Call-ID of one device's registrations), as long as they are under way. It holds no pointer.
type series struct {
	index, record       Key
	text                mem.Text // Facts of the last REGISTER, those of its contacts last
	hop                 hop
	call                uint64 // mark of the Call-ID
	at, challenged      int64  // the last message; the last 401 or 407
	seen                [8]uint32
	cseq, asked         uint32 // asked is Expires of the last REGISTER
	repeats, challenges uint16
	nseen, vias         uint8
	contacts            uint8
	credentials         bool
	pending             bool // the final response is awaited
	all                 bool // Contact is *
	open                bool // no 2xx has come: it counts for its source
}

// Waits and limits of series: RFC 3261's 64*T1 twice, so that a slow answer to a challenge finds it, and the part of
// all series that one source may have open.
const (
	seriesWait = 2 * timer64T1
	mostOfOne  = 2
)

// register takes note of a REGISTER or its response. It reports false if a limit kept m out.
func (t *Tracker) register(m *sip.Message, k Keys) bool {
	index := k.Shard.with(k.Call)
	n := t.bindings.calls[index]
	if n == 0 {
		if !m.Request() {
			return true
		}
		if n = t.openSeries(m, k, index); n == 0 {
			return false
		}
	}
	s := t.bindings.series.At(n)
	p := print(m, k)
	if !s.hop.carries(m) { // what goes on to a further hop is no repeat
		p = ^p
	}
	if s.repeated(p) {
		t.counts.Retransmissions++
		return true
	}
	s.at = m.Time.UnixNano()
	t.bindings.recent.Append(n)
	if m.Request() {
		if m.CSeq > s.cseq { // the same on a further hop is no other REGISTER
			t.adoptFar(n, m.Time.UnixNano())
			t.registerRequest(s, m)
		}
		return true
	}
	if m.Status >= 200 && m.CSeq == s.cseq && s.pending {
		return t.finalResponse(n, m)
	}
	return true
}

// A verdict is what the final response to a REGISTER says.
type verdict struct {
	at, certain int64 // when it was seen; when it was known that it decides
	code        int
	stale       bool                 // the challenge only asks for a new nonce
	grants      [mostContacts]uint32 // of a 2xx: the seconds of each contact of the REGISTER
}

// finalResponse takes note of the final response m to the REGISTER of series n. The one on the hop of the REGISTER that
// was seen first decides: a proxy may grant its client other times than the registrar grants the proxy. One on another
// hop is kept until that comes. It reports false if a limit kept it out.
func (t *Tracker) finalResponse(n uint32, m *sip.Message) bool {
	b := &t.bindings
	s := b.series.At(n)
	v := t.readFinal(s, m)
	if !s.hop.carries(m) {
		if _, known := b.far[n]; !known {
			b.far[n] = v
		}
		return true
	}
	delete(b.far, n)
	s.pending = false
	return t.registerFinal(s, &v)
}

// adoptFar takes the final response on another hop for that of the REGISTER of series n, whose own was not seen until
// then.
func (t *Tracker) adoptFar(n uint32, then int64) {
	v, ok := t.bindings.far[n]
	if !ok {
		return
	}
	delete(t.bindings.far, n)
	s := t.bindings.series.At(n)
	s.pending, v.certain = false, max(v.at, then)
	t.registerFinal(s, &v)
}

// adoptEveryFar does so for all series: no message follows.
func (t *Tracker) adoptEveryFar() {
	for _, n := range slices.Sorted(maps.Keys(t.bindings.far)) {
		t.adoptFar(n, t.now)
	}
}

// readFinal reads the final response m to the last REGISTER of s.
func (t *Tracker) readFinal(s *series, m *sip.Message) verdict {
	at := m.Time.UnixNano()
	v := verdict{at: at, certain: at, code: m.Status, stale: stale(m)}
	if m.Status >= 300 {
		return v
	}
	_, contacts := Facts{text: t.bindings.texts.Get(s.text)}.split()
	for i := 0; len(contacts) > 0; i++ {
		c, _, rest := nextContact(contacts)
		contacts = rest
		v.grants[i] = granted(m, c, s.askedFor(c))
	}
	return v
}

// askedFor returns the seconds that the REGISTER asked for c.
func (s *series) askedFor(c contact) uint32 {
	if c.told {
		return c.expires
	}
	return s.asked
}

func (s *series) repeated(p uint32) bool {
	if slices.Contains(s.seen[:], p) {
		s.repeats++
		return true
	}
	s.seen[s.nseen%8] = p
	s.nseen++
	return false
}

// openSeries returns a new series, 0 if its source has too many that nobody answered. When there is no room, the
// oldest goes.
func (t *Tracker) openSeries(m *sip.Message, k Keys, index Key) uint32 {
	b := &t.bindings
	source := m.Flow.Src.Addr().As16()
	if int(b.sources[source]) > t.limits.Bindings/mostOfOne {
		return 0
	}
	for has := b.series.Len(); has >= t.limits.Bindings || !t.budgets.Registers.take(has); has = b.series.Len() {
		t.counts.Forgotten++
		t.forgetSeries(b.recent.First())
	}
	n := b.series.New()
	b.calls[index] = n
	b.sources[source]++
	s := b.series.At(n)
	*s = series{index: index, record: k.Shard, call: k.Call.short(), open: true, hop: hopOf(m, t.points.number(m.Point))}
	return n
}

func (t *Tracker) forgetSeries(n uint32) {
	b := &t.bindings
	s := b.series.At(n)
	b.recent.Remove(n)
	delete(b.far, n)
	delete(b.calls, s.index)
	b.settle(s)
	b.texts.Free(s.text)
	*s = series{}
	b.series.Free(n)
	t.budgets.Registers.give(b.series.Len())
}

// settle makes s count for its source no longer.
func (b *bindings) settle(s *series) {
	if !s.open {
		return
	}
	s.open = false
	if b.sources[s.hop.src]--; b.sources[s.hop.src] == 0 {
		delete(b.sources, s.hop.src)
	}
}

func (t *Tracker) registerRequest(s *series, m *sip.Message) {
	s.cseq, s.pending, s.vias, s.all, s.contacts = m.CSeq, true, m.Vias, false, 0
	t.rehop(s, m)
	s.asked = 3600 // RFC 3261 section 10.2.1.1 leaves it to the registrar: its usual default
	if v := m.Value(sip.Expires); v != nil {
		s.asked = expiry(v)
	}
	s.credentials = m.Value(sip.Authorization) != nil || m.Value(sip.ProxyAuthorization) != nil
	f := t.start()
	f.Append(CallIDText, m.Value(sip.CallID))
	user, host := readable(m.Value(sip.To))
	f.append(RegisteredNumber, dialled(user))
	f.append(RegisteredHost, host)
	for _, v := range m.Spans[:m.N] {
		switch v.Header {
		case sip.From, sip.To, sip.RequestURI, sip.Contact:
		default:
			f.gather(v.Header, m.At(v))
		}
	}
	t.gatherContacts(s, f, m)
	s.text = t.bindings.texts.Put(s.text, f.text)
}

// rehop notes how m came, if otherwise than the REGISTER before; a source is counted by its address.
func (t *Tracker) rehop(s *series, m *sip.Message) {
	h := hopOf(m, t.points.number(m.Point))
	if s.open && h.src != s.hop.src {
		t.bindings.settle(s)
	}
	s.hop = h
}

func (t *Tracker) gatherContacts(s *series, f *Facts, m *sip.Message) {
	for _, v := range m.Spans[:m.N] {
		if v.Header != sip.Contact {
			continue
		}
		syntax.Values(m.At(v), func(a []byte) {
			c := readContact(a)
			s.all = s.all || c.star
			if s.contacts < mostContacts && len(c.host) > 0 {
				f.appendContact(c)
				s.contacts++
			}
		})
	}
}

// registerFinal takes note of the final response v to a REGISTER. It reports false if a limit kept it out.
func (t *Tracker) registerFinal(s *series, v *verdict) bool {
	switch {
	case v.code == 401 || v.code == 407:
		s.challenges++
		again := s.challenged != 0 && v.at-s.challenged < int64(t.limits.Ring)
		s.challenged = v.at
		if s.credentials && again && !v.stale {
			return t.refused(s, v, RegistrationAuthFailed)
		}
	case v.code < 300:
		t.bindings.settle(s)
		kept := t.accept(s, v)
		s.challenged, s.challenges, s.repeats = 0, 0, 0
		return kept
	case v.code >= 400 && v.code != 423: // 423 asks for a longer time, and gets it (RFC 3261 section 10.3)
		return t.refused(s, v, RegistrationRejected)
	}
	return true
}

// accept takes note of the 2xx v. A REGISTER without Contact only asks which bindings there are.
func (t *Tracker) accept(s *series, v *verdict) bool {
	shared, contacts := Facts{text: t.bindings.texts.Get(s.text)}.split()
	if s.all {
		if s.asked == 0 {
			t.removeAll(s, shared, v)
		}
		return true
	}
	kept := true
	for i := 0; len(contacts) > 0; i++ {
		c, own, rest := nextContact(contacts)
		contacts = rest
		if s.askedFor(c) == 0 || v.grants[i] == 0 {
			t.remove(s, c, t.joined(shared, own), v)
			continue
		}
		kept = t.bind(s, c, t.joined(shared, own), lease{v, v.grants[i]}) && kept
	}
	return kept
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

// expire tells of bindings that were not refreshed within the granted time and 32 s, and forgets what is over.
func (t *Tracker) expire() {
	b := &t.bindings
	for n := b.recent.First(); n != 0 && b.series.At(n).at+seriesWait <= t.now; n = b.recent.First() {
		t.adoptFar(n, b.series.At(n).at+seriesWait)
		t.forgetSeries(n)
	}
	for n, at, ok := b.lapses.Expired(t.now); ok; n, at, ok = b.lapses.Expired(t.now) {
		t.lapseBinding(n, at)
	}
}

// blind says that nothing was seen between from and to: a binding that may have been refreshed then expires as if it
// had been. The last gaps are remembered; what was before counts as one.
func (t *Tracker) blind(from, to int64) {
	b := &t.bindings
	if last := len(b.gaps) - 1; last >= 0 && from <= b.gaps[last].to+int64(time.Second) {
		b.gaps[last] = gap{min(from, b.gaps[last].from), max(to, b.gaps[last].to)}
		return
	}
	if len(b.gaps) == mostGaps {
		b.gaps[1].from = b.gaps[0].from
		b.gaps = slices.Delete(b.gaps, 0, 1)
	}
	b.gaps = append(b.gaps, gap{from, to})
}

// mostGaps bounds the gaps that are told apart.
const mostGaps = 16

// A gap is when nothing was seen, in nanoseconds.
type gap struct{ from, to int64 }

// unseen returns the end of the last gap between from and to, 0 without one.
func (b *bindings) unseen(from, to int64) int64 {
	for i := len(b.gaps) - 1; i >= 0; i-- {
		if g := b.gaps[i]; g.to > from && g.from < to {
			return g.to
		}
	}
	return 0
}
