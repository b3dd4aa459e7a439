package decode

import (
	"slices"

	"sipsieve/capture"
)

// streams puts the segments of TCP connections in order. Bytes that are missing for longer than Config.Gap, or for
// which there is no room, are given up, and the stream goes on behind them.
type streams struct {
	connTable
	cfg   Config
	count *capture.Counters
	seen  *sighting // of the frame at hand
	out   *output
	holds holds
}

func (s *streams) init(cfg Config) {
	s.cfg = cfg
	s.connTable.init()
}

// arrive gives what a completes, or returns the reason why nothing.
func (s *streams) arrive(a *arrival) (capture.Reason, bool) {
	c, known := s.find(&a.key)
	switch {
	case a.flags&flagRST != 0:
		return s.reset(c, known, a)
	case a.flags&flagSYN != 0:
		a.seq++
		c = s.syn(c, known, a)
	}
	switch h := &s.conns[c].half[a.side]; {
	case a.size == 0 && !a.fin, c == inUse && a.size == 0, !h.known && a.probe():
		return capture.Empty, refuse
	case c == inUse:
		c = s.openConn(a)
	case s.conns[c].excludes(a):
		s.endConn(c)
		s.forget(c)
		c = s.openConn(a)
	}
	if !s.conns[c].closed {
		s.move(c, inUse)
	}
	reason, ok := s.receive(c, a)
	if x := &s.conns[c]; !x.closed && x.over() {
		x.closed = true
		s.move(c, closed)
	}
	return reason, ok
}

// reset ends both directions of c, unless a is far from its bytes and so not of this connection.
func (s *streams) reset(c uint32, known bool, a *arrival) (capture.Reason, bool) {
	if !known {
		return capture.Empty, refuse
	}
	x := &s.conns[c]
	h, before := &x.half[a.side], len(s.out.packets)
	if ahead := int32(a.seq - h.next); h.known && (ahead > window || ahead < -window) {
		return capture.Empty, refuse
	}
	s.endConn(c)
	x.closed = true
	s.move(c, closed)
	return capture.Empty, len(s.out.packets) > before
}

// syn begins a direction: of the connection c if it can be, of a new one otherwise. It returns that connection.
func (s *streams) syn(c uint32, known bool, a *arrival) uint32 {
	answer := a.flags&flagACK != 0
	if known {
		x := &s.conns[c]
		h := &x.half[a.side]
		ahead := int32(h.next - a.seq)
		switch {
		case h.syn && h.first == a.seq && !h.ended: // sent again
			return c
		case !x.closed && !h.syn && (!h.known || ahead >= 0 && ahead < window): // it may come late
			h.begin(a.seq)
			return c
		}
		s.endConn(c)
		s.forget(c)
	}
	c = s.openConn(a)
	s.conns[c].half[a.side].begin(a.seq)
	if known && answer { // the connection's own SYN looked like one that was sent again
		s.conns[c].half[1-a.side].begin(a.ack)
	}
	return c
}

// receive gives the bytes of a that continue the half, holds those that come early, and refuses those that came before.
func (s *streams) receive(c uint32, a *arrival) (capture.Reason, bool) {
	h := &s.conns[c].half[a.side]
	if !h.known {
		h.known, h.next = true, a.seq
	}
	if int32(a.seq-h.next) > 0 {
		return s.holdBack(c, a)
	}
	if !s.deliver(c, a.side, &a.segment) {
		return capture.StreamRetransmit, refuse
	}
	s.drain(c, a.side, true)
	return 0, pass
}

// deliver gives what of seg is new, and reports whether anything was.
func (s *streams) deliver(c uint32, side int, seg *segment) bool {
	x := &s.conns[c]
	h := &x.half[side]
	if h.ended || int32(seg.end()-h.next) <= 0 {
		return false
	}
	old := min(int(h.next-seg.seq), len(seg.data))
	p := capture.Packet{Flow: x.key.flow(side), Stream: s.number(c, side), Lost: h.lost, Ended: seg.fin,
		Cut: len(seg.data) < seg.size, Payload: seg.data[old:]}
	h.next, h.ended, h.lost = seg.end(), seg.fin, p.Cut
	s.out.give(p, &seg.seen)
	return true
}

// number returns the number of a byte stream, Packet.Stream.
func (s *streams) number(c uint32, side int) uint64 {
	return s.cfg.StreamBase + s.conns[c].number*2 + uint64(side)
}

// endConn gives what c still holds and an end of each direction that has none yet.
func (s *streams) endConn(c uint32) {
	x := &s.conns[c]
	for side := range x.half {
		h := &x.half[side]
		for h.hold != 0 {
			s.skip(c, side)
		}
		silent := h.syn && h.next == h.first
		if h.known && !h.ended && !silent {
			s.out.give(capture.Packet{Flow: x.key.flow(side), Stream: s.number(c, side), Lost: h.lost, Ended: true},
				&sighting{time: s.seen.time, point: s.seen.point, vlan: x.vlan})
		}
		h.ended = h.known
	}
}

// openConn makes room for the connection of a, and adds it.
func (s *streams) openConn(a *arrival) uint32 {
	hash := s.hash(&a.key)
	if c, taken := s.byHash[hash]; taken {
		s.evict(c)
	}
	if len(s.byHash) >= s.cfg.Connections {
		s.evict(s.oldest())
	}
	return s.add(hash, &a.key, a.seen.vlan)
}

// evict ends and forgets c to make room.
func (s *streams) evict(c uint32) {
	if !s.conns[c].closed {
		s.count.Lose(capture.StreamEvicted, 1)
		s.endConn(c)
	}
	s.forget(c)
}

// holdBack keeps a copy of a until the bytes before it have come. Where there is no room for it, they are given up.
func (s *streams) holdBack(c uint32, a *arrival) (capture.Reason, bool) {
	h := &s.conns[c].half[a.side]
	if h.hold == 0 {
		s.openHold(c, a.side)
	}
	w := &s.holds.list[h.hold-1]
	if w.covers(&a.segment) {
		return capture.StreamRetransmit, refuse
	}
	seg := a.segment
	seg.data = slices.Clone(a.data)
	s.holds.room += w.add(seg)
	for h.hold != 0 && (len(w.segs) > maxHeld || w.room > holdRoom) {
		s.skip(c, a.side)
	}
	for s.holds.room > s.cfg.HoldRoom {
		s.evictHold()
	}
	return capture.StreamHeld, int32(h.next-a.end()) >= 0
}

// openHold starts a hold for the half. Where all are taken, the half that waits for longest goes on behind its gap.
func (s *streams) openHold(c uint32, side int) {
	if s.holds.full(s.cfg.Holds) {
		s.evictHold()
	}
	s.conns[c].half[side].hold = 1 + s.holds.take(c, side, s.seen.time)
}

// evictHold gives up what the half that waits for longest waits for.
func (s *streams) evictHold() {
	s.count.Lose(capture.StreamEvicted, 1)
	s.abandon(s.holds.longest())
}

// abandon gives up every gap of w.
func (s *streams) abandon(w *hold) {
	for c, side := w.conn, w.side; w.conn == c; {
		s.skip(c, side)
	}
}

// skip goes on behind the first gap of a half and marks its bytes as lost.
func (s *streams) skip(c uint32, side int) {
	h := &s.conns[c].half[side]
	h.next, h.lost = s.holds.list[h.hold-1].segs[0].seq, true
	s.count.Lose(capture.StreamGap, 1)
	s.drain(c, side, false)
}

// drain gives what was held and is next. If the segment that it waited for came, it bears the time of that one: it can
// be read only now.
func (s *streams) drain(c uint32, side int, came bool) {
	h := &s.conns[c].half[side]
	if h.hold == 0 {
		return
	}
	w := &s.holds.list[h.hold-1]
	given := 0
	for ; given < len(w.segs) && int32(w.segs[given].seq-h.next) <= 0; given++ {
		seg := &w.segs[given]
		if came {
			seg.seen.time = s.seen.time
		}
		w.room -= len(seg.data)
		s.holds.room -= len(seg.data)
		s.deliver(c, side, seg)
	}
	w.segs = slices.Delete(w.segs, 0, given)
	if h.ended { // nothing follows a FIN
		s.count.Lose(capture.Malformed, len(w.segs))
		s.holds.room -= w.room
		w.segs = nil
	}
	if len(w.segs) == 0 {
		s.holds.release(h.hold - 1)
		h.hold = 0
	} else if given > 0 {
		w.since = w.segs[0].seen.time
	}
}

// age gives up the gaps that have lasted too long.
func (s *streams) age() {
	w := &s.holds
	if w.none() || s.seen.since(w.oldest) <= s.cfg.Gap {
		return
	}
	w.oldest = s.seen.time
	for i := range w.list {
		x := &w.list[i]
		for c, side := x.conn, x.side; c != inUse && x.conn == c && s.seen.since(x.since) > s.cfg.Gap; {
			s.skip(c, side)
		}
		if x.conn != inUse && x.since.Before(w.oldest) {
			w.oldest = x.since
		}
	}
}

// flush gives what all halves hold, in the order in which they began to wait.
func (s *streams) flush() {
	for _, w := range s.holds.waiting() {
		s.abandon(w)
	}
}
