package scrub

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// A walker copies the headers of frames that are understood, and scrubs what they carry or keeps it until all of a
// datagram or stream is there.
type walker struct {
	disguise  *disguise
	payloads  payloads
	streams   streams
	fragments fragments
}

// walk copies the headers of fr that are understood, and takes what they carry. It returns why fr is dropped.
func (w *walker) walk(fr *frame) string {
	first := fr.firstLayer()
	if first == nil {
		return dropLink
	}
	p := gopacket.NewPacket(fr.in, first, gopacket.DecodeOptions{NoCopy: true})
	list := p.Layers()
	for i, l := range list {
		begin := cap(fr.in) - cap(l.LayerContents()) // it lies in fr.in
		var next gopacket.LayerType
		if i+1 < len(list) {
			next = list[i+1].LayerType()
		}
		if why, done := w.layer(fr, l, place{begin, begin + len(l.LayerContents()), next}); done {
			return why
		}
	}
	return fr.dropReason(p.ErrorLayer() != nil)
}

// A place is where a header begins and ends, and what follows it.
type place struct {
	begin, end int
	next       gopacket.LayerType
}

// linkAddress writes the disguise of the link-layer address that begins at byte i.
func (w *walker) linkAddress(fr *frame, i int) {
	address := w.disguise.link([6]byte(fr.in[i : i+6]))
	copy(fr.out[i:], address[:])
}

// layer copies one header. done: nothing is looked at behind it; why: the frame is dropped, "" if it is not.
func (w *walker) layer(fr *frame, l gopacket.Layer, p place) (why string, done bool) {
	switch l := l.(type) {
	case *layers.Ethernet:
		fr.keep(p, 14)
		w.linkAddress(fr, p.begin)
		w.linkAddress(fr, p.begin+6)
	case *layers.LinuxSLL:
		fr.keep(p, 6)
		copy(fr.out[p.begin+14:p.begin+16], fr.in[p.begin+14:])
		w.linkAddress(fr, p.begin+6)
	case *layers.Geneve, *layers.ERSPANII:
		fr.keep(p, 8) // options go out empty
	case *layers.Dot1Q, *layers.MPLS, *layers.PPPoE, *layers.PPP, *layers.VXLAN, *layers.Loopback:
		fr.keep(p, p.end-p.begin)
	case *layers.GTPv1U:
		if !w.gtp(fr, p) {
			return dropMalformed, true
		}
	case *layers.GRE:
		if l.RoutingPresent { // it has addresses of the route
			return dropTunnel, true
		}
		fr.keep(p, p.end-p.begin)
		if l.ChecksumPresent && len(fr.ips) > 0 {
			fr.checks = append(fr.checks, check{begin: p.begin, end: fr.lastIP().end, sum: p.begin + 4})
		}
	case *layers.IPv4:
		return w.ipv4(fr, l, p)
	case *layers.IPv6:
		w.ipv6(fr, l, p)
	case *layers.IPv6HopByHop, *layers.IPv6Destination, *layers.IPv6Routing:
		fr.keep(p, 2) // options go out empty, a route used up
		fr.lastIP().proto = layers.IPProtocol(fr.in[p.begin])
	case *layers.IPv6Fragment:
		fr.keep(p, 8)
		fr.lastIP().proto = l.NextHeader
		return w.fragments.add(fr, fragment{id: l.Identification, offset: int(l.FragmentOffset) * 8, more: l.MoreFragments,
			begin: p.end}), true
	case *layers.UDP:
		w.udp(fr, p)
		return "", p.next != layers.LayerTypeVXLAN && p.next != layers.LayerTypeGeneve && p.next != layers.LayerTypeGTPv1U
	case *layers.TCP:
		w.tcp(fr, l, p)
		return "", true
	default:
		return fr.dropReason(l.LayerType() == gopacket.LayerTypeDecodeFailure), true
	}
	return "", false
}

// gtp copies a header of GTP-U, whose tunnel is one person's; extensions go out empty. It reports false for one that
// cannot be read.
func (w *walker) gtp(fr *frame, p place) bool {
	fr.keep(p, min(12, p.end-p.begin))
	teid := [4]byte(fr.in[p.begin+4:])
	teid = w.disguise.v4.get(teid, func() [4]byte { return w.disguise.octets(teid) })
	copy(fr.out[p.begin+4:], teid[:])
	for i := p.begin + 12; i < p.end; {
		n := 4 * int(fr.in[i])
		if n == 0 || i+n > p.end {
			return false
		}
		fr.out[i], fr.out[i+n-1] = fr.in[i], fr.in[i+n-1]
		i += n
	}
	return true
}

// enter notes an IP header, with the disguises of its addresses, and writes them at bytes src and dst.
func (w *walker) enter(fr *frame, ip ipHead, src, dst int) {
	ip.src, ip.dst = w.disguise.address(ip.src), w.disguise.address(ip.dst)
	copy(fr.out[src:], ip.src.AsSlice())
	copy(fr.out[dst:], ip.dst.AsSlice())
	ip.end = min(ip.end, len(fr.in))
	fr.ips = append(fr.ips, ip)
}

func (w *walker) ipv4(fr *frame, l *layers.IPv4, p place) (why string, done bool) {
	fr.keep(p, 20)
	ip := ipHead{end: p.begin + int(l.Length), src: addressOf(l.SrcIP), dst: addressOf(l.DstIP), proto: l.Protocol}
	if binary.BigEndian.Uint16(fr.in[p.begin+2:]) == 0 { // segmentation offload leaves the length to the network card
		ip.end = len(fr.in)
	}
	fr.checks = append(fr.checks, check{begin: p.begin, end: p.end, sum: p.begin + 10})
	w.enter(fr, ip, p.begin+12, p.begin+16)
	if more := l.Flags&layers.IPv4MoreFragments != 0; more || l.FragOffset != 0 {
		return w.fragments.add(fr, fragment{id: uint32(l.Id), offset: int(l.FragOffset) * 8, more: more, begin: p.end}), true
	}
	return "", false
}

func (w *walker) ipv6(fr *frame, l *layers.IPv6, p place) {
	fr.keep(p, 40)
	ip := ipHead{end: p.begin + 40 + int(l.Length), src: addressOf(l.SrcIP), dst: addressOf(l.DstIP), proto: l.NextHeader}
	if l.Length == 0 {
		ip.end = len(fr.in)
	}
	w.enter(fr, ip, p.begin+8, p.begin+24)
}

func addressOf(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

// udp takes a whole datagram, whose header p is; a tunnel's payload is left to the layers that follow.
func (w *walker) udp(fr *frame, p place) {
	ip := fr.lastIP()
	copy(fr.out[p.begin:p.begin+8], fr.in[p.begin:])
	w.disguise.portPair(fr.out[p.begin:], fr.in[p.begin:])
	end := min(p.begin+int(binary.BigEndian.Uint16(fr.in[p.begin+4:])), ip.end)
	if end < p.end {
		end = ip.end
	}
	switch {
	case fr.cut && end == len(fr.in):
		binary.BigEndian.PutUint16(fr.out[p.begin+6:], 0)
	case binary.BigEndian.Uint16(fr.in[p.begin+6:]) != 0 || ip.src.Is6():
		fr.checks = append(fr.checks, check{p.begin, end, p.begin + 6, ip, true})
	}
	w.payloads.datagram(fr.out[p.end:end], fr.in[p.end:end])
}

// tcp takes a segment, whose header p is. Its payload is scrubbed with its stream.
func (w *walker) tcp(fr *frame, l *layers.TCP, p place) {
	ip := fr.lastIP()
	copy(fr.out[p.begin:p.begin+20], fr.in[p.begin:])
	w.disguise.portPair(fr.out[p.begin:], fr.in[p.begin:])
	options(fr.out[p.begin+20:p.end], fr.in[p.begin+20:p.end])
	if fr.cut && ip.end == len(fr.in) {
		binary.BigEndian.PutUint16(fr.out[p.begin+16:], 0)
	} else {
		fr.checks = append(fr.checks, check{p.begin, ip.end, p.begin + 16, ip, false})
	}
	key := streamKey{netip.AddrPortFrom(ip.src, uint16(l.SrcPort)), netip.AddrPortFrom(ip.dst, uint16(l.DstPort))}
	if p.end < ip.end {
		blank(fr.out[p.end:ip.end], fr.in[p.end:ip.end])
	}
	w.streams.add(key, segment{frame: fr, begin: p.end, end: max(p.end, ip.end), seq: l.Seq, syn: l.SYN})
}

// options copies the options of TCP that identify nobody: segment size, window, acknowledgements, timestamps. Others
// become no operation.
func options(out, in []byte) {
	for i := 0; i < len(in) && in[i] != 0; {
		n := 1
		if in[i] != 1 && i+1 < len(in) {
			n = int(in[i+1])
		}
		if n < 1 || i+n > len(in) {
			return
		}
		if k := in[i]; k >= 1 && k <= 5 || k == 8 {
			copy(out[i:i+n], in[i:])
		} else {
			copy(out[i:i+n], bytes.Repeat([]byte{1}, n))
		}
		i += n
	}
}
