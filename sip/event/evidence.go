package event

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"sipsieve/sip"
	"sipsieve/sip/facts"
	"sipsieve/sip/sdp"
	"sipsieve/sip/syntax"
)

// A Correlation is the evidence by which two legs of one call are joined. The zero Correlation is none.
type Correlation uint8

// Correlations, weakest first.
const (
	Uncorrelated         Correlation = iota
	Inferred                         // called number, hosts and time fit, and no other leg fits
	SDPCorrelation                   // one session description: equal o= and media address (RFC 8866)
	CallIDRule                       // one Call-ID is derived from the other by a rule of the configuration
	ICIDCorrelation                  // icid-value of P-Charging-Vector (RFC 7315 section 5.6)
	HEPCorrelation                   // correlation id of the switch that mirrors its signalling
	SessionIDCorrelation             // a UUID of Session-ID (RFC 7989)
	HeaderCorrelation                // a configured header names the other leg
	TransferCorrelation              // REFER or Replaces (RFC 3515, RFC 3891)
	Correlations
)

var scores = [Correlations]int{0, 50, 70, 80, 85, 90, 95, 100, 100}

// Score returns how certain a join by c is, 0 to 100.
func (c Correlation) Score() int { return scores[c] }

// A LinkKeyKind is the origin of a link key, a value that legs of one call share. The key of one Correlation alone has
// its number.
type LinkKeyKind uint8

// Kinds of link keys that are not of one Correlation alone.
const (
	CallIDKey   = LinkKeyKind(Correlations) + iota // a leg's own Call-ID
	PointerKey                                     // a configured header that is too short to name a call, unless it is a Call-ID
	ReferKey                                       // target and referrer of an accepted REFER
	ReferredKey                                    // target and referrer of an INVITE
	CalledKey                                      // end of the called number
	ArrivedKey                                     // it, and the host to which a leg was sent
	LeftKey                                        // it, and the host which sent a leg
)

// MaxLinkKeys limits the link keys of one message.
const MaxLinkKeys = 10

// Evidence is what one message of a leg shows of other legs of its call: keyed hashes, never text.
type Evidence struct {
	Leg      Key    // Call-ID and caller tag
	Src, Dst uint64 // the hosts
	Port     uint16 // to which it was sent
	Opens    bool   // the message opens a call or an answered fork of one; else it accepts a REFER
	N        uint8
	Kinds    [MaxLinkKeys]LinkKeyKind
	Values   [MaxLinkKeys]uint64
}

// Format writes a mask for every verb and flag.
func (e Evidence) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue is what slog writes for e.
func (e Evidence) LogValue() slog.Value { return slog.StringValue("***") }

// Add adds a link key; 0 is none. More than MaxLinkKeys are ignored.
func (e *Evidence) Add(kind LinkKeyKind, value uint64) {
	if value != 0 && int(e.N) < len(e.Values) {
		e.Kinds[e.N], e.Values[e.N] = kind, value
		e.N++
	}
}

// First returns the first link key of that kind, 0 without one.
func (e *Evidence) First(kind LinkKeyKind) uint64 {
	for i, k := range e.Kinds[:e.N] {
		if k == kind {
			return e.Values[i]
		}
	}
	return 0
}

// An IDRule is how a B2BUA derives one leg's Call-ID from the other's: by a prefix, a suffix or both.
type IDRule struct{ before, behind string }

// ErrIDRule is returned for a text that is no rule.
var ErrIDRule = errors.New("want a Call-ID with one * for the other leg's, such as \"B2B_*\" or \"*_b2b-1\"")

// ParseIDRule reads a rule as B2B_* or *_b2b-1; a lone * is a B2BUA that keeps the Call-ID. The error is ErrIDRule.
func ParseIDRule(text string) (IDRule, error) {
	before, behind, ok := strings.Cut(text, "*")
	if !ok || strings.Contains(behind, "*") {
		return IDRule{}, ErrIDRule
	}
	return IDRule{before, behind}, nil
}

// of returns the Call-ID from which r derives id, nil if it cannot.
func (r IDRule) of(id []byte) []byte {
	if len(id) < len(r.before)+len(r.behind)+shortestName {
		return nil
	}
	rest, ok := bytes.CutPrefix(id, []byte(r.before))
	rest, ok2 := bytes.CutSuffix(rest, []byte(r.behind))
	if !ok || !ok2 {
		return nil
	}
	return rest
}

// shortestName is the length in bytes from which a text is taken to name one call among all, unless it is a Call-ID.
const shortestName = 8

// A Linking has the configuration by which Evidence is read.
type Linking struct {
	Keyer Keyer
	Rules []IDRule
}

// hash returns the hash of text, 0 for one that is too short to name a call.
func (l *Linking) hash(text []byte) uint64 {
	if len(text) < shortestName {
		return 0
	}
	return l.Name(text)
}

// Name returns the hash of text of any length, 0 for no text.
func (l *Linking) Name(text []byte) uint64 { return l.Keyer.Key(text).Short() }

// hosts adds the addresses of m.
func (l *Linking) hosts(e *Evidence, m *sip.Message) {
	if m.Flow.Src.IsValid() && m.Flow.Dst.IsValid() {
		src, dst := m.Flow.Src.Addr().As16(), m.Flow.Dst.Addr().As16()
		e.Src, e.Dst, e.Port = l.hash(src[:]), l.hash(dst[:]), m.Flow.Dst.Port()
	}
}

// AddInvite adds the evidence of the INVITE m.
func (l *Linking) AddInvite(e *Evidence, m *sip.Message) {
	l.hosts(e, m)
	for _, s := range m.Spans[:m.N] {
		switch v := m.At(s); s.Header {
		case sip.CallID:
			e.Add(LinkKeyKind(CallIDRule), l.origin(v))
		case sip.Link:
			l.header(e, bytes.Trim(v, "<>\" "))
		case sip.Correlation:
			e.Add(LinkKeyKind(HEPCorrelation), l.Name(v))
		case sip.SessionID:
			l.session(e, v)
		case sip.PChargingVector:
			icid, _ := syntax.Param(append([]byte{';'}, v...), "icid-value")
			e.Add(LinkKeyKind(ICIDCorrelation), l.hash(icid))
		case sip.Replaces:
			id, _, _ := bytes.Cut(v, []byte(";"))
			e.Add(LinkKeyKind(TransferCorrelation), l.Name(bytes.TrimSpace(id)))
		case sip.Media:
			e.Add(LinkKeyKind(SDPCorrelation), l.media(v))
		}
	}
	called := facts.UserOf(m.Value(sip.RequestURI))
	e.Add(ReferredKey, l.Referral(called, facts.UserOf(m.Value(sip.ReferredBy))))
	var room [tailDigits]byte
	end := tail(&room, called)
	if end == nil {
		end = tail(&room, facts.UserOf(m.Value(sip.To)))
	}
	e.Add(CalledKey, l.Name(end))
}

// header adds the value of a configured header.
func (l *Linking) header(e *Evidence, v []byte) {
	kind := LinkKeyKind(HeaderCorrelation)
	if len(v) < shortestName {
		kind = PointerKey
	}
	e.Add(kind, l.Name(v))
}

// origin returns the hash of the Call-ID from which the longest fitting rule derives id, 0 without one.
func (l *Linking) origin(id []byte) uint64 {
	var best []byte
	for _, r := range l.Rules {
		if rest := r.of(id); rest != nil && (best == nil || len(rest) < len(best)) {
			best = rest
		}
	}
	return l.hash(best)
}

// session adds the UUIDs of both sides. The nil UUID stands for a side that is not known (RFC 7989 section 5).
func (l *Linking) session(e *Evidence, v []byte) {
	local, _, _ := bytes.Cut(v, []byte(";"))
	remote, _ := syntax.Param(v, "remote")
	for _, id := range [...][]byte{local, remote} {
		var room [32]byte
		if sessionUUID(&room, bytes.TrimSpace(id)) {
			e.Add(LinkKeyKind(SessionIDCorrelation), l.hash(room[:]))
		}
	}
}

// sessionUUID copies the 32 hexadecimal digits of v to room, in lower case. It reports false for the nil UUID and for
// what is none.
func sessionUUID(room *[32]byte, v []byte) bool {
	n, null := 0, true
	for _, c := range v {
		c = syntax.Lower(c)
		switch {
		case c == '-':
			continue
		case n == len(room) || (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
		room[n] = c
		n++
		null = null && c == '0'
	}
	return n == len(room) && !null
}

// media returns the hash of the session id and the media address of v, 0 without them.
func (l *Linking) media(v []byte) uint64 {
	s := sdp.Read(v)
	if len(s.OriginID) == 0 || !s.Addr.IsValid() || s.Addr.IsUnspecified() || s.Port == 0 {
		return 0
	}
	var room [128]byte
	text := append(append(room[:0], s.OriginID[:min(len(s.OriginID), 64)]...), byte(s.Port>>8), byte(s.Port))
	addr := s.Addr.As16()
	return l.hash(append(text, addr[:]...))
}

// Referral returns the hash of the target of a transfer and its referrer, 0 without either (RFC 3892).
func (l *Linking) Referral(target, referrer []byte) uint64 {
	if len(target) == 0 || len(referrer) == 0 {
		return 0
	}
	var room [tailDigits]byte
	if end := tail(&room, target); end != nil {
		target = end
	}
	a := l.Keyer.Key(target)
	if end := tail(&room, referrer); end != nil {
		referrer = end
	}
	return a.With(l.Keyer.Key(referrer)).Short()
}

// tailDigits is how many last digits of a number a B2BUA is assumed not to change, whatever it does to the prefix.
const tailDigits = 7

// tail copies the last digits of user to room. It returns nil if user is no number or has too few digits.
func tail(room *[tailDigits]byte, user []byte) []byte {
	n := len(room)
	if !facts.IsDialString(user) {
		return nil
	}
	for i := len(user) - 1; i >= 0 && n > 0; i-- {
		if c := user[i]; '0' <= c && c <= '9' {
			n--
			room[n] = c
		}
	}
	if n > 0 {
		return nil
	}
	return room[:]
}
