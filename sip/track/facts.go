package track

import (
	"iter"

	"sipsieve/sip/mem"
)

// A Fact names one text that a call or a registration was opened, answered or ended with.
// Each stands for one source in the field register.
type Fact uint8

// Facts. A number is the user part of a URI (or a tel URI's digits) as sent, post-dial digits cut off;
// a host is a URI's host.
const (
	CallIDText Fact = iota + 1
	CallerTag
	CalleeTag // of the fork that this Call tells; of a BYE alone the other tag
	CallerNumber
	CallerHost
	CallerName // "1" if a display name stood there; the name itself is never copied
	CalledNumber
	CalledHost
	DialedNumber
	DialedHost
	DialedService // the urn of an emergency or other service, RFC 5031
	CalledService // likewise, of To: the Request-URI may have been retargeted
	AssertedNumber
	ClaimedNumber  // of Remote-Party-ID, then P-Preferred-Identity; may repeat
	ClaimedPrivate // Remote-Party-ID asks that the number be withheld
	ChargeNumber
	DivertedNumber // topmost Diversion
	DivertedReason
	DivertedCount   // of all Diversion headers together
	DivertedPrivate // the topmost Diversion asks that its number be withheld
	HistoryNumber   // of History-Info by its index, then P-Called-Party-ID; may repeat
	ReferredByNumber
	TransferTarget
	ReplacedCall // the Call-ID in Replaces
	PrivacyValue // may repeat
	CallerCategory
	LineInfo // isup-oli
	RoutingNumber
	PortingDip
	CarrierCode
	TrunkGroup // of Contact: the originating one, RFC 4904 section 4.3
	TrunkContext
	ChargingVector   // icid-value
	ChargingOperator // orig-ioi, term-ioi; may repeat
	SessionUUID
	UserAgentText
	ServerText
	ContactUser
	ContactHost
	ContactPort
	InstanceID
	RegID
	AuthUser
	AuthRealm
	AuthAlgorithm
	ViaSentBy
	ViaReceived
	RouteHost      // may repeat
	Attestation    // A, B or C
	UnreadIdentity // an Identity that could not be read
	OriginationID
	CertificateHost
	Verification // verstat
	IssuedAt     // Unix seconds
	LocationSeen
	PriorityEmergency
	ResourcePriorityText
	AccessNetworkSeen
	VisitedNetworkText
	SupportedText
	AllowText
	EventText
	MediaType  // audio, video, ...; may repeat
	MediaCodec // may repeat
	MediaAddress
	MediaProfile
	MediaCrypto // sdes, dtls, zrtp, none
	CandidateSeen
	OriginSession
	RegisteredNumber
	RegisteredHost
	DeviceKeyText // what a device is known by
	Frozen        // what a purpose keeps of a restored call's other Facts; may repeat
	contactMark   // where the Facts of one of several Contacts begin; no Event has it
	Facts_        // how many there are
)

// Facts are the texts of one Call, each a Fact and its value, in the order in which they were copied.
type Facts struct {
	text   []byte
	opaque uint64 // addresses that could not be read, while Facts are gathered
}

// First returns the first value of f, nil without one. It is the Facts' own text, not a copy.
func (fs Facts) First(f Fact) []byte {
	for v := range fs.All(f) {
		return v
	}
	return nil
}

// Places are where the first values of one Facts lie.
type Places [Facts_]uint16 // 1 + the offset; 0 for a Fact without a value

// Find sets p to the places of fs.
func (fs Facts) Find(p *Places) {
	clear(p[:])
	for at := 0; len(fs.text)-at >= 3; at += fs.length(at) {
		if f := fs.text[at]; p[f] == 0 {
			p[f] = uint16(at + 1)
		}
	}
}

// At returns the first value of f by fs's own places, nil without one.
func (fs Facts) At(p *Places, f Fact) []byte {
	if p[f] == 0 {
		return nil
	}
	at := int(p[f]) - 1
	return fs.text[at+3 : at+fs.length(at)]
}

// length returns the bytes of the value that begins there, with its head of three.
func (fs Facts) length(at int) int { return 3 + (int(fs.text[at+1]) | int(fs.text[at+2])<<8) }

// All yields the values of f.
func (fs Facts) All(f Fact) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for t := fs.text; len(t) >= 3; {
			n := 3 + (int(t[1]) | int(t[2])<<8)
			if Fact(t[0]) == f && !yield(t[3:n]) {
				return
			}
			t = t[n:]
		}
	}
}

// mostFacts is how many bytes of Facts an arena keeps.
const mostFacts = mem.MaxText

// Append adds a value of f to fs. An empty value is left out, and so is one for which there is no room any more:
// all Facts of one Call take 32 KiB at most.
func (fs *Facts) Append(f Fact, value []byte) {
	if len(value) == 0 || len(fs.text)+3+len(value) > mostFacts {
		return
	}
	fs.text = append(fs.text, byte(f), byte(len(value)), byte(len(value)>>8))
	fs.text = append(fs.text, value...)
}
