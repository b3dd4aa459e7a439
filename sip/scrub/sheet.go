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

// A sheet is a frame on its way out: blank, but for what was copied.
type sheet struct {
	time    time.Time
	link    decode.LinkType
	length  int // on the wire
	in, out []byte
	cut     bool
	ips     []ipHead // the outermost first
	checks  []check  // likewise
}

// An ipHead is an IP header: where it is, where what it carries ends, and between whom it was sent.
type ipHead struct {
	at, end  int
	src, dst netip.Addr
	proto    layers.IPProtocol
}

// A check is a checksum: of the bytes from at to end, with a pseudo-header or not, to be written at sum.
type check struct {
	at, end, sum int
	pseudo       *ipHead
	zero         bool // a sum of zero means none: it is written as ones
}

// newSheet takes a copy of f. A frame of LINKTYPE_LINUX_SLL2, which pcapgo cannot write, becomes one of LINUX_SLL.
func newSheet(f *decode.Frame) *sheet {
	sh := &sheet{time: f.Time, link: f.Link, length: f.Length, in: bytes.Clone(f.Data), cut: f.Length > len(f.Data)}
	if b := f.Data; f.Link == decode.LinuxSLL2 && len(b) >= 20 {
		head := []byte{0, b[10], b[8], b[9], 0, b[11]} // packet type, kind of address, its length
		sh.in = slices.Concat(head, b[12:20], b[:2], b[20:])
		sh.link, sh.length = decode.LinuxSLL, f.Length-4
	}
	sh.out = make([]byte, len(sh.in))
	return sh
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

// walk copies the headers of sh that are understood, and takes what they carry. It returns why sh is dropped.
func (s *Scrubber) walk(sh *sheet) string {
	first := sh.firstLayer()
	if first == nil {
		return dropLink
	}
	p := gopacket.NewPacket(sh.in, first, gopacket.DecodeOptions{NoCopy: true})
	list := p.Layers()
	for i, l := range list {
		at := cap(sh.in) - cap(l.LayerContents()) // it lies in sh.in
		var next gopacket.LayerType
		if i+1 < len(list) {
			next = list[i+1].LayerType()
		}
		if why, done := s.layer(sh, l, place{at, at + len(l.LayerContents()), next}); done {
			return why
		}
	}
	return sh.stranger(p.ErrorLayer() != nil)
}

// A place is where a header begins and ends, and what follows it.
type place struct {
	at, end int
	next    gopacket.LayerType
}

// firstLayer returns how sh is read, nil if it is not.
func (sh *sheet) firstLayer() gopacket.Decoder {
	switch sh.link {
	case decode.Raw, decode.RawBSD, decode.RawOpen, decode.IPv4Only, decode.IPv6Only:
		if len(sh.in) > 0 && sh.in[0]>>4 == 6 {
			return layers.LayerTypeIPv6
		}
		return layers.LayerTypeIPv4
	case decode.Ethernet, decode.Null, decode.Loop, decode.LinuxSLL:
		return layers.LinkType(sh.link)
	}
	return nil
}

// linkAddress writes the disguise of the link-layer address at that place.
func (s *Scrubber) linkAddress(sh *sheet, at int) {
	w := s.disguise.link([6]byte(sh.in[at : at+6]))
	copy(sh.out[at:], w[:])
}

// layer copies one header. done says that nothing is looked at behind it, why that the frame is dropped.
func (s *Scrubber) layer(sh *sheet, l gopacket.Layer, p place) (why string, done bool) {
	keep := func(n int) { copy(sh.out[p.at:p.at+n], sh.in[p.at:]) }
	switch l := l.(type) {
	case *layers.Ethernet:
		keep(14)
		s.linkAddress(sh, p.at)
		s.linkAddress(sh, p.at+6)
	case *layers.LinuxSLL:
		keep(6)
		copy(sh.out[p.at+14:p.at+16], sh.in[p.at+14:])
		s.linkAddress(sh, p.at+6)
	case *layers.Geneve, *layers.ERSPANII:
		keep(8) // options go out empty
	case *layers.Dot1Q, *layers.MPLS, *layers.PPPoE, *layers.PPP, *layers.VXLAN, *layers.Loopback:
		keep(p.end - p.at)
	case *layers.GTPv1U: // the tunnel is one person's; extensions go out empty
		keep(min(12, p.end-p.at))
		teid := [4]byte(sh.in[p.at+4:])
		teid = s.disguise.v4.get(teid, func() [4]byte { return s.disguise.octets(teid) })
		copy(sh.out[p.at+4:], teid[:])
		for at := p.at + 12; at < p.end; {
			n := 4 * int(sh.in[at])
			if n == 0 || at+n > p.end {
				return dropMalformed, true
			}
			sh.out[at], sh.out[at+n-1] = sh.in[at], sh.in[at+n-1]
			at += n
		}
	case *layers.GRE:
		if l.RoutingPresent { // it has addresses of the route
			return dropTunnel, true
		}
		keep(p.end - p.at)
		if l.ChecksumPresent && len(sh.ips) > 0 {
			sh.checks = append(sh.checks, check{at: p.at, end: sh.ips[len(sh.ips)-1].end, sum: p.at + 4})
		}
	case *layers.IPv4:
		keep(20)
		s.ipv4(sh, l, p)
		if more := l.Flags&layers.IPv4MoreFragments != 0; more || l.FragOffset != 0 {
			return s.fragment(sh, fragment{id: uint32(l.Id), offset: int(l.FragOffset) * 8, more: more, at: p.end}), true
		}
	case *layers.IPv6:
		keep(40)
		s.ipv6(sh, l, p)
	case *layers.IPv6HopByHop, *layers.IPv6Destination, *layers.IPv6Routing:
		keep(2) // options go out empty, a route used up
		sh.ips[len(sh.ips)-1].proto = layers.IPProtocol(sh.in[p.at])
	case *layers.IPv6Fragment:
		keep(8)
		ip := &sh.ips[len(sh.ips)-1]
		ip.proto = l.NextHeader
		return s.fragment(sh, fragment{id: l.Identification, offset: int(l.FragmentOffset) * 8, more: l.MoreFragments,
			at: p.end}), true
	case *layers.UDP:
		s.udp(sh, p)
		return "", p.next != layers.LayerTypeVXLAN && p.next != layers.LayerTypeGeneve && p.next != layers.LayerTypeGTPv1U
	case *layers.TCP:
		s.tcp(sh, l, p)
		return "", true
	default:
		return sh.stranger(l.LayerType() == gopacket.LayerTypeDecodeFailure), true
	}
	return "", false
}

// stranger returns why a frame is dropped behind whose headers nothing stands that is read, or nothing that can be.
func (sh *sheet) stranger(broken bool) string {
	switch {
	case broken:
		return dropMalformed
	case len(sh.ips) == 0:
		return dropNotIP
	case sh.ips[len(sh.ips)-1].proto == layers.IPProtocolGRE:
		return dropTunnel
	}
	return dropTransport
}

// enter takes note of an IP header, with the disguises of its addresses.
func (s *Scrubber) enter(sh *sheet, ip ipHead, where ...int) {
	for i, a := range []*netip.Addr{&ip.src, &ip.dst} {
		*a = s.disguise.address(*a)
		copy(sh.out[where[i]:], a.AsSlice())
	}
	ip.end = min(ip.end, len(sh.in))
	sh.ips = append(sh.ips, ip)
}

func (s *Scrubber) ipv4(sh *sheet, l *layers.IPv4, p place) {
	ip := ipHead{at: p.at, end: p.at + int(l.Length), src: addressOf(l.SrcIP), dst: addressOf(l.DstIP), proto: l.Protocol}
	if binary.BigEndian.Uint16(sh.in[p.at+2:]) == 0 { // left to the network card by segmentation offload
		ip.end = len(sh.in)
	}
	sh.checks = append(sh.checks, check{at: p.at, end: p.end, sum: p.at + 10})
	s.enter(sh, ip, p.at+12, p.at+16)
}

func (s *Scrubber) ipv6(sh *sheet, l *layers.IPv6, p place) {
	ip := ipHead{at: p.at, end: p.at + 40 + int(l.Length), src: addressOf(l.SrcIP), dst: addressOf(l.DstIP),
		proto: l.NextHeader}
	if l.Length == 0 {
		ip.end = len(sh.in)
	}
	s.enter(sh, ip, p.at+8, p.at+24)
}

func addressOf(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

// sum writes the checksums, the innermost first: those around it are sums of it, too.
func (sh *sheet) sum() {
	for i := len(sh.checks) - 1; i >= 0; i-- {
		c := sh.checks[i]
		if c.end > len(sh.out) {
			continue
		}
		binary.BigEndian.PutUint16(sh.out[c.sum:], 0)
		n := add(0, sh.out[c.at:c.end])
		if c.pseudo != nil {
			n = c.pseudo.add(n, c.end-c.at)
		}
		n = ^fold(n) & 0xffff
		if n == 0 && c.zero {
			n = 0xffff
		}
		binary.BigEndian.PutUint16(sh.out[c.sum:], uint16(n))
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
