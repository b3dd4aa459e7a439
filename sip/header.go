package sip

import "sipsieve/sip/syntax"

// A Header is one of the headers that the field register lists. The zero Header is none.
type Header uint8

// Headers on the register's list, and what is kept like one. Each has its row in headers.
const (
	RequestURI Header = iota + 1 // of the request line
	CallID
	CSeq
	From
	To
	Via
	Contact
	ContentType
	ContentLength
	Expires
	UserAgent
	Server
	Reason
	SessionExpires
	PAssertedIdentity
	PPreferredIdentity
	RemotePartyID
	PChargeInfo
	PChargingVector
	Diversion
	HistoryInfo
	PCalledPartyID
	ReferredBy
	ReferTo
	Replaces
	Privacy
	Identity
	SessionID
	Geolocation
	Priority
	ResourcePriority
	Authorization      // its username, realm and algorithm parameters only
	ProxyAuthorization // likewise
	WWWAuthenticate    // its realm, stale and algorithm parameters only
	ProxyAuthenticate  // likewise
	PAccessNetworkInfo
	PVisitedNetworkID
	PAssociatedURI
	RecordRoute
	Route
	Path
	ServiceRoute
	Supported
	Require
	ProxyRequire
	Allow
	AllowEvents
	Event
	Media       // the session description's c=, m=, a=rtpmap and direction lines, one value (RFC 8866)
	Link        // the header that the configuration names for joining legs
	Correlation // what a feed gives alike to the legs of one call: HEP's correlation identifier, chunk 17
	Headers     // how many there are, the zero Header included
)

// A headerRow is what the selection needs of a header: RFC 3261 section 20 and the IANA registry of header fields.
type headerRow struct {
	name, compact string // lower case; "" without a compact form
	once          uint8  // bit of a header that has one value in a message, 0 for the others
	address       bool   // its values are addresses: Limits.AddressLine and Limits.Params hold
}

// Bits of headerRow.once.
const (
	onceCallID uint8 = 1 << iota
	onceCSeq
	onceFrom
	onceTo
	onceLength
)

// needed are the headers without which a message is refused.
const needed = onceCallID | onceCSeq | onceFrom | onceTo

// headers are the rows of all headers. What is no header line has no name: RequestURI, Media, Link and Correlation.
var headers = [Headers]headerRow{
	CallID:             {name: "call-id", compact: "i", once: onceCallID},
	CSeq:               {name: "cseq", once: onceCSeq},
	From:               {name: "from", compact: "f", once: onceFrom, address: true},
	To:                 {name: "to", compact: "t", once: onceTo, address: true},
	Via:                {name: "via", compact: "v"},
	Contact:            {name: "contact", compact: "m", address: true},
	ContentType:        {name: "content-type", compact: "c"},
	ContentLength:      {name: "content-length", compact: "l", once: onceLength},
	Expires:            {name: "expires"},
	UserAgent:          {name: "user-agent"},
	Server:             {name: "server"},
	Reason:             {name: "reason"},
	SessionExpires:     {name: "session-expires", compact: "x"},
	PAssertedIdentity:  {name: "p-asserted-identity", address: true},
	PPreferredIdentity: {name: "p-preferred-identity", address: true},
	RemotePartyID:      {name: "remote-party-id", address: true},
	PChargeInfo:        {name: "p-charge-info", address: true},
	PChargingVector:    {name: "p-charging-vector"},
	Diversion:          {name: "diversion", address: true},
	HistoryInfo:        {name: "history-info", address: true},
	PCalledPartyID:     {name: "p-called-party-id", address: true},
	ReferredBy:         {name: "referred-by", compact: "b", address: true},
	ReferTo:            {name: "refer-to", compact: "r", address: true},
	Replaces:           {name: "replaces"},
	Privacy:            {name: "privacy"},
	Identity:           {name: "identity", compact: "y"},
	SessionID:          {name: "session-id"},
	Geolocation:        {name: "geolocation"},
	Priority:           {name: "priority"},
	ResourcePriority:   {name: "resource-priority"},
	Authorization:      {name: "authorization"},
	ProxyAuthorization: {name: "proxy-authorization"},
	WWWAuthenticate:    {name: "www-authenticate"},
	ProxyAuthenticate:  {name: "proxy-authenticate"},
	PAccessNetworkInfo: {name: "p-access-network-info"},
	PVisitedNetworkID:  {name: "p-visited-network-id"},
	PAssociatedURI:     {name: "p-associated-uri", address: true},
	RecordRoute:        {name: "record-route", address: true},
	Route:              {name: "route", address: true},
	Path:               {name: "path", address: true},
	ServiceRoute:       {name: "service-route", address: true},
	Supported:          {name: "supported", compact: "k"},
	Require:            {name: "require"},
	ProxyRequire:       {name: "proxy-require"},
	Allow:              {name: "allow"},
	AllowEvents:        {name: "allow-events", compact: "u"},
	Event:              {name: "event", compact: "o"},
}

// known are names of headers that are recognised and not read: no leg is joined by them.
var known = [...]string{"max-forwards"}

// Known reports whether a header of that name, whatever its case, has a meaning in SIP that is known here: legs are not
// joined by it.
func Known(name string) bool { return names.has([]byte(name)) }

// names finds all headers by their names.
var names = newNameIndex(&headers, known[:])

// A nameIndex finds a Header by its name or compact form.
type nameIndex struct {
	entries []nameEntry // entry 0 is none
	heads   [256]uint16 // by bucket: its first entry
	longest int         // length of the longest name, in bytes: a longer one is not looked for
}

type nameEntry struct {
	name   string // lower case
	header Header // 0 for one that is not read
	next   uint16 // the next of its bucket; 0 ends it
}

func newNameIndex(rows *[Headers]headerRow, known []string) *nameIndex {
	x := &nameIndex{entries: make([]nameEntry, 1)}
	for h := range rows {
		x.add(rows[h].name, Header(h))
		x.add(rows[h].compact, Header(h))
	}
	for _, name := range known {
		x.add(name, 0)
	}
	return x
}

func (x *nameIndex) add(name string, h Header) {
	if name == "" {
		return
	}
	b := bucket([]byte(name))
	x.entries = append(x.entries, nameEntry{name, h, x.heads[b]})
	x.heads[b] = uint16(len(x.entries) - 1)
	x.longest = max(x.longest, len(name))
}

// has reports whether a header of that name, whatever its case, is known.
func (x *nameIndex) has(name []byte) bool { return x.entry(name) != 0 }

// entry returns the entry of that name, whatever its case; 0 for a header that is stepped over.
func (x *nameIndex) entry(name []byte) uint16 {
	if len(name) == 0 || len(name) > x.longest {
		return 0
	}
	i := x.heads[bucket(name)]
	for i != 0 && !syntax.EqualFold(x.entries[i].name, name) {
		i = x.entries[i].next
	}
	return i
}

// bucket distinguishes names by their length, first and last letter and one in the middle.
func bucket(name []byte) uint8 {
	n := len(name)
	return uint8(n)*7 + syntax.Lower(name[0])*31 + syntax.Lower(name[n-1])*13 + syntax.Lower(name[n/2])*3
}
