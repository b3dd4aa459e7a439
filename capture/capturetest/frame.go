package capturetest

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Protocol numbers.
const (
	protoTCP = 6
	protoUDP = 17
)

// Flags of a TCP segment.
const (
	_ = 1 << iota
	flagSYN
	_
	flagPSH
	flagACK
)

// An end is one side of a conversation as it is in the frames.
type end struct {
	addr netip.Addr
	port uint16
	mac  [6]byte
	ids  *uint16 // the last IPv4 identification that this side used
}

// A wire turns payloads into frames.
type wire struct {
	vlan, mtu uint16
	frames    []Frame
}

// datagram sends payload as UDP.
func (w *wire) datagram(at time.Time, from, to end, payload []byte) {
	seg := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(seg, from.port)
	binary.BigEndian.PutUint16(seg[2:], to.port)
	binary.BigEndian.PutUint16(seg[4:], uint16(8+len(payload)))
	seg = append(seg, payload...)
	sum := transportSum(from.addr, to.addr, protoUDP, seg)
	if sum == 0 {
		sum = 0xffff // RFC 768: zero means that there is none
	}
	binary.BigEndian.PutUint16(seg[6:], sum)
	w.packet(at, from, to, ipPayload{protoUDP, seg})
}

// A tcpHead is the fields of a TCP header that differ between segments.
type tcpHead struct {
	seq, ack uint32
	flags    byte
}

// segment sends payload as TCP.
func (w *wire) segment(at time.Time, from, to end, h tcpHead, payload []byte) {
	seg := make([]byte, 20, 20+len(payload))
	binary.BigEndian.PutUint16(seg, from.port)
	binary.BigEndian.PutUint16(seg[2:], to.port)
	binary.BigEndian.PutUint32(seg[4:], h.seq)
	binary.BigEndian.PutUint32(seg[8:], h.ack)
	seg[12], seg[13] = 5<<4, h.flags
	binary.BigEndian.PutUint16(seg[14:], 64240)
	seg = append(seg, payload...)
	binary.BigEndian.PutUint16(seg[16:], transportSum(from.addr, to.addr, protoTCP, seg))
	w.packet(at, from, to, ipPayload{protoTCP, seg})
}

type ipPayload struct {
	proto byte
	bytes []byte
}

// packet sends p as an IP packet, or as IPv4 fragments if it is longer than the MTU.
func (w *wire) packet(at time.Time, from, to end, p ipPayload) {
	if from.addr.Is6() {
		w.frame(at, from, to, ipv6Packet(from.addr, to.addr, p))
		return
	}
	*from.ids++
	room := (int(w.mtu) - 20) &^ 7
	for off := 0; ; off += room {
		piece, more := p.bytes[off:], false
		if len(piece)+20 > int(w.mtu) {
			piece, more = piece[:room], true
		}
		head := ipv4Head{id: *from.ids, off: uint16(off / 8), more: more, proto: p.proto}
		w.frame(at, from, to, head.packet(from.addr, to.addr, piece))
		if !more {
			return
		}
	}
}

type ipv4Head struct {
	id, off uint16
	more    bool
	proto   byte
}

func (h ipv4Head) packet(src, dst netip.Addr, payload []byte) []byte {
	b := make([]byte, 20, 20+len(payload))
	b[0], b[8], b[9] = 0x45, 64, h.proto
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	binary.BigEndian.PutUint16(b[4:], h.id)
	if h.more {
		h.off |= 0x2000
	}
	binary.BigEndian.PutUint16(b[6:], h.off)
	copy(b[12:], src.AsSlice())
	copy(b[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(b[10:], fold(sum(0, b)))
	return append(b, payload...)
}

func ipv6Packet(src, dst netip.Addr, p ipPayload) []byte {
	b := make([]byte, 40, 40+len(p.bytes))
	b[0], b[6], b[7] = 6<<4, p.proto, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(p.bytes)))
	copy(b[8:], src.AsSlice())
	copy(b[24:], dst.AsSlice())
	return append(b, p.bytes...)
}

// frame puts an IP packet in an Ethernet frame, with a VLAN tag if w has one.
func (w *wire) frame(at time.Time, from, to end, packet []byte) {
	b := make([]byte, 0, 18+len(packet))
	b = append(append(b, to.mac[:]...), from.mac[:]...)
	if w.vlan != 0 {
		b = binary.BigEndian.AppendUint16(append(b, 0x81, 0x00), w.vlan)
	}
	if packet[0]>>4 == 6 {
		b = append(b, 0x86, 0xdd)
	} else {
		b = append(b, 0x08, 0x00)
	}
	w.frames = append(w.frames, Frame{Time: at, Data: append(b, packet...), Link: LinkEthernet})
}

// transportSum is the checksum of a UDP datagram or TCP segment with its pseudo-header, RFC 768, 9293 and 8200.
func transportSum(src, dst netip.Addr, proto byte, seg []byte) uint16 {
	s := sum(0, src.AsSlice())
	s = sum(s, dst.AsSlice())
	s += uint32(proto) + uint32(len(seg))
	return fold(sum(s, seg))
}

func sum(s uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
