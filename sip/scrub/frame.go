package scrub

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"sipsieve/capture/decode"
)

// A frame is one frame of the capture and what is written of it: zeros, but for what was copied.
type frame struct {
	time    time.Time
	link    decode.LinkType
	length  int // on the wire
	in, out []byte
	cut     bool
	ips     []ipHead // the outermost first
	checks  []check  // likewise
}

// An ipHead is an IP header with the disguises of its addresses.
type ipHead struct {
	end      int // where what it carries ends
	src, dst netip.Addr
	proto    layers.IPProtocol
}

// A check is a checksum of the bytes from begin to end.
type check struct {
	begin, end int
	sum        int     // where it is written
	pseudo     *ipHead // whose pseudo-header is added; nil without one
	zero       bool    // a sum of zero means none: it is written as ones
}

// newFrame takes a copy of f. A frame of LINKTYPE_LINUX_SLL2, which pcapgo cannot write, becomes one of LINUX_SLL.
func newFrame(f *decode.Frame) *frame {
	fr := &frame{time: f.Time, link: f.Link, length: f.Length, in: bytes.Clone(f.Data), cut: f.Length > len(f.Data)}
	if b := f.Data; f.Link == decode.LinuxSLL2 && len(b) >= 20 {
		head := []byte{0, b[10], b[8], b[9], 0, b[11]} // packet type, kind of address, its length
		fr.in = slices.Concat(head, b[12:20], b[:2], b[20:])
		fr.link, fr.length = decode.LinuxSLL, f.Length-4
	}
	fr.out = make([]byte, len(fr.in))
	return fr
}

// Reasons to drop a frame.
const (
	dropLink      = "link_type"
	dropNotIP     = "not_ip"
	dropTransport = "not_transport"
	dropTunnel    = "tunnel"
	dropMalformed = "malformed"
	dropFragment  = "fragment"
)

// firstLayer returns how fr is read, nil if it is not.
func (fr *frame) firstLayer() gopacket.Decoder {
	switch fr.link {
	case decode.Raw, decode.RawBSD, decode.RawOpen, decode.IPv4Only, decode.IPv6Only:
		if len(fr.in) > 0 && fr.in[0]>>4 == 6 {
			return layers.LayerTypeIPv6
		}
		return layers.LayerTypeIPv4
	case decode.Ethernet, decode.Null, decode.Loop, decode.LinuxSLL:
		return layers.LinkType(fr.link)
	}
	return nil
}

// keep copies the first n bytes of the header p.
func (fr *frame) keep(p place, n int) { copy(fr.out[p.begin:p.begin+n], fr.in[p.begin:]) }

// lastIP returns the innermost IP header so far; there is one.
func (fr *frame) lastIP() *ipHead { return &fr.ips[len(fr.ips)-1] }

// dropReason returns why a frame is dropped whose headers carry nothing that is read. broken: a header cannot be read.
func (fr *frame) dropReason(broken bool) string {
	switch {
	case broken:
		return dropMalformed
	case len(fr.ips) == 0:
		return dropNotIP
	case fr.lastIP().proto == layers.IPProtocolGRE:
		return dropTunnel
	}
	return dropTransport
}

// sum writes the checksums, the innermost first: those around it are sums of it, too.
func (fr *frame) sum() {
	for i := len(fr.checks) - 1; i >= 0; i-- {
		c := fr.checks[i]
		if c.end > len(fr.out) {
			continue
		}
		binary.BigEndian.PutUint16(fr.out[c.sum:], 0)
		n := add(0, fr.out[c.begin:c.end])
		if c.pseudo != nil {
			n = c.pseudo.add(n, c.end-c.begin)
		}
		n = ^fold(n) & 0xffff
		if n == 0 && c.zero {
			n = 0xffff
		}
		binary.BigEndian.PutUint16(fr.out[c.sum:], uint16(n))
	}
}

// add adds the pseudo-header of n bytes to sum, RFC 768 and RFC 8200 section 8.1.
func (ip *ipHead) add(sum uint32, n int) uint32 {
	sum = add(add(sum, ip.src.AsSlice()), ip.dst.AsSlice())
	return sum + uint32(ip.proto) + uint32(n&0xffff) + uint32(n>>16)
}

// add adds b to a sum of RFC 1071.
func add(sum uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		sum = fold(sum + uint32(b[0])<<8 + uint32(b[1]))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint32 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}
