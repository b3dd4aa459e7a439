package pcap

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"testing"

	"sipsieve/capture"
)

// links are the link layers that are read, as each wraps an IP packet.
func links(ethernet []byte) map[uint32][]byte {
	ip := ethernet[14:]
	with := func(head ...byte) []byte { return append(head, ip...) }
	cooked := append([]byte{0, 4, 0, 1, 0, 6}, ethernet[6:12]...)
	return map[uint32][]byte{
		0:   with(2, 0, 0, 0), // BSD loopback, AF_INET as a little-endian host writes it
		1:   ethernet,
		12:  ip,
		14:  ip,
		101: ip,
		108: with(0, 0, 0, 2), // OpenBSD loopback
		113: append(append(cooked, 0, 0, 8, 0), ip...),
		228: ip,
		276: append(append([]byte{8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6}, append(ethernet[6:12:12], 0, 0)...), ip...),
	}
}

// ipv6Of is an IPv6 packet with the UDP datagram of an Ethernet frame.
func ipv6Of(ethernet []byte) []byte {
	udp := ethernet[34:]
	head := []byte{0x60, 0, 0, 0, byte(len(udp) >> 8), byte(len(udp)), 17, 64}
	from, to := netip.MustParseAddr("2001:db8::1").As16(), netip.MustParseAddr("2001:db8::2").As16()
	return append(append(append(head, from[:]...), to[:]...), udp...)
}

// TestEveryLinkTypeGivesThePayload in both kinds of file, and what is not read is counted.
func TestEveryLinkTypeGivesThePayload(t *testing.T) {
	ethernet := firstFrame(t)
	all := links(ethernet)
	all[229] = ipv6Of(ethernet)
	for link, frame := range all {
		for kind, b := range inBothKinds(link, frame) {
			s := opened(t, b)[0]
			p, err := s.Next()
			d := s.Drops()
			d.Carried = [capture.Encapsulations]uint64{} // the decoder's affair
			if err != nil || !bytes.Equal(p.Payload, ethernet[42:]) || d != (capture.Drops{Seen: 1, Passed: 1}) {
				t.Errorf("link type %d in %s: %d bytes, %v, want the %d of the payload", link, kind, len(p.Payload), err,
					len(ethernet)-42)
			}
		}
	}
	for _, link := range []uint32{105, 127, 9999} {
		for kind, b := range inBothKinds(link, ethernet) {
			s := opened(t, b)[0]
			_, err := s.Next()
			if n := s.Drops().Refused[capture.LinkType]; n != 1 || !errors.Is(err, io.EOF) {
				t.Errorf("link type %d in %s: refused = %d, %v, want 1 and the end", link, kind, n, err)
			}
		}
	}
}

func inBothKinds(link uint32, frame []byte) map[string][]byte {
	return map[string][]byte{
		"pcap":                  pcapOf(link).frame(1, 0, frame).b,
		"pcap with check bytes": pcapOf(link|0x44000000).frame(1, 0, frame).b,
		"pcapng":                section().face(uint16(link), 0).enhanced(0, 1, frame).b,
	}
}

// TestInterfacesOfOneFileKeepTheirLinkTypes mixes all of them.
func TestInterfacesOfOneFileKeepTheirLinkTypes(t *testing.T) {
	ethernet := firstFrame(t)
	f, n := section(), 0
	for link, frame := range links(ethernet) {
		f.face(uint16(link), 0).enhanced(uint32(n), uint64(n), frame)
		n++
	}
	got, end := pull(opened(t, f.b)[0])
	if len(got) != n || !errors.Is(end, io.EOF) {
		t.Errorf("packets = %d, %v, want %d and the end", len(got), end, n)
	}
}
