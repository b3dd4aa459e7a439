package decode

import (
	"encoding/binary"

	"sipsieve/capture"
)

// Ports of tunnels: VXLAN's own, the one that Linux used before, Geneve's and GTP-U's.
const (
	portVXLAN      = 4789
	portVXLANLinux = 8472
	portGeneve     = 6081
	portGTPU       = 2152
)

// udpTunnel returns the tunnel that a datagram to port is. A host may send SIP to such a port too, from behind NAT
// above all: what does not begin as the tunnel's header must is none.
func udpTunnel(port uint16, b []byte) (capture.Encapsulation, bool) {
	switch port {
	case portVXLAN, portVXLANLinux: // the flag I, and G of the group policy extension
		return capture.VXLAN, len(b) >= 8 && b[0]&0x7f == 0x08
	case portGeneve: // version 0 and a known payload
		if len(b) < 8 || b[0]>>6 != 0 {
			return 0, false
		}
		t := binary.BigEndian.Uint16(b[2:])
		return capture.Geneve, t == greBridged || t == etherIPv4 || t == etherIPv6
	case portGTPU: // version 1, not GTP', a G-PDU
		return capture.GTPU, len(b) >= 8 && b[0]&0xf8 == 0x30 && b[1] == 255
	}
	return 0, false
}

// udpTunneled reports whether a fragmented datagram to port could be a tunnel that is stepped into.
func (d *Decoder) udpTunneled(port uint16) bool {
	switch port {
	case portVXLAN, portVXLANLinux:
		return d.cfg.Tunnels.Has(capture.VXLAN)
	case portGeneve:
		return d.cfg.Tunnels.Has(capture.Geneve)
	case portGTPU:
		return d.cfg.Tunnels.Has(capture.GTPU)
	}
	return false
}

// inUDP steps into the tunnel e, whose header b begins with.
func (d *Decoder) inUDP(e capture.Encapsulation, p *ipPayload, b []byte) (capture.Reason, bool) {
	d.around.between(p.src, p.dst)
	switch e {
	case capture.VXLAN:
		return d.vxlan(b)
	case capture.Geneve:
		return d.geneve(b)
	}
	return d.gtpu(b)
}

// vxlan reads RFC 7348 section 5.
func (d *Decoder) vxlan(b []byte) (capture.Reason, bool) {
	if !d.enter(capture.VXLAN, 8, uint64(binary.BigEndian.Uint32(b[4:])>>8)) {
		return capture.Tunnel, refuse
	}
	return d.ethernet(b[8:])
}

// geneve reads RFC 8926 section 3.4. A control packet carries nothing of hosts.
func (d *Decoder) geneve(b []byte) (capture.Reason, bool) {
	n := 8 + int(b[0]&0x3f)*4
	switch {
	case !d.enter(capture.Geneve, n, uint64(binary.BigEndian.Uint32(b[4:])>>8)):
		return capture.Tunnel, refuse
	case len(b) < n:
		return capture.Short, refuse
	case b[1]&0x80 != 0:
		return capture.Empty, refuse
	}
	if t := binary.BigEndian.Uint16(b[2:]); t != greBridged {
		return d.etherType(t, b[n:])
	}
	return d.ethernet(b[n:])
}

// gtpu reads a G-PDU, 3GPP TS 29.281 section 5: 8 bytes, 4 more if one of E, S and PN is set, and a chain of
// extension headers if E is.
func (d *Decoder) gtpu(b []byte) (capture.Reason, bool) {
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
	if !d.enter(capture.GTPU, n, teid) {
		return capture.Tunnel, refuse
	}
	return d.ip(b[n:])
}
