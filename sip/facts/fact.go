package facts

// A Fact names one text of a call, a registration or a device. Each stands for one source in the field register.
type Fact uint8

// Facts. A number is the user part of a URI (or a tel URI's digits) as sent, without post-dial digits; a host is a
// URI's host. A Fact of which only the presence matters has the value 1.
const (
	CallIDText Fact = iota + 1
	CallerTag
	CalleeTag // of the answered fork; of a BYE alone the tag that is not CallerTag
	CallerNumber
	CallerHost
	CallerName // a display name was there; the name itself is never copied
	CalledNumber
	CalledHost
	DialedNumber
	DialedHost
	DialedService // the URN of an emergency or other service in the Request-URI, RFC 5031
	CalledService // likewise of To: a proxy may have retargeted the Request-URI
	AssertedNumber
	ClaimedNumber  // of Remote-Party-ID, then P-Preferred-Identity; may repeat
	ClaimedPrivate // Remote-Party-ID withholds the number
	ChargeNumber
	DivertedNumber // topmost Diversion
	DivertedReason
	DivertedCount   // of all Diversion headers together
	DivertedPrivate // the topmost Diversion withholds its number
	HistoryNumber   // of History-Info by its index, then P-Called-Party-ID; may repeat
	ReferredByNumber
	TransferTarget
	ReplacedCall // the Call-ID in Replaces
	PrivacyValue // a priv-value, other for one that is not in the IANA register; may repeat
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
	LocationSeen // Geolocation was there
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
	DeviceKeyText // the text that identifies a device
	Frozen        // the minimised fields of a restored call for one purpose, in place of its other Facts; may repeat
	contactMark   // where the Facts of one Contact of a REGISTER begin; no Event has it
	Count         // how many Facts there are, the zero one included
)
