package decode

import (
	"encoding/binary"
	"net/netip"

	"sipsieve/capture"
)

// Limits of one frame: tunnels that are stepped into, bytes of headers before the innermost packet, and datagrams
// that its fragment completes, one inside the other.
const (
	maxDepth   = 4
	maxHeaders = 256
	maxJoined  = 4
)

// around is what stands around the packet at hand.
type around struct {
	depth   int
	headers int // bytes of them
	joined  int
	carried uint32 // encapsulations, a bit each
	way     uint64 // tells one tunnel, in this direction, from all others: tags, identifiers, outer addresses
	both    uint64 // the same for both directions where their identifiers are the same
}

// mix makes kind and its identifier a part of what tells this tunnel from others.
func (a *around) mix(kind capture.Encapsulation, id uint64) {
	id = id<<8 | uint64(kind)
	a.way, a.both = scatter(a.way+id), scatter(a.both+id)
}

// between makes the ends of a tunnel a part of it.
func (a *around) between(src, dst netip.Addr) {
	from, to := addressed(src), addressed(dst)
	a.way, a.both = scatter(a.way+from+scatter(to)), scatter(a.both+(from^to))
}

func addressed(a netip.Addr) uint64 {
	b := a.As16()
	return scatter(binary.BigEndian.Uint64(b[:]) + scatter(binary.BigEndian.Uint64(b[8:])))
}

// scatter spreads x over 64 bits, one to one (the finalizer of splitmix64).
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// carry notes that the frame came in e.
func (d *Decoder) carry(e capture.Encapsulation) { d.around.carried |= 1 << e }

// enter steps over the n bytes of the header of e, if e is configured and not too deep. id is what tells this tunnel
// from others of its kind.
func (d *Decoder) enter(e capture.Encapsulation, n int, id uint64) bool {
	a := &d.around
	a.headers += n
	if !d.cfg.Tunnels.Has(e) || a.depth == maxDepth || a.headers > maxHeaders {
		return false
	}
	a.depth++
	a.mix(e, id)
	d.carry(e)
	return true
}

// mpls steps over a label stack, RFC 3032. What it carries is told by its first four bits: IP, or else Ethernet,
// behind a control word if they are 0 (RFC 4385 section 3, RFC 4448 section 4.6).
func (d *Decoder) mpls(b []byte) (capture.Reason, bool) {
	n, label := 0, uint32(0)
	for bottom := false; !bottom; n += 4 {
		if len(b) < n+4 {
			return capture.Short, refuse
		}
		label = binary.BigEndian.Uint32(b[n:])
		bottom = label&0x100 != 0
	}
	if !d.enter(capture.MPLS, n, uint64(label>>12)) {
		return capture.Tunnel, refuse
	}
	switch b = b[n:]; {
	case len(b) < 4:
		return capture.Short, refuse
	case b[0]>>4 == 4, b[0]>>4 == 6:
		return d.ip(b)
	case b[0]>>4 == 0:
		return d.ethernet(b[4:])
	}
	return d.ethernet(b)
}

// pppoe steps into a session, RFC 2516 section 4 and RFC 1661 section 2.
func (d *Decoder) pppoe(b []byte) (capture.Reason, bool) {
	if len(b) < 8 {
		return capture.Short, refuse
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if b[0] != 0x11 || b[1] != 0 || n < 2 {
		return capture.Malformed, refuse
	}
	if !d.enter(capture.PPPoE, 8, uint64(binary.BigEndian.Uint16(b[2:]))) {
		return capture.Tunnel, refuse
	}
	switch b, proto := b[8:min(6+n, len(b))], binary.BigEndian.Uint16(b[6:]); proto {
	case 0x0021, 0x0057:
		return d.ip(b)
	}
	return capture.NotIP, refuse
}

// ipInIP steps into RFC 2003, 4213 and 2473: p is an IP packet.
func (d *Decoder) ipInIP(p *ipPayload) (capture.Reason, bool) {
	d.around.between(p.src, p.dst)
	switch {
	case !d.enter(capture.IPIP, 0, uint64(p.proto)):
		return capture.Tunnel, refuse
	case len(p.data) == 0:
		return capture.Short, refuse
	case p.data[0]>>4 == 4 && p.proto == protoIPv4, p.data[0]>>4 == 6 && p.proto == protoIPv6:
		return d.ip(p.data)
	}
	return capture.Malformed, refuse
}
