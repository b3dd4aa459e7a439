package facts

import (
	"bytes"
	"strings"

	"sipsieve/sip"
	"sipsieve/sip/sdp"
	"sipsieve/sip/syntax"
)

// readers are the headers that are read: for each what adds the Facts of one of its values. A header without a reader
// gives no Facts; those whose order among each other matters are read by Gather.ordered, Reason by Cause.
var readers = [sip.Headers]func(g *Gather, v []byte){
	sip.RequestURI:         readRequestURI,
	sip.From:               readFrom,
	sip.To:                 func(g *Gather, v []byte) { readParty(g, v, CalledNumber, CalledHost) },
	sip.Via:                readVia,
	sip.Contact:            readFirstContact,
	sip.UserAgent:          text(UserAgentText),
	sip.Server:             text(ServerText),
	sip.PAssertedIdentity:  readAsserted,
	sip.RemotePartyID:      readRemoteParty,
	sip.PChargeInfo:        numbers(ChargeNumber),
	sip.PChargingVector:    readChargingVector,
	sip.ReferredBy:         numbers(ReferredByNumber),
	sip.ReferTo:            readReferTo,
	sip.Replaces:           beforeParameters(ReplacedCall),
	sip.Identity:           readIdentity,
	sip.SessionID:          beforeParameters(SessionUUID),
	sip.Geolocation:        flag(LocationSeen),
	sip.Priority:           readPriority,
	sip.ResourcePriority:   text(ResourcePriorityText),
	sip.Authorization:      readCredentials,
	sip.ProxyAuthorization: readCredentials,
	sip.PAccessNetworkInfo: flag(AccessNetworkSeen),
	sip.PVisitedNetworkID:  text(VisitedNetworkText),
	sip.RecordRoute:        readRoute,
	sip.Route:              readRoute,
	sip.Path:               readRoute,
	sip.ServiceRoute:       readRoute,
	sip.Supported:          text(SupportedText),
	sip.Require:            text(SupportedText),
	sip.ProxyRequire:       text(SupportedText),
	sip.Allow:              text(AllowText),
	sip.AllowEvents:        text(AllowText),
	sip.Event:              beforeParameters(EventText),
}

// text reads a header whose whole value is f.
func text(f Fact) func(*Gather, []byte) { return func(g *Gather, v []byte) { g.Add(f, v) } }

// flag reads a header of which only the presence is kept.
func flag(f Fact) func(*Gather, []byte) { return func(g *Gather, _ []byte) { g.addFlag(f) } }

// beforeParameters reads a header of which only what stands before its parameters is kept.
func beforeParameters(f Fact) func(*Gather, []byte) {
	return func(g *Gather, v []byte) {
		v, _, _ = bytes.Cut(v, []byte(";"))
		g.Add(f, bytes.TrimSpace(v))
	}
}

// numbers reads a header of addresses of which the numbers are kept.
func numbers(f Fact) func(*Gather, []byte) { return func(g *Gather, v []byte) { readNumbers(g, f, v) } }

// readParam adds the parameter of that name in a header's value.
func readParam(g *Gather, f Fact, v []byte, name string) {
	if p, ok := syntax.Param(v, name); ok {
		g.Add(f, p)
	}
}

// readPrivacy adds the words of Privacy in lower case (RFC 3323 section 4.2), also of a value that is folded, quoted or
// separated by commas. What is no word of the IANA register, and a value without a word, is added as unknownPrivacy.
func readPrivacy(g *Gather, v []byte) {
	none := true
	for word := range bytes.FieldsFuncSeq(v, betweenPrivacy) {
		none = false
		g.Add(PrivacyValue, privacyWord(word))
	}
	if none {
		g.Add(PrivacyValue, unknownPrivacy)
	}
}

func betweenPrivacy(r rune) bool { return strings.ContainsRune(";, \t\r\n\"", r) }

func privacyWord(word []byte) []byte {
	for _, known := range PrivacyWords {
		if syntax.EqualFold(known, word) {
			return []byte(known)
		}
	}
	return unknownPrivacy
}

// PrivacyWords are the priv-values of the IANA register: RFC 3323, RFC 3325 and RFC 7044.
var PrivacyWords = []string{"none", "header", "session", "user", "id", "critical", "history"}

// unknownPrivacy stands for a priv-value that is not in the register.
var unknownPrivacy = []byte("other")

// readPriority adds that a call is an emergency by its own account.
func readPriority(g *Gather, v []byte) {
	if bytes.EqualFold(bytes.TrimSpace(v), []byte("emergency")) {
		g.addFlag(PriorityEmergency)
	}
}

// readCredentials adds one parameter, name=value, of Authorization or Proxy-Authorization; the reader of messages
// selects them one by one.
func readCredentials(g *Gather, v []byte) {
	name, value, _ := bytes.Cut(v, []byte("="))
	value = bytes.Trim(bytes.TrimSpace(value), `"`)
	switch string(bytes.ToLower(bytes.TrimSpace(name))) {
	case "username":
		g.Add(AuthUser, value)
	case "realm":
		g.Add(AuthRealm, value)
	case "algorithm":
		g.Add(AuthAlgorithm, value)
	}
}

// readVia adds sent-by and received of the topmost Via.
func readVia(g *Gather, v []byte) {
	if g.facts.First(ViaSentBy) != nil {
		return
	}
	head, _, _ := bytes.Cut(v, []byte(";"))
	head = bytes.TrimSpace(head)
	if i := bytes.LastIndexAny(head, " \t"); i >= 0 {
		g.Add(ViaSentBy, head[i+1:])
	}
	readParam(g, ViaReceived, v, "received")
}

// readRoute adds the hosts of Record-Route and its like.
func readRoute(g *Gather, v []byte) {
	syntax.Values(v, func(a []byte) {
		_, host := userHost(a)
		g.Add(RouteHost, host)
	})
}

// readChargingVector adds parameters of P-Charging-Vector, which has nothing but such (RFC 7315 section 5.6).
func readChargingVector(g *Gather, v []byte) {
	v = append([]byte(";"), v...)
	readParam(g, ChargingVector, v, "icid-value")
	readParam(g, ChargingOperator, v, "orig-ioi")
	readParam(g, ChargingOperator, v, "term-ioi")
}

// readMedia adds the Facts of a session description. The address, the candidates and the origin stay those of the
// first.
func readMedia(g *Gather, v []byte) {
	if len(v) == 0 {
		return
	}
	s := sdp.Read(v)
	for _, w := range s.Types[:s.NTypes] {
		g.Add(MediaType, []byte(w))
	}
	for _, w := range s.Codecs[:s.NCodecs] {
		g.Add(MediaCodec, []byte(w))
	}
	if s.Addr.IsValid() {
		var buf [64]byte
		g.addNew(MediaAddress, s.Addr.AppendTo(buf[:0]))
	}
	g.Add(MediaProfile, []byte(s.Profile))
	if s.NTypes > 0 {
		g.Add(MediaCrypto, []byte(s.Crypto.String()))
	}
	if s.Candidate {
		g.addNew(CandidateSeen, []byte("1"))
	}
	if len(s.OriginID) > 0 && g.facts.First(OriginSession) == nil {
		g.Add(OriginSession, append(append(append([]byte(nil), s.OriginID...), ' '), s.OriginAt...))
	}
}
