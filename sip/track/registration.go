package track

import (
	"bytes"
	"slices"
	"time"

	"sipsieve/sip"
)

// bindings are what is known of registrations: the REGISTERs under way, and the bindings that they made.
type bindings struct {
	series  slab[series]
	calls   map[Key]uint32 // series by address-of-record and Call-ID
	recent  queue          // series, the one that was heard of longest ago first
	sources map[[16]byte]uint32
	slab    slab[binding]
	records map[Key]record
	lapses  deadlines
	idle    queue // bindings that do not hold, the oldest first
	texts   arena
	gaps    []gap
}

func newBindings() bindings {
	return bindings{calls: make(map[Key]uint32), sources: make(map[[16]byte]uint32), records: make(map[Key]record)}
}

// A series is the REGISTERs of one user agent for one address-of-record under one Call-ID (RFC 3261 section 10.2.4
// wants one Call-ID of one device's registrations), as long as they are under way. It holds no pointer.
type series struct {
	index, record       Key
	text                text // Facts of the last REGISTER, those of its contacts last
	row                 link
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

func (s *series) place() *link { return &s.row }

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
	s := t.bindings.series.at(n)
	if s.repeated(print(m, k)) {
		t.counts.Retransmissions++
		return true
	}
	s.at = m.Time.UnixNano()
	leave(&t.bindings.recent, &t.bindings.series, n)
	enqueue(&t.bindings.recent, &t.bindings.series, n)
	if m.Request() {
		if m.CSeq > s.cseq { // the same on a further hop is no other REGISTER
			t.registerRequest(s, m)
		}
		return true
	}
	if m.Status >= 200 && m.CSeq == s.cseq && s.pending {
		s.pending = false
		return t.registerFinal(s, m)
	}
	return true
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
	if b.series.len() >= t.limits.Bindings {
		t.counts.Forgotten++
		b.forgetSeries(b.recent.head)
	}
	n := b.series.take()
	b.calls[index] = n
	b.sources[source]++
	s := b.series.at(n)
	*s = series{index: index, record: k.Shard, call: k.Call.short(), open: true, hop: hopOf(m, t.point(m.Point))}
	return n
}

func (b *bindings) forgetSeries(n uint32) {
	s := b.series.at(n)
	leave(&b.recent, &b.series, n)
	delete(b.calls, s.index)
	b.settle(s)
	b.texts.give(s.text)
	*s = series{}
	b.series.give(n)
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
		s.asked = seconds(v)
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
	s.text = t.bindings.texts.put(s.text, f.text)
}

// rehop notes how m came, if otherwise than the REGISTER before; a source is counted by its address.
func (t *Tracker) rehop(s *series, m *sip.Message) {
	h := hopOf(m, t.point(m.Point))
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
		sip.Addresses(m.At(v), func(a []byte) {
			c := readContact(a)
			s.all = s.all || c.star
			if s.contacts < mostContacts && len(c.host) > 0 {
				f.appendContact(c)
				s.contacts++
			}
		})
	}
}

// registerFinal takes note of the final response to a REGISTER. It reports false if a limit kept it out.
func (t *Tracker) registerFinal(s *series, m *sip.Message) bool {
	at := m.Time.UnixNano()
	switch {
	case m.Status == 401 || m.Status == 407:
		s.challenges++
		again := s.challenged != 0 && at-s.challenged < int64(t.limits.Ring)
		s.challenged = at
		if s.credentials && again && !stale(m) {
			return t.refused(s, m, RegistrationAuthFailed)
		}
	case m.Status < 300:
		t.bindings.settle(s)
		kept := t.accept(s, m)
		s.challenged, s.challenges, s.repeats = 0, 0, 0
		return kept
	case m.Status >= 400 && m.Status != 423: // 423 asks for a longer time, and gets it (RFC 3261 section 10.3)
		return t.refused(s, m, RegistrationRejected)
	}
	return true
}

// accept takes note of a 2xx. A REGISTER without Contact only asks which bindings there are.
func (t *Tracker) accept(s *series, m *sip.Message) bool {
	shared, contacts := Facts{text: t.bindings.texts.get(s.text)}.split()
	if s.all {
		if s.asked == 0 {
			t.removeAll(s, shared, m)
		}
		return true
	}
	kept := true
	for len(contacts) > 0 {
		c, own, rest := nextContact(contacts)
		contacts = rest
		asked := s.asked
		if c.told {
			asked = c.expires
		}
		seconds := granted(m, c, asked)
		if asked == 0 || seconds == 0 {
			t.remove(s, c, t.joined(shared, own), m)
			continue
		}
		kept = t.bind(s, c, t.joined(shared, own), lease{m, seconds}) && kept
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
	for n := b.recent.head; n != 0 && b.series.at(n).at+seriesWait <= t.now; n = b.recent.head {
		b.forgetSeries(n)
	}
	for n, at, ok := b.lapses.due(t.now); ok; n, at, ok = b.lapses.due(t.now) {
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
