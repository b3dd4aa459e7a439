package track

import (
	"bytes"

	"sipsieve/sip"
	"sipsieve/sip/syntax"
)

// Bounds, in bytes, of one text of a Fact, and of all that headers give; a Call-ID may be as long as its line, and
// it and the tags have room of their own.
const (
	mostText     = 512
	mostGathered = 16 << 10
)

// append adds a value that a header gives, as far as there is room for it.
func (fs *Facts) append(f Fact, value []byte) {
	if len(fs.text)+len(value) < mostGathered {
		fs.Append(f, value[:min(len(value), mostText)])
	}
}

// tag adds a tag of From or To.
func (fs *Facts) tag(f Fact, value []byte) { fs.Append(f, value[:min(len(value), mostText)]) }

// gather appends the Facts of one value of header h.
func (fs *Facts) gather(h sip.Header, v []byte) {
	switch h {
	case sip.From:
		fs.party(v, CallerNumber, CallerHost)
		if named(v) {
			fs.append(CallerName, []byte("1"))
		}
		fs.callerParams(v)
	case sip.To:
		fs.party(v, CalledNumber, CalledHost)
	case sip.RequestURI:
		fs.requestURI(v)
	case sip.PAssertedIdentity:
		fs.numbers(AssertedNumber, v)
		fs.callerParams(v)
	case sip.RemotePartyID:
		fs.remoteParty(v)
	case sip.PChargeInfo:
		fs.numbers(ChargeNumber, v)
	case sip.ReferredBy:
		fs.numbers(ReferredByNumber, v)
	case sip.ReferTo:
		fs.numbers(TransferTarget, v)
		fs.append(ReplacedCall, replaced(v))
	case sip.Replaces:
		id, _, _ := bytes.Cut(v, []byte(";"))
		fs.append(ReplacedCall, bytes.TrimSpace(id))
	case sip.Contact:
		fs.contact(v)
	default:
		fs.gatherRest(h, v)
	}
}

// gatherLate appends what comes last, or in an order of its own, wherever it stands in m.
func (fs *Facts) gatherLate(m *sip.Message) {
	for _, s := range m.Spans[:m.N] {
		if s.Header == sip.PPreferredIdentity {
			fs.numbers(ClaimedNumber, m.At(s))
		}
	}
	fs.diversion(m)
	fs.history(m)
	for _, s := range m.Spans[:m.N] {
		if s.Header == sip.PCalledPartyID {
			fs.numbers(HistoryNumber, m.At(s))
		}
	}
}

// gatherRest is gather for the headers that hold no address.
func (fs *Facts) gatherRest(h sip.Header, v []byte) {
	switch h {
	case sip.PChargingVector:
		fs.charging(v)
	case sip.Privacy:
		for word := range bytes.FieldsFuncSeq(v, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			if len(word) <= longestPrivacy {
				fs.append(PrivacyValue, bytes.ToLower(word))
			}
		}
	case sip.SessionID:
		id, _, _ := bytes.Cut(v, []byte(";"))
		fs.append(SessionUUID, bytes.TrimSpace(id))
	case sip.Identity:
		fs.identity(v)
	case sip.Authorization, sip.ProxyAuthorization:
		fs.credentials(v)
	case sip.Geolocation:
		fs.append(LocationSeen, []byte("1"))
	case sip.PAccessNetworkInfo:
		fs.append(AccessNetworkSeen, []byte("1"))
	case sip.Priority:
		if bytes.EqualFold(bytes.TrimSpace(v), []byte("emergency")) {
			fs.append(PriorityEmergency, []byte("1"))
		}
	case sip.RecordRoute, sip.Route, sip.Path, sip.ServiceRoute:
		syntax.Values(v, func(a []byte) { _, host := readable(a); fs.append(RouteHost, host) })
	case sip.Via:
		fs.via(v)
	case sip.Event:
		name, _, _ := bytes.Cut(v, []byte(";"))
		fs.append(EventText, bytes.TrimSpace(name))
	default:
		if f := plain[h]; f != 0 {
			fs.append(f, v)
		}
	}
}

// longestPrivacy is more than a word of Privacy has, in bytes (RFC 3323 section 4.2 and its IANA register).
const longestPrivacy = 16

// plain are the headers whose value is a Fact as it stands.
var plain = [sip.Headers]Fact{
	sip.UserAgent: UserAgentText, sip.Server: ServerText, sip.ResourcePriority: ResourcePriorityText,
	sip.PVisitedNetworkID: VisitedNetworkText, sip.Supported: SupportedText, sip.Require: SupportedText,
	sip.ProxyRequire: SupportedText, sip.Allow: AllowText, sip.AllowEvents: AllowText,
}

// credentials appends one parameter of Authorization, as the selection kept it: name and value.
func (fs *Facts) credentials(v []byte) {
	name, value, _ := bytes.Cut(v, []byte("="))
	value = bytes.Trim(bytes.TrimSpace(value), `"`)
	switch string(bytes.ToLower(bytes.TrimSpace(name))) {
	case "username":
		fs.append(AuthUser, value)
	case "realm":
		fs.append(AuthRealm, value)
	case "algorithm":
		fs.append(AuthAlgorithm, value)
	}
}

func (fs *Facts) via(v []byte) {
	if fs.First(ViaSentBy) != nil {
		return
	}
	head, _, _ := bytes.Cut(v, []byte(";"))
	head = bytes.TrimSpace(head)
	if i := bytes.LastIndexAny(head, " \t"); i >= 0 {
		fs.append(ViaSentBy, head[i+1:])
	}
	fs.param(ViaReceived, v, "received")
}

func (fs *Facts) param(f Fact, v []byte, name string) {
	if p, ok := syntax.Param(v, name); ok {
		fs.append(f, p)
	}
}

// charging appends the parameters of P-Charging-Vector, which has nothing but such (RFC 7315 section 5.6).
func (fs *Facts) charging(v []byte) {
	v = append([]byte(";"), v...)
	fs.param(ChargingVector, v, "icid-value")
	fs.param(ChargingOperator, v, "orig-ioi")
	fs.param(ChargingOperator, v, "term-ioi")
}
