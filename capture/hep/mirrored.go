package hep

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"net/netip"
	"time"

	"sipsieve/capture"
)

// What a step of decoding returns behind its reason.
const refuse, pass = false, true

// HEP versions 1 and 2 have a header of fixed layout, as FreeSWITCH and old proxies send it: version, length of
// header and addresses, family, protocol, two ports; two addresses; in version 2 the time and a number of the
// sender, in the order of its bytes, which is that of a PC.
const (
	oldHeader = 8
	oldTime   = 12
	oldIPv4   = oldHeader + 2*4
	oldIPv6   = oldHeader + 2*16
)

// isOld reports whether b begins like HEP version 1 or 2.
func isOld(b []byte) bool {
	return len(b) >= oldHeader && (b[0] == 1 || b[0] == 2) &&
		(b[1] == oldIPv4 && b[2] == 2 || b[1] == oldIPv6 && b[2] != 2)
}

// A mirrored is the message in one HEP packet with its metadata. Its slices are borrowed from the packet.
type mirrored struct {
	src, dst    netip.AddrPort
	protocol    uint8 // of IP, see transports
	kind        uint8 // of the payload, see kinds
	agent       uint32
	stamp       time.Time // zero without one, or without a valid one
	misdated    bool      // its stamp had a million microseconds or more
	key         []byte
	payload     []byte
	compressed  []byte // instead of payload
	correlation []byte
	long        bool // the correlation identifier was too long to keep
	framed      bool // its lengths agree: another packet may begin behind it
	extent
}

// transports are the numbers that senders write for what the message travelled on: those of IP, and two that name
// another protocol there and that Kamailio and OpenSIPS write for TLS (22, in Kamailio also for WebSocket) and
// for WebSocket (50).
var transports = [256]capture.Transport{6: capture.TCP, 17: capture.UDP, 132: capture.SCTP,
	22: capture.TLS, 50: capture.WebSocket}

// read sets m from b, HEP version 1, 2 or 3.
func (m *mirrored) read(b []byte) (capture.Reason, bool) {
	*m = mirrored{}
	if isOld(b) {
		return m.readOld(b)
	}
	var c chunks
	x, why, ok := c.read(b)
	if !ok {
		return why, refuse
	}
	m.framed, m.extent = true, x
	m.src, m.dst = c.ends()
	m.protocol, m.kind, m.agent = uint8(c.number(chunkProtocol)), uint8(c.number(chunkKind)), c.number(chunkAgent)
	m.key, m.payload, m.compressed, m.correlation = c[chunkKey], c[chunkPayload], c[chunkCompressed], c[chunkCorrelation]
	if m.long = len(m.correlation) > maxCorrelation; m.long || len(m.correlation) == 0 {
		m.correlation = nil // the beginning of one is the beginning of many
	}
	if m.payload != nil && m.compressed != nil {
		return capture.Malformed, refuse
	}
	if c[chunkSeconds] != nil || c[chunkMicros] != nil {
		m.date(c[chunkSeconds] != nil, c.number(chunkSeconds), c.number(chunkMicros))
	}
	return 0, pass
}

// readOld sets m from b, version 1 or 2. Version 1 has no time, and neither has a key or another payload than SIP.
func (m *mirrored) readOld(b []byte) (capture.Reason, bool) {
	length := int(b[1])
	rest := length
	if b[0] == 2 {
		rest += oldTime
	}
	if len(b) < rest {
		return capture.Short, refuse
	}
	half := (length - oldHeader) / 2
	m.protocol, m.kind, m.payload = b[3], sip, b[rest:]
	m.src = end(b[oldHeader:oldHeader+half], uint32(binary.BigEndian.Uint16(b[4:])))
	m.dst = end(b[oldHeader+half:length], uint32(binary.BigEndian.Uint16(b[6:])))
	if b[0] == 1 {
		return 0, pass
	}
	s, us := binary.LittleEndian.Uint32(b[length:]), binary.LittleEndian.Uint32(b[length+4:])
	m.date(true, s, us)
	m.agent = uint32(binary.LittleEndian.Uint16(b[length+8:]))
	return 0, pass
}

// date sets the stamp of m. A stamp with a million microseconds or more is invalid as a whole: some senders write
// nanoseconds.
func (m *mirrored) date(stamped bool, s, us uint32) {
	switch {
	case us >= 1e6:
		m.misdated = true
	case stamped:
		m.stamp = time.Unix(int64(s), int64(us)*1000).UTC()
	}
}

// end returns an address as on the wire: an IPv4 address that is mapped to IPv6 is IPv4. It is invalid without an ip.
func end(ip []byte, port uint32) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), uint16(port))
}

// sip is the kind of payload that is read.
const sip = 1

// A decoder reads HEP packets. It is used by one goroutine.
type decoder struct {
	key      []byte // that packets must have; empty for any
	inflater inflater
}

// decode sets m from b, with the payload decompressed. A packet without the key is refused before its content is
// checked or decompressed.
func (d *decoder) decode(b []byte, m *mirrored) (capture.Reason, bool) {
	why, ok := m.read(b)
	switch {
	case !ok:
		return why, refuse
	case len(d.key) > 0 && subtle.ConstantTimeCompare(d.key, m.key) != 1:
		return capture.HEPKey, refuse
	case m.kind != sip:
		return capture.HEPType, refuse
	case transports[m.protocol] == 0:
		return capture.NotTransport, refuse
	case !m.src.IsValid() || !m.dst.IsValid():
		return capture.Malformed, refuse
	case m.compressed != nil:
		if m.payload, ok = d.inflater.inflate(m.compressed, m.cut); !ok {
			return capture.HEPCompressed, refuse
		}
	}
	if len(m.payload) == 0 {
		return capture.Empty, refuse
	}
	return 0, pass
}

// flow returns the ends between which the message went.
func (m *mirrored) flow() capture.Flow {
	return capture.Flow{Src: m.src, Dst: m.dst, Transport: transports[m.protocol]}
}

// kinds are the names of kinds of payload. All others are named other.
var kinds = map[uint8]string{
	sip: "sip", 2: "xmpp", 3: "sdp", 4: "rtp", 5: "rtcp", 6: "mgcp", 7: "megaco", 8: "m2ua", 9: "m3ua", 10: "iax",
	11: "h322", 12: "h321", 13: "m2pa", 34: "mos_full", 35: "mos_short", 50: "sip_json", 53: "dns_json", 100: "log",
}

// kindName returns the name of a kind of payload.
func kindName(n uint8) string {
	if name, ok := kinds[n]; ok {
		return name
	}
	return "other"
}

// hasMagic reports whether b begins a packet of HEP version 3.
func hasMagic(b []byte) bool { return bytes.HasPrefix(b, []byte(magic)) }
