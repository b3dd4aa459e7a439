package decode

import (
	"encoding/binary"
	"net/netip"

	"sipsieve/capture"
)

// Protocol numbers of IANA's registry that are read.
const (
	protoIPv4     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoIPv6     = 41
	protoFragment = 44
	protoGRE      = 47
	protoSCTP     = 132
)

// An ipPayload is what the IP layer hands to the transport layer.
type ipPayload struct {
	src, dst netip.Addr
	proto    byte
	id       uint32
	data     []byte
	missing  int // bytes behind data that the wire had and the capture has not
}

func (d *Decoder) ip(b []byte) (capture.Reason, bool) {
	if len(b) == 0 {
		return capture.Short, refuse
	}
	switch b[0] >> 4 {
	case 4:
		return d.ipv4(b)
	case 6:
		return d.ipv6(b)
	}
	return capture.NotIP, refuse
}

func (d *Decoder) ipv4(b []byte) (capture.Reason, bool) {
	if len(b) < 20 {
		return capture.Short, refuse
	}
	head, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // left to the network card by segmentation offload
		total = len(b) + d.missing
	}
	if head < 20 || total < head {
		return capture.Malformed, refuse
	}
	if len(b) < head {
		return capture.Short, refuse
	}
	d.around.headers += head
	p := ipPayload{src: netip.AddrFrom4([4]byte(b[12:16])), dst: netip.AddrFrom4([4]byte(b[16:20])),
		proto: b[9], id: uint32(binary.BigEndian.Uint16(b[4:])), missing: max(0, total-len(b))}
	p.data = b[head:min(total, len(b))]
	if part := binary.BigEndian.Uint16(b[6:]); part&0x3fff != 0 {
		return d.fragment(&p, int(part&0x1fff)*8, part&0x2000 != 0)
	}
	return d.transport(&p)
}

func (d *Decoder) ipv6(b []byte) (capture.Reason, bool) {
	if len(b) < 40 {
		return capture.Short, refuse
	}
	end := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if end == 40 { // a jumbogram, or segmentation offload
		end = len(b) + d.missing
	}
	d.around.headers += 40
	p := ipPayload{src: netip.AddrFrom16([16]byte(b[8:24])), dst: netip.AddrFrom16([16]byte(b[24:40])),
		proto: b[6], missing: max(0, end-len(b))}
	p.data = b[40:min(end, len(b))]
	return d.extensions(&p)
}

// maxExtensions is how many IPv6 extension headers are stepped over.
const maxExtensions = 8

// extension reports whether proto is an IPv6 header that is stepped over: hop-by-hop, routing, destination.
func extension(proto byte) bool { return proto == 0 || proto == 43 || proto == 60 }

// extensions steps over what stands between the IPv6 header and the transport's, RFC 8200 section 4.
func (d *Decoder) extensions(p *ipPayload) (capture.Reason, bool) {
	for range maxExtensions {
		n := 8
		switch {
		case !extension(p.proto) && p.proto != protoFragment:
			return d.transport(p)
		case len(p.data) < 8:
			return capture.Short, refuse
		case p.proto == protoFragment:
			part, id := binary.BigEndian.Uint16(p.data[2:]), binary.BigEndian.Uint32(p.data[4:])
			if part&0xfff9 == 0 { // an atomic fragment, RFC 6946
				break
			}
			p.id, p.proto, p.data = id, p.data[0], p.data[8:]
			return d.fragment(p, int(part&0xfff8), part&1 != 0)
		default:
			n += int(p.data[1]) * 8
		}
		if len(p.data) < n {
			return capture.Short, refuse
		}
		d.around.headers += n
		p.proto, p.data = p.data[0], p.data[n:]
	}
	return capture.Malformed, refuse
}

func (d *Decoder) transport(p *ipPayload) (capture.Reason, bool) {
	switch p.proto {
	case protoUDP:
		return d.udp(p)
	case protoTCP:
		return d.tcp(p)
	case protoSCTP:
		return d.sctp(p)
	case protoIPv4, protoIPv6:
		return d.ipInIP(p)
	case protoGRE:
		return d.gre(p)
	}
	return capture.NotTransport, refuse
}

func (d *Decoder) udp(p *ipPayload) (capture.Reason, bool) {
	b := p.data
	if len(b) < 8 {
		return capture.Short, refuse
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n == 0 {
		n = len(b) + p.missing
	}
	payload := b[8:max(8, min(n, len(b)))]
	if e, ok := udpTunnel(binary.BigEndian.Uint16(b[2:]), payload); ok {
		d.around.headers += 8
		return d.inUDP(e, p, payload)
	}
	flow := ports(p, b, capture.UDP)
	switch {
	case !d.ours(flow):
		return capture.OtherPort, refuse
	case n < 8, n > len(b)+p.missing:
		return capture.Malformed, refuse
	case n == 8:
		return capture.Empty, refuse
	case d.sifting && mayBegin(payload):
		return d.left()
	}
	id := p.id
	if p.src.Is6() {
		id = 0
	}
	d.give(capture.Packet{Flow: flow, ID: id, Cut: n > len(b), Payload: payload}, &d.seen)
	return 0, pass
}

// mayBegin reports whether a datagram may begin a SIP message or be a packet of a HEP feed: by its first byte behind
// line breaks and zero bytes, which is printable or, for HEP versions 1 and 2, the version. RTP begins with 128 or more.
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

func ports(p *ipPayload, b []byte, t capture.Transport) capture.Flow {
	return capture.Flow{Src: netip.AddrPortFrom(p.src, binary.BigEndian.Uint16(b)),
		Dst: netip.AddrPortFrom(p.dst, binary.BigEndian.Uint16(b[2:])), Transport: t}
}
