package decode

import (
	"encoding/binary"

	"sipsieve/capture"
)

// layers reads the frame at hand from the link layer inwards. Each of its layers returns the reason for which it
// refuses the frame, and whether the frame passed.
type layers struct {
	ports     []PortRange
	seen      sighting
	missing   int // bytes of the frame that the capture cut off
	nest      nesting
	sifting   bool // called by Decoder.Sift: no frame is kept, and no payload that may be SIP is given
	postponed bool // the frame has something that Sift leaves to Frame
	out       output
	streams   streams
	fragments fragments
}

// What a layer returns behind its reason.
const refuse, pass = false, true

// begin resets what is kept of the frame before f.
func (l *layers) begin(f *Frame) {
	l.seen = sighting{time: f.Time, point: f.Point}
	l.missing = max(0, f.Length-len(f.Data))
	l.nest.reset()
	l.out.clear()
	if f.VLAN != 0 {
		l.nest.tag(f.VLAN, capture.Dot1Q)
		l.seen.vlan = f.VLAN
	}
}

// postpone leaves the frame to Decoder.Frame. The reason is not counted.
func (l *layers) postpone() (capture.Reason, bool) {
	l.postponed = true
	return capture.NotIP, refuse
}

// configured reports whether one of the two ports of f is configured.
func (l *layers) configured(f capture.Flow) bool {
	if len(l.ports) == 0 {
		return true
	}
	for _, r := range l.ports {
		if r.has(f.Src.Port()) || r.has(f.Dst.Port()) {
			return true
		}
	}
	return false
}

// link reads the link layer.
func (l *layers) link(t LinkType, b []byte) (capture.Reason, bool) {
	switch t {
	case Ethernet:
		return l.ethernet(b)
	case Null, Loop:
		if len(b) < 4 {
			return capture.Short, refuse
		}
		return l.ip(b[4:])
	case RawBSD, RawOpen, Raw, IPv4Only, IPv6Only:
		return l.ip(b)
	case LinuxSLL:
		l.nest.carry(capture.CookedV1)
		return l.cooked(b, 16, 14, 6)
	case LinuxSLL2:
		l.nest.carry(capture.CookedV2)
		return l.cooked(b, 20, 0, 12)
	}
	return capture.LinkType, refuse
}

// ethernet reads an Ethernet frame. The sender that packets bear is the innermost one's: a mirror is no sender.
func (l *layers) ethernet(b []byte) (capture.Reason, bool) {
	if len(b) < 14 {
		return capture.Short, refuse
	}
	l.nest.headers += 14
	l.seen.link = [6]byte(b[6:12])
	return l.etherType(binary.BigEndian.Uint16(b[12:]), b[14:])
}

// cooked reads a Linux cooked header of n bytes, with the EtherType and the sender's address at these offsets.
func (l *layers) cooked(b []byte, n, proto, address int) (capture.Reason, bool) {
	if len(b) < n {
		return capture.Short, refuse
	}
	l.nest.headers += n
	l.seen.link = [6]byte(b[address : address+6])
	return l.etherType(binary.BigEndian.Uint16(b[proto:]), b[n:])
}

// etherType reads what follows the EtherType t.
func (l *layers) etherType(t uint16, b []byte) (capture.Reason, bool) {
	if t != EtherIPv4 && t != EtherIPv6 {
		var why capture.Reason
		var ok bool
		if t, b, why, ok = l.nest.tags(t, b); !ok {
			return why, refuse
		}
		l.seen.vlan = l.nest.vlan
	}
	var tun tunnel
	switch t {
	case EtherIPv4, EtherIPv6:
		return l.ip(b)
	case EtherMPLS, EtherMPLSm:
		why, ok := tun.readMPLS(b)
		return l.enter(&tun, why, ok)
	case EtherPPPoE:
		why, ok := tun.readPPPoE(b)
		return l.enter(&tun, why, ok)
	case EtherBackbone:
		switch {
		case len(b) < 4:
			return capture.Short, refuse
		case !l.nest.enterBackbone(binary.BigEndian.Uint32(b)):
			return capture.Tunnel, refuse
		}
		return l.ethernet(b[4:])
	}
	return capture.NotIP, refuse
}

// enter reads what the tunnel t carries; why and ok are of its header.
func (l *layers) enter(t *tunnel, why capture.Reason, ok bool) (capture.Reason, bool) {
	switch {
	case !ok:
		return why, refuse
	case !l.nest.enter(t):
		return capture.Tunnel, refuse
	case t.inner == 0:
		return t.why, refuse
	case t.inner == EtherBridged:
		return l.ethernet(t.data)
	}
	return l.etherType(t.inner, t.data)
}

// ip reads an IP packet of either version.
func (l *layers) ip(b []byte) (why capture.Reason, ok bool) {
	if len(b) == 0 {
		return capture.Short, refuse
	}
	var p ipPayload
	switch b[0] >> 4 {
	case 4:
		if why, ok = p.readIPv4(b, l.missing); !ok {
			return why, refuse
		}
		l.nest.headers += p.headers
		if f := binary.BigEndian.Uint16(b[6:]); f&0x3fff != 0 {
			return l.fragment(&p, int(f&0x1fff)*8, f&0x2000 != 0)
		}
		return l.transport(&p)
	case 6:
		if why, ok = p.readIPv6(b, l.missing); !ok {
			return why, refuse
		}
		return l.ipv6(&p)
	}
	return capture.NotIP, refuse
}

// ipv6 reads what follows the IPv6 header: extensions, and a fragment or the transport's packet.
func (l *layers) ipv6(p *ipPayload) (capture.Reason, bool) {
	why, ok := p.skipExtensions()
	l.nest.headers += p.headers
	p.headers = 0
	switch {
	case !ok:
		return why, refuse
	case p.proto != ProtoFragment:
		return l.transport(p)
	}
	f, id := binary.BigEndian.Uint16(p.data[2:]), binary.BigEndian.Uint32(p.data[4:])
	p.id, p.proto, p.data = id, p.data[0], p.data[8:]
	return l.fragment(p, int(f&0xfff8), f&1 != 0)
}

// fragment keeps the part of a datagram that begins at offset, and reads the datagram if it is complete with it.
func (l *layers) fragment(p *ipPayload, offset int, more bool) (capture.Reason, bool) {
	switch {
	case l.sifting:
		return l.postpone()
	case p.missing > 0:
		return capture.Short, refuse
	}
	f := &l.fragments
	key := keyOf(p, l.nest.way)
	g := f.byKey[key]
	if g != nil && g.over {
		return g.why, refuse
	}
	if why, ok := l.readable(p, offset == 0); !ok {
		f.refuse(g, key, why)
		return why, refuse
	}
	g, why, ok := f.add(g, key, fragment{offset, p.data, p.proto, more})
	if !ok {
		return why, refuse
	}
	if l.nest.joined == maxJoined {
		f.giveUp(g, capture.FragmentInvalid)
		return capture.FragmentInvalid, refuse
	}
	before := len(g.parts) - 1
	p.proto, p.data, l.missing = g.proto, f.join(g, l.nest.joined), 0
	l.nest.joined++
	if p.src.Is6() {
		why, ok = l.ipv6(p)
	} else {
		why, ok = l.transport(p)
	}
	if !ok && why != capture.FragmentHeld && why != capture.StreamHeld {
		f.count.Lose(why, before)
	}
	return why, ok
}

// readable refuses a fragment if its datagram holds nothing that is read. Only the first fragment has ports.
func (l *layers) readable(p *ipPayload, first bool) (capture.Reason, bool) {
	switch p.proto {
	case ProtoUDP, ProtoTCP, ProtoSCTP:
		if !first || len(p.data) < 4 {
			return 0, pass
		}
		flow := p.flow(capture.UDP)
		if l.configured(flow) || p.proto == ProtoUDP && l.nest.tunnels&udpTunnels(flow.Dst.Port()) != 0 {
			return 0, pass
		}
		return capture.OtherPort, refuse
	case ProtoIPv4, ProtoIPv6:
		return capture.Tunnel, l.nest.tunnels.Has(capture.IPIP)
	case ProtoGRE:
		return capture.Tunnel, l.nest.tunnels&greKinds != 0
	}
	return capture.NotTransport, p.src.Is6() && (!first || extension(p.proto) || p.proto == ProtoFragment)
}

// transport reads the packet of the transport layer, or of a tunnel over IP.
func (l *layers) transport(p *ipPayload) (capture.Reason, bool) {
	var tun tunnel
	switch p.proto {
	case ProtoUDP:
		return l.udp(p)
	case ProtoTCP:
		return l.tcp(p)
	case ProtoSCTP:
		return l.sctp(p)
	case ProtoIPv4, ProtoIPv6:
		l.nest.between(p.src, p.dst)
		why, ok := tun.readIPIP(p)
		return l.enter(&tun, why, ok)
	case ProtoGRE:
		l.nest.between(p.src, p.dst)
		why, ok := tun.readGRE(p.data, l.nest.tunnels)
		return l.enter(&tun, why, ok)
	}
	return capture.NotTransport, refuse
}

// udp reads a datagram, or the tunnel in it.
func (l *layers) udp(p *ipPayload) (capture.Reason, bool) {
	b := p.data
	if len(b) < 8 {
		return capture.Short, refuse
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n == 0 {
		n = len(b) + p.missing
	}
	payload := b[8:max(8, min(n, len(b)))]
	if port := binary.BigEndian.Uint16(b[2:]); udpTunnels(port) != 0 {
		var t tunnel
		if why, ok, found := t.readUDP(port, payload); found {
			l.nest.headers += 8
			l.nest.between(p.src, p.dst)
			return l.enter(&t, why, ok)
		}
	}
	flow := p.flow(capture.UDP)
	switch {
	case !l.configured(flow):
		return capture.OtherPort, refuse
	case n < 8, n > len(b)+p.missing:
		return capture.Malformed, refuse
	case n == 8:
		return capture.Empty, refuse
	case l.sifting && mayBegin(payload):
		return l.postpone()
	}
	id := p.id
	if p.src.Is6() {
		id = 0
	}
	l.out.give(capture.Packet{Flow: flow, ID: id, Cut: n > len(b), Payload: payload}, &l.seen)
	return 0, pass
}

// mayBegin reports whether a datagram may begin a SIP message or be a packet of a HEP feed: by its first byte behind
// line breaks and zero bytes, which is printable or, for HEP versions 1 and 2, the version. RTP begins with 128 or
// more.
func mayBegin(b []byte) bool {
	for _, c := range b {
		switch c {
		case 0, '\r', '\n':
			continue
		}
		return c == 1 || c == 2 || c == '\t' || c >= ' ' && c < 0x7f
	}
	return false
}

// tcp reads a segment and hands it to the streams.
func (l *layers) tcp(p *ipPayload) (capture.Reason, bool) {
	if len(p.data) < 20 {
		return capture.Short, refuse
	}
	flow := p.flow(capture.TCP)
	if !l.configured(flow) {
		return capture.OtherPort, refuse
	}
	if l.sifting {
		return l.postpone()
	}
	var a arrival
	if why, ok := a.read(p); !ok {
		return why, refuse
	}
	a.seen = l.seen
	a.key, a.side = connKeyOf(flow, l.nest.both)
	return l.streams.arrive(&a)
}

// sctp gives the messages of a packet that came in one chunk each.
func (l *layers) sctp(p *ipPayload) (capture.Reason, bool) {
	if len(p.data) < sctpHeader {
		return capture.Short, refuse
	}
	flow := p.flow(capture.SCTP)
	if !l.configured(flow) {
		return capture.OtherPort, refuse
	}
	if l.sifting {
		return l.postpone()
	}
	c := chunks{b: p.data[sctpHeader:], missing: p.missing, why: capture.Empty}
	given := false
	for message, cut, ok := c.next(); ok; message, cut, ok = c.next() {
		l.out.give(capture.Packet{Flow: flow, Cut: cut, Payload: message}, &l.seen)
		given = true
	}
	return c.why, given
}
