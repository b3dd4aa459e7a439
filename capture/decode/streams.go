package decode

import (
	"encoding/binary"
	"hash/maphash"

	"sipsieve/capture"
)

// window is how far before the next byte a segment may begin and still be of the same connection. Further back it is
// of another one, whose beginning was not seen.
const window = 1 << 20

// A connKey names a TCP connection, whichever side sent, and the tunnel that it came in.
type connKey [44]byte

// A conn is one TCP connection. It holds no pointer, so that many idle ones cost little.
type conn struct {
	key          connKey
	vlan         uint16
	closed       bool
	number       uint64
	older, newer uint32 // neighbours in the order of last use
	half         [2]half
}

// A half is one direction: the sequence number that comes next, and what waits for it.
type half struct {
	next  uint32
	first uint32 // of the first byte, as its SYN said
	hold  uint16 // 1 + index of its hold; 0 without one
	syn   bool
	known bool
	ended bool
	lost  bool // bytes before the next ones are missing
}

// A segment is a part of one half, as it was seen.
type segment struct {
	seen sighting
	seq  uint32
	size int // on the wire; more than len(data) if the capture cut it
	data []byte
	fin  bool
}

// end is the sequence number behind seg: FIN takes one.
func (seg *segment) end() uint32 {
	if seg.fin {
		return seg.seq + uint32(seg.size) + 1
	}
	return seg.seq + uint32(seg.size)
}

// probe reports whether seg is a keepalive probe, RFC 9293 section 3.8.4: a byte before the next that has no meaning.
func (seg *segment) probe() bool {
	return seg.size == 1 && len(seg.data) == 1 && seg.data[0] == 0 && !seg.fin
}

// Heads of the two rings of connections: those in use, the one silent for longest at the older end, and those that
// have ended, which make room first. They are remembered so that what is sent again of them is not read twice.
const (
	inUse = iota
	closed
	heads
)

// streams are the TCP connections.
type streams struct {
	cfg    Config
	seed   maphash.Seed
	byHash map[uint64]uint32
	conns  []conn
	spare  []uint32
	count  uint64
	holds  holds
}

func (s *streams) init(cfg Config) {
	s.cfg, s.seed, s.byHash = cfg, maphash.MakeSeed(), make(map[uint64]uint32)
	s.conns = make([]conn, heads)
	for i := range s.conns {
		s.conns[i].older, s.conns[i].newer = uint32(i), uint32(i)
	}
}

// Flags of a TCP header, RFC 9293 section 3.1.
const (
	flagFIN = 1
	flagSYN = 2
	flagRST = 4
	flagACK = 16
)

// An arrival is a segment and what its header says of the connection.
type arrival struct {
	segment
	key   connKey
	side  int
	flow  capture.Flow
	flags byte
	ack   uint32
}

func (d *Decoder) tcp(p *ipPayload) (capture.Reason, bool) {
	b := p.data
	if len(b) < 20 {
		return capture.Short, refuse
	}
	flow := ports(p, b, capture.TCP)
	if !d.ours(flow) {
		return capture.OtherPort, refuse
	}
	if d.sifting {
		return d.left()
	}
	head := int(b[12]>>4) * 4
	if head < 20 {
		return capture.Malformed, refuse
	}
	if len(b) < head {
		return capture.Short, refuse
	}
	a := arrival{flow: flow, flags: b[13], ack: binary.BigEndian.Uint32(b[8:])}
	a.segment = segment{seen: d.seen, seq: binary.BigEndian.Uint32(b[4:]), data: b[head:],
		size: len(b) - head + p.missing, fin: a.flags&flagFIN != 0}
	a.key, a.side = d.keyOf(flow)
	return d.arrive(&a)
}

// keyOf returns the connection's key and which side sent.
func (d *Decoder) keyOf(f capture.Flow) (key connKey, side int) {
	src, dst := f.Src, f.Dst
	if src.Compare(dst) > 0 {
		src, dst, side = dst, src, 1
	}
	a, b := src.Addr().As16(), dst.Addr().As16()
	copy(key[:], a[:])
	copy(key[16:], b[:])
	binary.BigEndian.PutUint16(key[32:], src.Port())
	binary.BigEndian.PutUint16(key[34:], dst.Port())
	binary.BigEndian.PutUint64(key[36:], d.around.both)
	return key, side
}

func (d *Decoder) arrive(a *arrival) (capture.Reason, bool) {
	s := &d.streams
	c, known := s.find(&a.key)
	switch {
	case a.flags&flagRST != 0:
		return d.reset(c, known, a)
	case a.flags&flagSYN != 0:
		a.seq++
		c = d.syn(c, known, a)
	}
	switch h := &s.conns[c].half[a.side]; {
	case a.size == 0 && !a.fin, c == inUse && a.size == 0, !h.known && a.probe():
		return capture.Empty, refuse
	case c == inUse:
		c = d.openConn(a)
	case s.conns[c].another(a):
		d.endConn(c)
		s.forget(c)
		c = d.openConn(a)
	}
	if !s.conns[c].closed {
		s.move(c, inUse)
	}
	reason, ok := d.receive(c, a)
	if x := &s.conns[c]; !x.closed && x.over() {
		x.closed = true
		s.move(c, closed)
	}
	return reason, ok
}

// over reports whether neither half of x can have more.
func (x *conn) over() bool {
	a, b := &x.half[0], &x.half[1]
	return a.ended && b.ended || a.ended && !b.known || b.ended && !a.known
}

// another reports whether a cannot be of x: it comes after the end, or long before what came.
func (x *conn) another(a *arrival) bool {
	h := &x.half[a.side]
	if !h.known {
		return x.closed
	}
	ahead := int32(a.seq - h.next)
	return h.ended && ahead >= 0 || ahead < -window
}

// reset ends both directions. What is far from the bytes of the connection is none of it.
func (d *Decoder) reset(c uint32, known bool, a *arrival) (capture.Reason, bool) {
	if !known {
		return capture.Empty, refuse
	}
	x := &d.streams.conns[c]
	h, before := &x.half[a.side], len(d.queue)
	if ahead := int32(a.seq - h.next); h.known && (ahead > window || ahead < -window) {
		return capture.Empty, refuse
	}
	d.endConn(c)
	x.closed = true
	d.streams.move(c, closed)
	return capture.Empty, len(d.queue) > before
}

// syn begins a direction: of the connection c if it can be, of another one else. It returns which.
func (d *Decoder) syn(c uint32, known bool, a *arrival) uint32 {
	s := &d.streams
	answer := a.flags&flagACK != 0
	if known {
		x := &s.conns[c]
		h := &x.half[a.side]
		ahead := int32(h.next - a.seq)
		switch {
		case h.syn && h.first == a.seq && !h.ended: // sent again
			return c
		case !x.closed && !h.syn && (!h.known || ahead >= 0 && ahead < window): // maybe late
			h.begin(a.seq)
			return c
		}
		d.endConn(c)
		s.forget(c)
	}
	c = d.openConn(a)
	s.conns[c].half[a.side].begin(a.seq)
	if known && answer { // the connection's own SYN looked like one that was sent again
		s.conns[c].half[1-a.side].begin(a.ack)
	}
	return c
}

func (h *half) begin(first uint32) {
	if !h.known {
		h.known, h.next = true, first
	}
	h.syn, h.first = true, first
}

// receive gives the bytes of a that continue the half, holds them, or finds that they had come before.
func (d *Decoder) receive(c uint32, a *arrival) (capture.Reason, bool) {
	h := &d.streams.conns[c].half[a.side]
	if !h.known {
		h.known, h.next = true, a.seq
	}
	if int32(a.seq-h.next) > 0 {
		return d.holdBack(c, a)
	}
	if !d.deliver(c, a.side, &a.segment) {
		return capture.StreamRetransmit, refuse
	}
	d.drain(c, a.side, true)
	return 0, pass
}

// deliver gives what of seg is new, and reports whether anything was.
func (d *Decoder) deliver(c uint32, side int, seg *segment) bool {
	x := &d.streams.conns[c]
	h := &x.half[side]
	if h.ended || int32(seg.end()-h.next) <= 0 {
		return false
	}
	old := min(int(h.next-seg.seq), len(seg.data))
	p := capture.Packet{Flow: flowOf(&x.key, side), Stream: d.number(c, side), Lost: h.lost, Ended: seg.fin,
		Cut: len(seg.data) < seg.size, Payload: seg.data[old:]}
	h.next, h.ended, h.lost = seg.end(), seg.fin, p.Cut
	d.give(p, &seg.seen)
	return true
}

func (d *Decoder) number(c uint32, side int) uint64 {
	return d.cfg.StreamBase + d.streams.conns[c].number*2 + uint64(side)
}

// endConn gives what c still holds and says that both directions have no more.
func (d *Decoder) endConn(c uint32) {
	x := &d.streams.conns[c]
	for side := range x.half {
		h := &x.half[side]
		for h.hold != 0 {
			d.skip(c, side)
		}
		silent := h.syn && h.next == h.first
		if h.known && !h.ended && !silent {
			d.give(capture.Packet{Flow: flowOf(&x.key, side), Stream: d.number(c, side), Lost: h.lost, Ended: true},
				&sighting{time: d.seen.time, point: d.seen.point, vlan: x.vlan})
		}
		h.ended = h.known
	}
}

// find returns the connection of key, and whether there is one.
func (s *streams) find(key *connKey) (uint32, bool) {
	c, ok := s.byHash[maphash.Bytes(s.seed, key[:])]
	if !ok || s.conns[c].key != *key {
		return inUse, false
	}
	return c, true
}

// openConn makes room for the connection of a.
func (d *Decoder) openConn(a *arrival) uint32 {
	s := &d.streams
	hash := maphash.Bytes(s.seed, a.key[:])
	if c, taken := s.byHash[hash]; taken {
		d.evict(c)
	}
	if len(s.byHash) >= s.cfg.Connections {
		oldest := s.conns[closed].newer
		if oldest == closed {
			oldest = s.conns[inUse].newer
		}
		d.evict(oldest)
	}
	var c uint32
	if n := len(s.spare); n > 0 {
		c, s.spare = s.spare[n-1], s.spare[:n-1]
	} else {
		s.conns = append(s.conns, conn{})
		c = uint32(len(s.conns) - 1)
	}
	s.count++
	s.conns[c] = conn{key: a.key, vlan: a.seen.vlan, number: s.count, older: c, newer: c}
	s.byHash[hash] = c
	s.move(c, inUse)
	return c
}

// evict ends c because there is no room for it.
func (d *Decoder) evict(c uint32) {
	if !d.streams.conns[c].closed {
		d.count.Lose(capture.StreamEvicted, 1)
		d.endConn(c)
	}
	d.streams.forget(c)
}

// move makes c the newest of a ring.
func (s *streams) move(c, head uint32) {
	if s.conns[head].older == c {
		return
	}
	s.unlink(c)
	newest := s.conns[head].older
	s.conns[c].older, s.conns[c].newer = newest, head
	s.conns[newest].newer, s.conns[head].older = c, c
}

func (s *streams) unlink(c uint32) {
	x := &s.conns[c]
	s.conns[x.older].newer, s.conns[x.newer].older = x.newer, x.older
}

func (s *streams) forget(c uint32) {
	s.unlink(c)
	delete(s.byHash, maphash.Bytes(s.seed, s.conns[c].key[:]))
	s.spare = append(s.spare, c)
}
