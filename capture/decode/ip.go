package decode

import (
	"encoding/binary"
	"net/netip"

	"sipsieve/capture"
)

// Protocol numbers of IANA's registry that are read.
const (
	ProtoIPv4     = 4
	ProtoTCP      = 6
	ProtoUDP      = 17
	ProtoIPv6     = 41
	ProtoFragment = 44
	ProtoGRE      = 47
	ProtoSCTP     = 132
)

// An ipPayload is what the IP layer hands to the transport layer.
type ipPayload struct {
	src, dst netip.Addr
	proto    byte
	id       uint32
	data     []byte
	missing  int // bytes behind data that the wire had and the capture has not
	headers  int // bytes of the IP header and its extensions
}

// readIPv4 reads a header, RFC 791 section 3.1. missing is how many bytes of the frame the capture cut off.
func (p *ipPayload) readIPv4(b []byte, missing int) (capture.Reason, bool) {
	if len(b) < 20 {
		return capture.Short, refuse
	}
	head, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // left to the network card by segmentation offload
		total = len(b) + missing
	}
	if head < 20 || total < head {
		return capture.Malformed, refuse
	}
	if len(b) < head {
		return capture.Short, refuse
	}
	p.src, p.dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	p.proto, p.id = b[9], uint32(binary.BigEndian.Uint16(b[4:]))
	p.data, p.missing, p.headers = b[head:min(total, len(b))], max(0, total-len(b)), head
	return 0, pass
}

// readIPv6 reads a header, RFC 8200 section 3. missing is how many bytes of the frame the capture cut off.
func (p *ipPayload) readIPv6(b []byte, missing int) (capture.Reason, bool) {
	if len(b) < 40 {
		return capture.Short, refuse
	}
	end := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if end == 40 { // a jumbogram, or segmentation offload
		end = len(b) + missing
	}
	p.src, p.dst, p.proto = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), b[6]
	p.data, p.missing, p.headers = b[40:min(end, len(b))], max(0, end-len(b)), 40
	return 0, pass
}

// maxExtensions is how many IPv6 extension headers are stepped over.
const maxExtensions = 8

// extension reports whether proto is an IPv6 header that is stepped over: hop-by-hop, routing, destination.
func extension(proto byte) bool { return proto == 0 || proto == 43 || proto == 60 }

// skipExtensions steps over what stands between the IPv6 header and the transport's or that of a fragment, RFC 8200
// section 4.
func (p *ipPayload) skipExtensions() (capture.Reason, bool) {
	for range maxExtensions {
		n := 8
		switch {
		case !extension(p.proto) && p.proto != ProtoFragment:
			return 0, pass
		case len(p.data) < 8:
			return capture.Short, refuse
		case p.proto != ProtoFragment:
			n += int(p.data[1]) * 8
		case binary.BigEndian.Uint16(p.data[2:])&0xfff9 != 0: // less is an atomic fragment, RFC 6946
			return 0, pass
		}
		if len(p.data) < n {
			return capture.Short, refuse
		}
		p.headers += n
		p.proto, p.data = p.data[0], p.data[n:]
	}
	return capture.Malformed, refuse
}

// flow returns the flow of a packet of UDP, TCP or SCTP, whose header begins with its ports.
func (p *ipPayload) flow(t capture.Transport) capture.Flow {
	return capture.Flow{Src: netip.AddrPortFrom(p.src, binary.BigEndian.Uint16(p.data)),
		Dst: netip.AddrPortFrom(p.dst, binary.BigEndian.Uint16(p.data[2:])), Transport: t}
}
