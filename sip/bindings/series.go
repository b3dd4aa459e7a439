package bindings

import (
	"bytes"
	"slices"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// A series is the REGISTERs for one address-of-record with one Call-ID, which one user agent uses for all its
// registrations (RFC 3261 section 10.2.4). It is kept while they are under way. It holds no pointer.
type series struct {
	index, aor          event.Key
	text                mem.Text // Facts of the last REGISTER, those of its contacts last
	hop                 hops.Hop
	call                uint64    // mark of the Call-ID
	last, challenged    int64     // time of the last message; of the last 401 or 407. Nanoseconds
	seen                [8]uint32 // prints of the last messages
	cseq, expires       uint32    // of the last REGISTER; expires in seconds
	repeats, challenges uint16
	nseen, vias         uint8
	contacts            uint8
	credentials         bool
	pending             bool // the final response is awaited
	all                 bool // Contact is *
	open                bool // no 2xx has come: it is counted for its source
}

// How long a series is kept after its last message (RFC 3261's 64*T1 twice, so that a slow answer to a challenge still
// belongs to it), and which part of all series, one in mostOfOne, a source may have open.
const (
	seriesWait = 2 * event.Timer64T1
	mostOfOne  = 2
)

// repeated reports whether the print p is that of one of the last messages, and remembers it.
func (s *series) repeated(p uint32) bool {
	if slices.Contains(s.seen[:], p) {
		s.repeats++
		return true
	}
	s.seen[s.nseen%8] = p
	s.nseen++
	return false
}

// requested returns the expiry in seconds that the REGISTER requests for c.
func (s *series) requested(c facts.Contact) uint32 {
	if c.HasExpires {
		return c.Expires
	}
	return s.expires
}

// identity returns the identity of the binding of c.
func (s *series) identity(c facts.Contact) identity {
	id := identity{contact: s.aor.Mark(c.User, c.Host, c.Port), host: s.aor.Mark(c.Host)}
	if len(c.Instance) > 0 {
		id.instance, id.flow = s.aor.Mark(c.Instance), s.aor.Mark(c.RegID)
	} else if s.contacts <= 1 {
		id.call = s.call
	}
	return id
}

// A finalResponse is the final response to a REGISTER.
type finalResponse struct {
	time, certain int64 // its own; when it was certain that it decides. Nanoseconds
	code          int
	stale         bool                      // the challenge only requires a new nonce
	grants        [facts.MaxContacts]uint32 // of a 2xx: the expiry of each contact of the REGISTER, seconds
}

// stale reports whether m's challenge only requires a new nonce (RFC 7616 section 3.3).
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
