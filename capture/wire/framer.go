// Package wire makes the frames of datagrams and segments, with their checksums, and writes frames as a capture file.
package wire

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// Protocol numbers of IP.
const (
	TCP = 6
	UDP = 17
)

// Flags of a TCP segment.
const (
	SYN = 1 << 1
	PSH = 1 << 3
	ACK = 1 << 4
)

// An End is one side of a conversation as it is in the frames.
type End struct {
	Addr netip.Addr
	Port uint16
	MAC  [6]byte
	IDs  *uint16 // the last IPv4 identification that this side used
}

// LinkEthernet is the link type of every Frame that a Framer makes, LINKTYPE_ETHERNET.
const LinkEthernet = 1

// A Frame is one link-layer frame and when it was captured.
type Frame struct {
	Time time.Time
	Data []byte
	Link uint16 // link type of the pcap format
}

// InOrder sorts frames by time, those of one time as they are.
func InOrder(frames []Frame) {
	slices.SortStableFunc(frames, func(a, b Frame) int { return cmp.Compare(a.Time.UnixNano(), b.Time.UnixNano()) })
}

// A Framer turns payloads into frames.
type Framer struct {
	VLAN   uint16  // 802.1Q identifier; 0 for no tag
	MTU    uint16  // bytes of the longest IPv4 packet; longer ones go in fragments
	Frames []Frame // made so far
}

// Datagram adds the frames of a UDP datagram with payload.
func (w *Framer) Datagram(at time.Time, from, to End, payload []byte) {
	seg := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(seg, from.Port)
	binary.BigEndian.PutUint16(seg[2:], to.Port)
	binary.BigEndian.PutUint16(seg[4:], uint16(8+len(payload)))
	seg = append(seg, payload...)
	sum := transportSum(from.Addr, to.Addr, UDP, seg)
	if sum == 0 {
		sum = 0xffff // RFC 768: zero means that there is none
	}
	binary.BigEndian.PutUint16(seg[6:], sum)
	w.Packet(at, from, to, Payload{UDP, seg})
}

// A TCPHead is the fields of a TCP header that differ between segments.
type TCPHead struct {
	Seq, Ack uint32
	Flags    byte
}

// Segment adds the frames of a TCP segment with payload.
func (w *Framer) Segment(at time.Time, from, to End, h TCPHead, payload []byte) {
	seg := make([]byte, 20, 20+len(payload))
	binary.BigEndian.PutUint16(seg, from.Port)
	binary.BigEndian.PutUint16(seg[2:], to.Port)
	binary.BigEndian.PutUint32(seg[4:], h.Seq)
	binary.BigEndian.PutUint32(seg[8:], h.Ack)
	seg[12], seg[13] = 5<<4, h.Flags
	binary.BigEndian.PutUint16(seg[14:], 64240)
	seg = append(seg, payload...)
	binary.BigEndian.PutUint16(seg[16:], transportSum(from.Addr, to.Addr, TCP, seg))
	w.Packet(at, from, to, Payload{TCP, seg})
}

// A Payload is what an IP packet carries, and its protocol number.
type Payload struct {
	Protocol byte
	Bytes    []byte
}

// Packet adds the frame of an IP packet with p, or those of its IPv4 fragments if it is longer than the MTU.
func (w *Framer) Packet(at time.Time, from, to End, p Payload) {
	if from.Addr.Is6() {
		w.frame(at, from, to, ipv6Packet(from.Addr, to.Addr, p))
		return
	}
	*from.IDs++
	room := (int(w.MTU) - 20) &^ 7
	for off := 0; ; off += room {
		piece, more := p.Bytes[off:], false
		if len(piece)+20 > int(w.MTU) {
			piece, more = piece[:room], true
		}
		head := ipv4Head{id: *from.IDs, off: uint16(off / 8), more: more, proto: p.Protocol}
		w.frame(at, from, to, head.packet(from.Addr, to.Addr, piece))
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
	binary.BigEndian.PutUint16(b[10:], Checksum(b))
	return append(b, payload...)
}

func ipv6Packet(src, dst netip.Addr, p Payload) []byte {
	b := make([]byte, 40, 40+len(p.Bytes))
	b[0], b[6], b[7] = 6<<4, p.Protocol, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(p.Bytes)))
	copy(b[8:], src.AsSlice())
	copy(b[24:], dst.AsSlice())
	return append(b, p.Bytes...)
}

// frame puts an IP packet in an Ethernet frame, with a VLAN tag if w has one.
func (w *Framer) frame(at time.Time, from, to End, packet []byte) {
	b := make([]byte, 0, 18+len(packet))
	b = append(append(b, to.MAC[:]...), from.MAC[:]...)
	if w.VLAN != 0 {
		b = binary.BigEndian.AppendUint16(append(b, 0x81, 0x00), w.VLAN)
	}
	if packet[0]>>4 == 6 {
		b = append(b, 0x86, 0xdd)
	} else {
		b = append(b, 0x08, 0x00)
	}
	w.Frames = append(w.Frames, Frame{Time: at, Data: append(b, packet...), Link: LinkEthernet})
}

// transportSum is the checksum of a UDP datagram or TCP segment with its pseudo-header, RFC 768, 9293 and 8200.
func transportSum(src, dst netip.Addr, proto byte, seg []byte) uint16 {
	s := sum(0, src.AsSlice())
	s = sum(s, dst.AsSlice())
	s += uint32(proto) + uint32(len(seg))
	return fold(sum(s, seg))
}

// Checksum is that of RFC 1071 over b.
func Checksum(b []byte) uint16 { return fold(sum(0, b)) }

// sum adds the 16-bit words of b to s.
func sum(s uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

// fold returns the ones' complement of the ones' complement sum s.
func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
