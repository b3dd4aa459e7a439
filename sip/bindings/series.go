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

// A series is the REGISTERs of one user agent for one address-of-record under one Call-ID (RFC 3261 section 10.2.4
// wants one Call-ID of one device's registrations), as long as they are under way. It holds no pointer.
type series struct {
	index, record       event.Key
	text                mem.Text // Facts of the last REGISTER, those of its contacts last
	hop                 hops.Hop
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
	seriesWait = 2 * event.Timer64T1
	mostOfOne  = 2
)

func (s *series) repeated(p uint32) bool {
	if slices.Contains(s.seen[:], p) {
		s.repeats++
		return true
	}
	s.seen[s.nseen%8] = p
	s.nseen++
	return false
}

// askedFor returns the seconds that the REGISTER asked for c.
func (s *series) askedFor(c facts.Contact) uint32 {
	if c.HasExpires {
		return c.Expires
	}
	return s.asked
}

func (s *series) identity(c facts.Contact) identity {
	id := identity{contact: s.record.Mark(c.User, c.Host, c.Port), host: s.record.Mark(c.Host)}
	if len(c.Instance) > 0 {
		id.instance, id.flow = s.record.Mark(c.Instance), s.record.Mark(c.RegID)
	} else if s.contacts <= 1 {
		id.call = s.call
	}
	return id
}

// A verdict is what the final response to a REGISTER says.
type verdict struct {
	at, certain int64 // when it was seen; when it was known that it decides
	code        int
	stale       bool                      // the challenge only asks for a new nonce
	grants      [facts.MaxContacts]uint32 // of a 2xx: the seconds of each contact of the REGISTER
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
