package sip

import "sipsieve/sip/syntax"

// A field is what the selection knows about a header: RFC 3261 section 20 and the IANA registry of header fields.
type field struct {
	name    string // lower case
	header  Header
	once    uint8 // bit of a header that has one value in a message, 0 for the others
	address bool  // its values are addresses: Limits.AddressLine and Limits.Params hold
	next    uint8 // the next of its bucket, counted from 1; 0 ends it
}

// Bits of field.once.
const (
	onceCallID uint8 = 1 << iota
	onceCSeq
	onceFrom
	onceTo
	onceLength
)

// What a message must have.
const needed = onceCallID | onceCSeq | onceFrom | onceTo

var fields = []field{
	{name: "call-id", header: CallID, once: onceCallID}, {name: "i", header: CallID, once: onceCallID},
	{name: "cseq", header: CSeq, once: onceCSeq},
	{name: "from", header: From, once: onceFrom, address: true}, {name: "f", header: From, once: onceFrom, address: true},
	{name: "to", header: To, once: onceTo, address: true}, {name: "t", header: To, once: onceTo, address: true},
	{name: "via", header: Via}, {name: "v", header: Via},
	{name: "contact", header: Contact, address: true}, {name: "m", header: Contact, address: true},
	{name: "content-type", header: ContentType}, {name: "c", header: ContentType},
	{name: "content-length", header: ContentLength, once: onceLength},
	{name: "l", header: ContentLength, once: onceLength},
	{name: "max-forwards"}, // known, so that no leg is joined by it; not read
	{name: "expires", header: Expires},
	{name: "user-agent", header: UserAgent},
	{name: "server", header: Server},
	{name: "reason", header: Reason},
	{name: "session-expires", header: SessionExpires}, {name: "x", header: SessionExpires},
	{name: "p-asserted-identity", header: PAssertedIdentity, address: true},
	{name: "p-preferred-identity", header: PPreferredIdentity, address: true},
	{name: "remote-party-id", header: RemotePartyID, address: true},
	{name: "p-charge-info", header: PChargeInfo, address: true},
	{name: "p-charging-vector", header: PChargingVector},
	{name: "diversion", header: Diversion, address: true},
	{name: "history-info", header: HistoryInfo, address: true},
	{name: "p-called-party-id", header: PCalledPartyID, address: true},
	{name: "referred-by", header: ReferredBy, address: true}, {name: "b", header: ReferredBy, address: true},
	{name: "refer-to", header: ReferTo, address: true}, {name: "r", header: ReferTo, address: true},
	{name: "replaces", header: Replaces},
	{name: "privacy", header: Privacy},
	{name: "identity", header: Identity}, {name: "y", header: Identity},
	{name: "session-id", header: SessionID},
	{name: "geolocation", header: Geolocation},
	{name: "priority", header: Priority},
	{name: "resource-priority", header: ResourcePriority},
	{name: "authorization", header: Authorization},
	{name: "proxy-authorization", header: ProxyAuthorization},
	{name: "www-authenticate", header: WWWAuthenticate},
	{name: "proxy-authenticate", header: ProxyAuthenticate},
	{name: "p-access-network-info", header: PAccessNetworkInfo},
	{name: "p-visited-network-id", header: PVisitedNetworkID},
	{name: "p-associated-uri", header: PAssociatedURI, address: true},
	{name: "record-route", header: RecordRoute, address: true},
	{name: "route", header: Route, address: true},
	{name: "path", header: Path, address: true},
	{name: "service-route", header: ServiceRoute, address: true},
	{name: "supported", header: Supported}, {name: "k", header: Supported},
	{name: "require", header: Require},
	{name: "proxy-require", header: ProxyRequire},
	{name: "allow", header: Allow},
	{name: "allow-events", header: AllowEvents}, {name: "u", header: AllowEvents},
	{name: "event", header: Event}, {name: "o", header: Event},
}

// A nameIndex finds a field by its name.
type nameIndex struct {
	fields  []field
	heads   [256]uint8 // by bucket: the first field of it, counted from 1; 0 without one
	longest int        // length of the longest name, in bytes: a longer one is not looked for
}

var names = newNameIndex(fields)

func newNameIndex(fs []field) (x nameIndex) {
	x.fields = fs
	for i := range fs {
		b := bucket([]byte(fs[i].name))
		fs[i].next = x.heads[b]
		x.heads[b] = uint8(i + 1)
		x.longest = max(x.longest, len(fs[i].name))
	}
	return x
}

// find returns what is known of the header of that name, whatever its case; nil for one that is stepped over.
func find(name []byte) *field { return names.find(name) }

func (x *nameIndex) find(name []byte) *field {
	if len(name) == 0 || len(name) > x.longest {
		return nil
	}
	for i := x.heads[bucket(name)]; i != 0; i = x.fields[i-1].next {
		if f := &x.fields[i-1]; syntax.EqualFold(f.name, name) {
			return f
		}
	}
	return nil
}

// Known reports whether a header of that name, whatever its case, is one of those that are read for what they mean.
func Known(name string) bool { return find([]byte(name)) != nil }

// bucket tells names apart by their length, first and last letter and one in the middle.
func bucket(name []byte) uint8 {
	n := len(name)
	return uint8(n)*7 + syntax.Lower(name[0])*31 + syntax.Lower(name[n-1])*13 + syntax.Lower(name[n/2])*3
}
