package decode

import (
	"encoding/binary"
	"time"

	"sipsieve/capture"
)

// maxHeld is how many segments wait for a missing one, and holdRoom the bytes of them (RFC 9293 segments
// of an SBC's kernel are up to 64 KiB each with segmentation offload).
const (
	maxHeld  = 4
	holdRoom = 128 << 10
)

// A connKey names a TCP connection, whichever side sent.
type connKey [36]byte

// A conn is one TCP connection. It holds no pointer, so that many idle ones cost little.
type conn struct {
	key          connKey
	number       uint64
	older, newer uint32 // neighbours in the order of last use
	half         [2]half
}

// A half is one direction: the sequence number that comes next, and what waits for it.
type half struct {
	next  uint32
	hold  uint16 // 1 + index of its hold; 0 without one
	known bool
	ended bool
	lost  bool // bytes before the next ones are missing
}

// A hold is segments of one half that came before their turn.
type hold struct {
	conn  uint32
	side  int
	since time.Time
	segs  []segment // sorted by sequence number
	room  int
}

type segment struct {
	seq  uint32
	size int // on the wire; more than len(data) if the capture cut it
	data []byte
	fin  bool
}

// streams are the TCP connections, the one silent for longest at the end of the ring that starts at conns[0].
type streams struct {
	cfg   Config
	byKey map[connKey]uint32
	conns []conn
	spare []uint32
	holds []hold
	hand  int
	count uint64
}

func (s *streams) init(cfg Config) {
	s.cfg, s.byKey = cfg, make(map[connKey]uint32)
	s.conns = make([]conn, 1) // the ring's head
}

func (d *Decoder) tcp(p ipPayload) (capture.Reason, bool) {
	b := p.data
	if len(b) < 20 {
		return capture.Short, refuse
	}
	flow := ports(p, b, capture.TCP)
	if !d.ours(flow) {
		return capture.OtherPort, refuse
	}
	head := int(b[12]>>4) * 4
	if head < 20 {
		return capture.Malformed, refuse
	}
	if len(b) < head {
		return capture.Short, refuse
	}
	seg := segment{seq: binary.BigEndian.Uint32(b[4:]), data: b[head:], size: len(b) - head, fin: b[13]&1 != 0}
	if p.cut {
		seg.size += d.frame.Length - len(d.frame.Data)
	}
	return d.segment(flow, seg, b[13])
}

// Flags of a TCP header, RFC 9293 section 3.1.
const (
	flagSYN = 2
	flagRST = 4
	flagACK = 16
)

func (d *Decoder) segment(flow capture.Flow, seg segment, flags byte) (capture.Reason, bool) {
	key, side := keyOf(flow)
	s := &d.streams
	c, known := s.byKey[key]
	before := len(d.queue)
	switch {
	case flags&flagRST != 0:
		if known {
			d.end(c, flow)
		}
		return capture.Empty, len(d.queue) > before
	case flags&flagSYN != 0:
		return d.syn(key, side, seg.seq+1, flow, flags)
	case seg.size == 0 && !seg.fin:
		return capture.Empty, refuse
	}
	if !known {
		c = d.openConn(key)
	}
	s.touch(c)
	reason := d.receive(c, side, flow, seg)
	if h := &s.conns[c].half; h[0].ended && h[1].ended {
		s.forget(c)
	}
	return reason, len(d.queue) > before
}

// keyOf returns the connection's key and which side sent.
func keyOf(f capture.Flow) (key connKey, side int) {
	src, dst := f.Src, f.Dst
	if src.Compare(dst) > 0 {
		src, dst, side = dst, src, 1
	}
	a, b := src.Addr().As16(), dst.Addr().As16()
	copy(key[:], a[:])
	copy(key[16:], b[:])
	binary.BigEndian.PutUint16(key[32:], src.Port())
	binary.BigEndian.PutUint16(key[34:], dst.Port())
	return key, side
}

// syn begins a direction. One that goes on under another sequence number is another connection.
func (d *Decoder) syn(key connKey, side int, next uint32, flow capture.Flow, flags byte) (capture.Reason, bool) {
	s := &d.streams
	before := len(d.queue)
	c, known := s.byKey[key]
	if known && flags&flagACK == 0 && s.conns[c].half[side].known && s.conns[c].half[side].next != next {
		d.end(c, flow)
		known = false
	}
	if !known {
		c = d.openConn(key)
	}
	if h := &s.conns[c].half[side]; !h.known {
		h.known, h.next = true, next
	}
	return capture.Empty, len(d.queue) > before
}

// receive gives the bytes of seg that continue the half, holds them, or finds that they had come before.
func (d *Decoder) receive(c uint32, side int, flow capture.Flow, seg segment) capture.Reason {
	s := &d.streams
	h := &s.conns[c].half[side]
	if !h.known {
		h.known, h.next = true, seg.seq
	}
	if h.ended {
		return capture.StreamRetransmit
	}
	if s.overdue(h, d.frame.Time) {
		d.giveUp(c, side, flow)
	}
	ahead := int32(seg.seq - h.next)
	if ahead > 0 {
		return d.holdBack(c, side, flow, seg)
	}
	if !d.deliver(c, side, flow, seg) {
		return capture.StreamRetransmit
	}
	d.drain(c, side, flow)
	return 0
}

// deliver gives what of seg is new, and reports whether anything was.
func (d *Decoder) deliver(c uint32, side int, flow capture.Flow, seg segment) bool {
	h := &d.streams.conns[c].half[side]
	old := int(h.next - seg.seq)
	if old > seg.size || old == seg.size && !seg.fin {
		return false
	}
	data := seg.data[min(old, len(seg.data)):]
	h.next = seg.seq + uint32(seg.size)
	h.ended = h.ended || seg.fin
	d.give(capture.Packet{Flow: flow, Stream: d.number(c, side), Lost: h.lost, Ended: seg.fin,
		Cut: len(seg.data) < seg.size, Payload: data})
	h.lost = len(seg.data) < seg.size
	return true
}

func (d *Decoder) number(c uint32, side int) uint64 {
	return d.cfg.StreamBase + d.streams.conns[c].number*2 + uint64(side)
}

// end ends both directions of c and forgets it.
func (d *Decoder) end(c uint32, flow capture.Flow) {
	_, side := keyOf(flow)
	for i := range 2 {
		f := flow
		if i != side {
			f = flow.Reverse()
		}
		d.giveUp(c, i, f)
		if h := &d.streams.conns[c].half[i]; h.known && !h.ended {
			d.give(capture.Packet{Flow: f, Stream: d.number(c, i), Lost: h.lost, Ended: true})
		}
	}
	d.streams.forget(c)
}

// openConn makes room for one more connection.
func (d *Decoder) openConn(key connKey) uint32 {
	s := &d.streams
	if len(s.byKey) >= s.cfg.Connections {
		d.count.Refuse(capture.StreamEvicted)
		s.forget(s.conns[0].older)
	}
	var c uint32
	if n := len(s.spare); n > 0 {
		c, s.spare = s.spare[n-1], s.spare[:n-1]
	} else {
		s.conns = append(s.conns, conn{})
		c = uint32(len(s.conns) - 1)
	}
	s.count++
	s.conns[c] = conn{key: key, number: s.count}
	s.byKey[key] = c
	s.link(c)
	return c
}

// link puts c at the young end of the ring, touch moves it there.
func (s *streams) link(c uint32) {
	young := s.conns[0].newer
	s.conns[c].newer, s.conns[c].older = young, 0
	s.conns[young].older = c
	s.conns[0].newer = c
}

func (s *streams) unlink(c uint32) {
	x := &s.conns[c]
	s.conns[x.older].newer = x.newer
	s.conns[x.newer].older = x.older
}

func (s *streams) touch(c uint32) {
	if s.conns[0].newer != c {
		s.unlink(c)
		s.link(c)
	}
}

func (s *streams) forget(c uint32) {
	for side := range s.conns[c].half {
		s.drop(&s.conns[c].half[side])
	}
	s.unlink(c)
	delete(s.byKey, s.conns[c].key)
	s.spare = append(s.spare, c)
}
