// Package sdp reads session descriptions (RFC 8866): what media is agreed on, without what names a person.
//
// # What is kept
//
// Reduce copies the lines that the field register lists and nothing else: no user, no subject, no key, no address of
// ICE. Read gives words of closed lists for media, codecs and profile, "other" for the rest, so none of them can carry
// text.
//
// # Limits
//
// What does not fit into maxLines, maxTypes and their like is left out; the message is used all the same. Multipart bodies
// are looked through for at most 8 parts, in at most 2 levels.
package sdp

import (
	"bytes"
	"net/netip"

	"sipsieve/sip/syntax"
)

// Limits of a Session.
const (
	maxTypes   = 8
	maxCodecs  = 16
	maxFormats = 32 // of one m= line
)

// A Direction is which way media flows, RFC 8866 section 6.7. The zero Direction is the default, both ways.
type Direction uint8

// Directions.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
)

// A Crypto is how media keys are agreed. The zero Crypto is none.
type Crypto uint8

// Ways to agree on keys: RFC 4568, RFC 5763 and RFC 6189.
const (
	NoCrypto Crypto = iota
	ZRTP
	SDES
	DTLS
)

var cryptoNames = [...]string{"none", "zrtp", "sdes", "dtls"}

// String returns the word that records use.
func (c Crypto) String() string { return cryptoNames[c&3] }

// A Session is the media of a session description. Media types, codecs and the profile are words of closed
// lists, "other" for the rest, so none of them can carry text. The zero Session has no media.
type Session struct {
	Types     [maxTypes]string // audio, video, text, image, application, message, other; each once, as they come
	NTypes    int
	Codecs    [maxCodecs]string // of all media in their order, each once
	NCodecs   int
	Addr      netip.Addr // of the first medium that is not refused; not valid for a host name
	Port      uint16
	Profile   string // of the first medium, as RTP/AVP; "" without media
	Direction Direction
	Crypto    Crypto
	Candidate bool   // ICE candidates stood there
	OriginID  []byte // session id of o=, borrowed from the value that was read
	OriginAt  []byte // address of o=, borrowed
}

// Hold reports whether s puts the other side on hold: RFC 6337 section 5.3, and c=0.0.0.0 as in RFC 2543.
func (s *Session) Hold() bool {
	return s.NTypes > 0 && (s.Direction == SendOnly || s.Direction == Inactive || s.Addr == netip.IPv4Unspecified())
}

// Read reads what Reduce appended. It allocates nothing, but for an IPv6 address.
// A medium with port 0 is refused and counts for nothing (RFC 3264 section 6).
func Read(value []byte) Session {
	var s Session
	r := sessionReader{s: &s}
	for len(value) > 0 {
		var line []byte
		line, value = cutLine(value)
		if len(line) > 2 && line[1] == '=' {
			r.read(line[0], line[2:])
		}
	}
	r.endMedium()
	if s.NTypes > 0 && s.Crypto == NoCrypto {
		s.Crypto = profileCrypto(s.Profile)
	}
	return s
}

// A sessionReader holds what belongs to the medium at hand until the next m= line.
type sessionReader struct {
	s       *Session
	inside  bool // after the first m= line
	first   bool // in the first medium that is not refused
	refused bool
	fixed   bool // the profile's formats are no payload types
	formats [maxFormats]uint8
	n       int
	maps    [128]uint8 // by payload type, 1 + index in codecNames
}

func (r *sessionReader) read(kind byte, value []byte) {
	switch kind {
	case 'o':
		r.origin(value)
	case 'c':
		if !r.inside || r.first {
			r.s.Addr = connection(value)
		}
	case 'm':
		r.endMedium()
		r.medium(value)
	case 'a':
		r.attribute(value)
	}
}

func (r *sessionReader) origin(value []byte) {
	_, value = cutField(value)
	r.s.OriginID, value = cutField(value)
	r.s.OriginAt = value[bytes.LastIndexByte(value, ' ')+1:]
}

func (r *sessionReader) medium(value []byte) {
	kind, value := cutField(value)
	port, value := cutField(value)
	profile, formats := cutField(value)
	port, _, _ = bytes.Cut(port, []byte{'/'})
	number, ok := syntax.Decimal(port, 65535)
	r.inside, r.first = true, false
	r.refused = !ok || number == 0
	if r.refused {
		return
	}
	name := word(profileNames[:], profile)
	r.fixed = !bytes.Contains(profile, []byte("RTP/"))
	if r.s.NTypes == 0 {
		r.first = true
		r.s.Port, r.s.Profile = uint16(number), name
	}
	r.s.addType(word(mediaNames[:], kind))
	r.collect(formats)
}

// collect keeps the payload types of an m= line, or at once the format of one that has none.
func (r *sessionReader) collect(formats []byte) {
	for len(formats) > 0 && r.n < maxFormats {
		var f []byte
		f, formats = cutField(formats)
		number, ok := syntax.Decimal(f, 127)
		switch {
		case !r.fixed && ok:
			r.formats[r.n] = uint8(number)
			r.n++
		case r.fixed && bytes.EqualFold(f, []byte("t38")):
			r.s.addCodec("t38")
		}
	}
}

func (r *sessionReader) attribute(value []byte) {
	name, value, _ := bytes.Cut(value, []byte{':'})
	switch string(name) {
	case "rtpmap":
		r.rtpmap(value)
	case "sendrecv":
		r.direction(SendRecv)
	case "sendonly":
		r.direction(SendOnly)
	case "recvonly":
		r.direction(RecvOnly)
	case "inactive":
		r.direction(Inactive)
	case "crypto":
		r.s.Crypto = max(r.s.Crypto, SDES)
	case "fingerprint":
		r.s.Crypto = max(r.s.Crypto, DTLS)
	case "zrtp-hash":
		r.s.Crypto = max(r.s.Crypto, ZRTP)
	case "candidate":
		r.s.Candidate = true
	}
}

func (r *sessionReader) direction(d Direction) {
	if !r.inside || r.first {
		r.s.Direction = d
	}
}

func (r *sessionReader) rtpmap(value []byte) {
	number, value := cutField(value)
	name, _, _ := bytes.Cut(value, []byte{'/'})
	if pt, ok := syntax.Decimal(number, 127); ok {
		r.maps[pt] = 1 + uint8(index(codecNames[:], name))
	}
}

// endMedium adds the codecs of the medium that ends here.
func (r *sessionReader) endMedium() {
	for _, pt := range r.formats[:r.n] {
		switch at := r.maps[pt]; {
		case at != 0:
			r.s.addCodec(codecNames[at-1])
		case pt < 96 && staticCodecs[pt] != "":
			r.s.addCodec(staticCodecs[pt])
		default:
			r.s.addCodec(codecNames[len(codecNames)-1])
		}
	}
	r.n, r.maps = 0, [128]uint8{}
}

func (s *Session) addType(name string) { s.NTypes = addOnce(s.Types[:], s.NTypes, name) }

func (s *Session) addCodec(name string) { s.NCodecs = addOnce(s.Codecs[:], s.NCodecs, name) }

// addOnce puts name behind the n words of list, unless it stands there or there is no room, and returns the new n.
func addOnce(list []string, n int, name string) int {
	for _, have := range list[:n] {
		if have == name {
			return n
		}
	}
	if n == len(list) {
		return n
	}
	list[n] = name
	return n + 1
}

// cutField returns the first field of text and what follows it.
func cutField(text []byte) (field, rest []byte) {
	field, rest, _ = bytes.Cut(bytes.TrimLeft(text, " "), []byte{' '})
	return field, rest
}

// connection returns the address of a c= line, without zone or time to live; not valid for a host name.
func connection(value []byte) netip.Addr {
	network, value := cutField(value)
	family, value := cutField(value)
	text, _ := cutField(value)
	text, _, _ = bytes.Cut(text, []byte{'/'})
	if string(network) != "IN" || len(text) > 45 {
		return netip.Addr{}
	}
	if string(family) == "IP4" {
		return syntax.IPv4(text)
	}
	addr, err := netip.ParseAddr(string(text))
	if err != nil {
		return netip.Addr{}
	}
	return addr.WithZone("")
}
