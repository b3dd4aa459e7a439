package decode

import (
	"encoding/binary"

	"sipsieve/capture"
)

// A tunnel is the header of an encapsulation and what follows it.
type tunnel struct {
	data  []byte // what follows the header
	id    uint64 // label, session, key, VNI or TEID
	size  int    // bytes of the header
	inner uint16 // EtherType of data, EtherIPv4 for IP of either version; 0 if data is refused
	kind  capture.Encapsulation
	why   capture.Reason // for which data is refused
}

// refuse marks what follows the header as refused.
func (t *tunnel) refuse(why capture.Reason) { t.inner, t.why = 0, why }

// readMPLS reads a label stack, RFC 3032. The first four bits of what it carries are the version of IP, or else it is
// Ethernet, behind a control word if they are 0 (RFC 4385 section 3, RFC 4448 section 4.6).
func (t *tunnel) readMPLS(b []byte) (why capture.Reason, ok bool) {
	n, label := 0, uint32(0)
	for bottom := false; !bottom; n += 4 {
		if len(b) < n+4 {
			return capture.Short, refuse
		}
		label = binary.BigEndian.Uint32(b[n:])
		bottom = label&0x100 != 0
	}
	*t = tunnel{kind: capture.MPLS, id: uint64(label >> 12), size: n, data: b[n:], inner: EtherBridged}
	switch {
	case len(t.data) < 4:
		t.refuse(capture.Short)
	case t.data[0]>>4 == 4, t.data[0]>>4 == 6:
		t.inner = EtherIPv4
	case t.data[0]>>4 == 0:
		t.data = t.data[4:]
	}
	return 0, pass
}

// Protocols of PPP that are IP, RFC 1332 and RFC 5072.
const (
	pppIPv4 = 0x0021
	pppIPv6 = 0x0057
)

// readPPPoE reads the header of a session, RFC 2516 section 4 and RFC 1661 section 2.
func (t *tunnel) readPPPoE(b []byte) (why capture.Reason, ok bool) {
	if len(b) < 8 {
		return capture.Short, refuse
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if b[0] != 0x11 || b[1] != 0 || n < 2 {
		return capture.Malformed, refuse
	}
	*t = tunnel{kind: capture.PPPoE, id: uint64(binary.BigEndian.Uint16(b[2:])), size: 8, data: b[8:min(6+n, len(b))],
		inner: EtherIPv4}
	if p := binary.BigEndian.Uint16(b[6:]); p != pppIPv4 && p != pppIPv6 {
		t.refuse(capture.NotIP)
	}
	return 0, pass
}

// readIPIP reads p as an IP packet, RFC 2003, RFC 4213 and RFC 2473.
func (t *tunnel) readIPIP(p *ipPayload) (why capture.Reason, ok bool) {
	*t = tunnel{kind: capture.IPIP, id: uint64(p.proto), data: p.data, inner: EtherIPv4}
	switch {
	case len(t.data) == 0:
		t.refuse(capture.Short)
	case t.data[0]>>4 == 4 && p.proto == ProtoIPv4, t.data[0]>>4 == 6 && p.proto == ProtoIPv6:
	default:
		t.refuse(capture.Malformed)
	}
	return 0, pass
}

// Flags of a GRE header, RFC 2784 and 2890; greOther are routing, recursion and the version, of which none is read.
const (
	greChecksum = 0x8000
	greKey      = 0x2000
	greSequence = 0x1000
	greOther    = 0x4f07
)

// Numbers of ERSPAN in a GRE header, where the EtherType stands otherwise.
const (
	greERSPAN  = 0x88be
	greERSPAN3 = 0x22eb
)

// greKinds are the tunnels that begin with a GRE header.
var greKinds = capture.TunnelsOf(capture.GRE, capture.NVGRE, capture.ERSPAN1, capture.ERSPAN2, capture.ERSPAN3)

// readGRE reads the header of a tunnel of greKinds. configured is the tunnels that are stepped into.
func (t *tunnel) readGRE(b []byte, configured capture.Tunnels) (why capture.Reason, ok bool) {
	if configured&greKinds == 0 {
		return capture.Tunnel, refuse
	}
	if len(b) < 4 {
		return capture.Short, refuse
	}
	flags, proto := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if flags&greOther != 0 {
		return capture.Tunnel, refuse
	}
	n, key := 4, uint64(0)
	if flags&greChecksum != 0 {
		n += 4
	}
	if flags&greKey != 0 {
		n += 4
		if len(b) >= n {
			key = uint64(binary.BigEndian.Uint32(b[n-4:])) | 1<<32
		}
	}
	if flags&greSequence != 0 {
		n += 4
	}
	if len(b) < n {
		return capture.Short, refuse
	}
	*t = tunnel{kind: capture.GRE, id: key, size: n, data: b[n:], inner: proto, why: capture.NotIP}
	switch {
	case proto == greERSPAN && flags&greSequence == 0: // the first type has no header of its own
		t.kind, t.id, t.inner = capture.ERSPAN1, 0, EtherBridged
	case proto == greERSPAN, proto == greERSPAN3:
		return t.readERSPAN(b[n:], n, proto)
	// With a key alone it is NVGRE, RFC 7637 section 3.2, whose header is that of a keyed GRE bridge: where NVGRE is
	// not configured, it is read as one. The last byte of its key belongs to the flow.
	case proto == EtherBridged && flags&(greChecksum|greSequence) == 0 && key != 0 && configured.Has(capture.NVGRE):
		t.kind, t.id = capture.NVGRE, key>>8
	}
	return 0, pass
}

// readERSPAN reads the header of a mirrored frame behind a GRE header of so many bytes, draft-foschiano-erspan
// section 4. That of the third type has 12 bytes, and 8 more if its last bit is set; its frame type is Ethernet (0) or
// IP (2).
func (t *tunnel) readERSPAN(b []byte, gre int, proto uint16) (why capture.Reason, ok bool) {
	if len(b) < 8 {
		return capture.Short, refuse
	}
	n := 8
	*t = tunnel{kind: capture.ERSPAN2, id: uint64(binary.BigEndian.Uint16(b[2:]) & 0x3ff), inner: EtherBridged}
	switch version := b[0] >> 4; {
	case version == 1 && proto == greERSPAN:
	case version != 2:
		return capture.Malformed, refuse
	case len(b) < 12:
		return capture.Short, refuse
	default:
		t.kind = capture.ERSPAN3
		n = 12 + int(b[11]&1)*8
		switch frame := b[10] >> 2 & 0x1f; {
		case len(b) < n:
			t.refuse(capture.Short)
		case frame == 2:
			t.inner = EtherIPv4
		case frame != 0:
			t.refuse(capture.NotIP)
		}
	}
	t.size, t.data = gre+n, b[min(n, len(b)):]
	return 0, pass
}

// Ports of tunnels: VXLAN's own, the one that Linux used before, Geneve's and GTP-U's.
const (
	PortVXLAN      = 4789
	PortVXLANLinux = 8472
	PortGeneve     = 6081
	PortGTPU       = 2152
)

// udpTunnels returns the tunnel that datagrams to port may be; none for other ports.
func udpTunnels(port uint16) capture.Tunnels {
	switch port {
	case PortVXLAN, PortVXLANLinux:
		return capture.TunnelsOf(capture.VXLAN)
	case PortGeneve:
		return capture.TunnelsOf(capture.Geneve)
	case PortGTPU:
		return capture.TunnelsOf(capture.GTPU)
	}
	return 0
}

// readUDP reads the header of the tunnel that the datagram b to port is. A host may send SIP to such a port too, from
// behind NAT above all: what does not begin as the tunnel's header must is none, and found is false.
func (t *tunnel) readUDP(port uint16, b []byte) (why capture.Reason, ok, found bool) {
	if len(b) < 8 {
		return 0, false, false
	}
	switch port {
	case PortVXLAN, PortVXLANLinux: // the flag I, and G of the group policy extension
		if b[0]&0x7f == 0x08 {
			t.readVXLAN(b)
			return 0, pass, true
		}
	case PortGeneve: // version 0 and a payload that is read
		if inner := binary.BigEndian.Uint16(b[2:]); b[0]>>6 == 0 &&
			(inner == EtherBridged || inner == EtherIPv4 || inner == EtherIPv6) {
			t.readGeneve(b, inner)
			return 0, pass, true
		}
	case PortGTPU: // version 1, not GTP', a G-PDU
		if b[0]&0xf8 == 0x30 && b[1] == 255 {
			why, ok = t.readGTPU(b)
			return why, ok, true
		}
	}
	return 0, false, false
}

// readVXLAN reads RFC 7348 section 5.
func (t *tunnel) readVXLAN(b []byte) {
	t.kind, t.id, t.size = capture.VXLAN, uint64(binary.BigEndian.Uint32(b[4:])>>8), 8
	t.data, t.inner = b[8:], EtherBridged
}

// readGeneve reads RFC 8926 section 3.4. A control packet carries nothing of hosts.
func (t *tunnel) readGeneve(b []byte, inner uint16) {
	n := 8 + int(b[0]&0x3f)*4
	t.kind, t.id, t.size = capture.Geneve, uint64(binary.BigEndian.Uint32(b[4:])>>8), n
	t.data, t.inner = b[min(n, len(b)):], inner
	switch {
	case len(b) < n:
		t.refuse(capture.Short)
	case b[1]&0x80 != 0:
		t.refuse(capture.Empty)
	}
}

// readGTPU reads a G-PDU, 3GPP TS 29.281 section 5: 8 bytes, 4 more if one of E, S and PN is set, and a chain of
// extension headers if E is.
func (t *tunnel) readGTPU(b []byte) (why capture.Reason, ok bool) {
	teid := uint64(binary.BigEndian.Uint32(b[4:]))
	b = b[:min(len(b), 8+int(binary.BigEndian.Uint16(b[2:])))]
	n := 8
	if b[0]&7 != 0 {
		n += 4
	}
	if len(b) < n {
		return capture.Short, refuse
	}
	for next := b[n-1]; b[0]&4 != 0 && next != 0; {
		if len(b) <= n {
			return capture.Short, refuse
		}
		size := int(b[n]) * 4
		switch {
		case size == 0:
			return capture.Malformed, refuse
		case len(b) < n+size:
			return capture.Short, refuse
		}
		n += size
		next = b[n-1]
	}
	*t = tunnel{kind: capture.GTPU, id: teid, size: n, data: b[n:], inner: EtherIPv4}
	return 0, pass
}
