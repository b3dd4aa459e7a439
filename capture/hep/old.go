package hep

import (
	"encoding/binary"

	"sipsieve/capture"
)

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

// readOld sets m to what b says. Version 1 has no time, and neither has a key or another payload than SIP.
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
