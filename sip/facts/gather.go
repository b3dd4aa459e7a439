package facts

import (
	"sipsieve/sip"
	"sipsieve/sip/syntax"
)

// A Gather collects the Facts of messages. The Facts that a method returns are valid until the next method is called.
// The zero Gather is ready.
type Gather struct {
	facts  Facts
	opaque uint64
}

// Limits in bytes: of one text, and of all that headers give. A Call-ID may be as long as its line; it and the tags do
// not count.
const (
	maxText     = 512
	maxGathered = 16 << 10
)

// Opaque returns how many addresses could not be read since its last call.
func (g *Gather) Opaque() uint64 {
	n := g.opaque
	g.opaque = 0
	return n
}

// Add adds a value of f. It truncates a long value, and omits one that exceeds maxGathered.
func (g *Gather) Add(f Fact, value []byte) {
	if len(g.facts.text)+len(value) < maxGathered {
		g.facts.Append(f, value[:min(len(value), maxText)])
	}
}

// addFlag adds f, a Fact of presence.
func (g *Gather) addFlag(f Fact) { g.Add(f, []byte("1")) }

// addTag adds a tag of From or To, which maxGathered does not limit.
func (g *Gather) addTag(f Fact, value []byte) { g.facts.Append(f, value[:min(len(value), maxText)]) }

// addNew adds a value of f if there is none yet.
func (g *Gather) addNew(f Fact, value []byte) {
	if g.facts.First(f) == nil {
		g.Add(f, value)
	}
}

// Start begins new Facts with those of old. It returns the Facts to which Add adds.
func (g *Gather) Start(old Facts) *Facts {
	g.facts.text = append(g.facts.text[:0], old.text...)
	return &g.facts
}

// remove removes the Facts for which gone returns true.
func (g *Gather) remove(gone func(Fact) bool) {
	kept := g.facts.text[:0]
	for at := 0; len(g.facts.text)-at >= header; {
		n := g.facts.length(at)
		if !gone(Fact(g.facts.text[at])) {
			kept = append(kept, g.facts.text[at:at+n]...)
		}
		at += n
	}
	g.facts.text = kept
}

// Invite returns the Facts of the INVITE m that opens a call.
func (g *Gather) Invite(m *sip.Message) Facts {
	g.Start(Facts{})
	g.dialog(m)
	for _, s := range m.Spans[:m.N] {
		if s.Header == sip.Privacy { // before what could fill the room
			readPrivacy(g, m.At(s))
		}
	}
	for _, s := range m.Spans[:m.N] {
		g.header(s.Header, m.At(s))
	}
	g.ordered(m)
	readMedia(g, m.Value(sip.Media))
	return g.facts
}

// dialog adds the Call-ID and the From tag of m.
func (g *Gather) dialog(m *sip.Message) {
	g.facts.Append(CallIDText, m.Value(sip.CallID))
	g.addTag(CallerTag, m.FromTag())
}

// header adds the Facts of a value of header h.
func (g *Gather) header(h sip.Header, v []byte) {
	if read := readers[h]; read != nil {
		read(g, v)
	}
}

// ordered adds the Facts of the headers of m whose order among each other matters, wherever they stand in m.
func (g *Gather) ordered(m *sip.Message) {
	for _, s := range m.Spans[:m.N] {
		if s.Header == sip.PPreferredIdentity { // after Remote-Party-ID
			readNumbers(g, ClaimedNumber, m.At(s))
		}
	}
	readDiversions(g, m)
	readHistory(g, m)
	for _, s := range m.Spans[:m.N] {
		if s.Header == sip.PCalledPartyID { // after History-Info
			readNumbers(g, HistoryNumber, m.At(s))
		}
	}
}

// Inside returns the Facts of a message m inside a dialog whose INVITE was not seen. A BYE does not show who called;
// the From tag of any other message is taken for the caller's.
func (g *Gather) Inside(m *sip.Message) Facts {
	g.Start(Facts{})
	g.dialog(m)
	g.addTag(CalleeTag, m.ToTag())
	if m.Method != sip.Bye {
		g.header(sip.From, m.Value(sip.From))
		g.header(sip.To, m.Value(sip.To))
		readMedia(g, m.Value(sip.Media))
	}
	return g.facts
}

// Answer returns the Facts old of a call with those of the 2xx m that answers it. The media of m replace those of the
// offer. A restored call has no Call-ID in old: it is named by that of m again.
func (g *Gather) Answer(old Facts, m *sip.Message) Facts {
	media := m.Value(sip.Media)
	g.Start(old)
	g.remove(func(f Fact) bool { return f == CalleeTag || len(media) > 0 && answered(f) })
	if g.facts.First(CallIDText) == nil {
		g.dialog(m)
	}
	g.addTag(CalleeTag, m.ToTag())
	g.Add(ServerText, m.Value(sip.Server))
	readMedia(g, media)
	return g.facts
}

// EarlyMedia returns the Facts old of a call with the media of the provisional response m in the place of those of the
// offer: they are the answer if the 2xx has none (RFC 3262 section 5).
func (g *Gather) EarlyMedia(old Facts, m *sip.Message) Facts {
	g.Start(old)
	g.remove(answered)
	readMedia(g, m.Value(sip.Media))
	return g.facts
}

// answered reports whether f of the answer replaces f of the offer (RFC 3264 section 6.1). The address stays the
// caller's.
func answered(f Fact) bool {
	return f == MediaType || f == MediaCodec || f == MediaProfile || f == MediaCrypto
}

// Replace returns old with one value of f in the place of those that it has.
func (g *Gather) Replace(old Facts, f Fact, value []byte) Facts {
	g.Start(old)
	g.remove(func(have Fact) bool { return have == f })
	g.addTag(f, value)
	return g.facts
}

// Credentials returns old, which has no account, with that of the INVITE m, which is sent again after a challenge.
func (g *Gather) Credentials(old Facts, m *sip.Message) Facts {
	g.Start(old)
	for _, s := range m.Spans[:m.N] {
		if s.Header == sip.Authorization || s.Header == sip.ProxyAuthorization {
			g.header(s.Header, m.At(s))
		}
	}
	return g.facts
}

// Transfer returns old with the target of the REFER m, in place of that of an earlier REFER.
func (g *Gather) Transfer(old Facts, m *sip.Message) Facts {
	g.Start(old)
	g.remove(func(f Fact) bool {
		return f == TransferTarget || f == ReplacedCall || f == ReferredByNumber && m.Value(sip.ReferredBy) != nil
	})
	g.header(sip.ReferTo, m.Value(sip.ReferTo))
	g.header(sip.ReferredBy, m.Value(sip.ReferredBy))
	return g.facts
}

// NoTransfer returns old without the Facts that Transfer added.
func (g *Gather) NoTransfer(old Facts) Facts {
	gone := false
	g.Start(old)
	g.remove(func(f Fact) bool {
		gone = gone || f == TransferTarget
		return gone
	})
	return g.facts
}

// Register returns the Facts of the REGISTER m, those of its contacts last: see Facts.Shared and Facts.Contacts. It
// returns how many contacts they are, and whether one was *, which stands for all (RFC 3261 section 10.2.2).
func (g *Gather) Register(m *sip.Message) (fs Facts, contacts int, all bool) {
	g.Start(Facts{})
	g.facts.Append(CallIDText, m.Value(sip.CallID))
	user, host := userHost(m.Value(sip.To))
	g.Add(RegisteredNumber, Dialled(user))
	g.Add(RegisteredHost, host)
	for _, s := range m.Spans[:m.N] {
		switch s.Header {
		case sip.From, sip.To, sip.RequestURI, sip.Contact:
		default:
			g.header(s.Header, m.At(s))
		}
	}
	for _, s := range m.Spans[:m.N] {
		if s.Header != sip.Contact {
			continue
		}
		syntax.Values(m.At(s), func(a []byte) {
			c := ReadContact(a)
			all = all || c.Star
			if contacts < MaxContacts && len(c.Host) > 0 {
				c.addTo(g)
				contacts++
			}
		})
	}
	return g.facts, contacts, all
}

// Join returns the Facts that all contacts of a REGISTER share with those of one of them.
func (g *Gather) Join(shared, contact Facts) Facts {
	g.Start(shared)
	g.facts.text = append(g.facts.text, contact.text...)
	return g.facts
}
