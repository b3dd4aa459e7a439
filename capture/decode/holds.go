package decode

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"sipsieve/capture"
)

// overdue reports whether h has waited for a missing segment for too long.
func (s *streams) overdue(h *half, now time.Time) bool {
	return h.hold != 0 && now.Sub(s.holds[h.hold-1].since) > s.cfg.Gap
}

// holdBack keeps a copy of seg until the bytes before it have come. When there is no room, they are given up.
func (d *Decoder) holdBack(c uint32, side int, flow capture.Flow, seg segment) capture.Reason {
	s := &d.streams
	h := &s.conns[c].half[side]
	if h.hold == 0 && len(seg.data) <= holdRoom {
		d.openHold(c, side)
	}
	if h.hold != 0 {
		if w := &s.holds[h.hold-1]; len(w.segs) < maxHeld && w.room+len(seg.data) <= holdRoom {
			w.add(seg)
			return capture.StreamHeld
		}
		w := &s.holds[h.hold-1]
		w.add(seg)
		d.giveUp(c, side, flow)
		return 0
	}
	h.next, h.lost = seg.seq, true
	d.deliver(c, side, flow, seg)
	return 0
}

// add inserts a copy of seg in the order of sequence numbers, before one that begins where it does if it is longer.
func (w *hold) add(seg segment) {
	seg.data = slices.Clone(seg.data)
	i := 0
	for i < len(w.segs) && int32(w.segs[i].seq-seg.seq) < 0 {
		i++
	}
	w.segs = slices.Insert(w.segs, i, seg)
	w.room += len(seg.data)
}

// openHold gives the half a hold, if need be that of another, which then goes on without what it waited for.
func (d *Decoder) openHold(c uint32, side int) {
	s := &d.streams
	i := slices.IndexFunc(s.holds, func(w hold) bool { return w.conn == 0 })
	if i < 0 && len(s.holds) < s.cfg.Holds {
		s.holds = append(s.holds, hold{})
		i = len(s.holds) - 1
	}
	if i < 0 {
		i = s.hand % len(s.holds)
		s.hand++
		old := &s.holds[i]
		h := &s.conns[old.conn].half[old.side]
		h.lost, h.known = true, false
		s.drop(h)
		d.count.Refuse(capture.StreamEvicted)
	}
	s.holds[i] = hold{conn: c, side: side, since: d.frame.Time}
	s.conns[c].half[side].hold = uint16(i + 1)
}

// drop frees the hold of h with what it holds.
func (s *streams) drop(h *half) {
	if h.hold != 0 {
		s.holds[h.hold-1] = hold{}
		h.hold = 0
	}
}

// drain gives what was held and is next now.
func (d *Decoder) drain(c uint32, side int, flow capture.Flow) {
	s := &d.streams
	h := &s.conns[c].half[side]
	if h.hold == 0 {
		return
	}
	w := &s.holds[h.hold-1]
	for len(w.segs) > 0 && int32(w.segs[0].seq-h.next) <= 0 {
		seg := w.segs[0]
		w.segs = w.segs[1:]
		w.room -= len(seg.data)
		d.deliver(c, side, flow, seg)
	}
	if len(w.segs) == 0 {
		s.drop(h)
	} else {
		w.since = d.frame.Time
	}
}

// giveUp goes on after each gap of a half as if the bytes in it had come, and says that they are lost.
func (d *Decoder) giveUp(c uint32, side int, flow capture.Flow) {
	s := &d.streams
	h := &s.conns[c].half[side]
	for h.hold != 0 {
		h.next, h.lost = s.holds[h.hold-1].segs[0].seq, true
		d.drain(c, side, flow)
	}
}

// flush gives what all halves hold, in the order in which they began to wait.
func (s *streams) flush(d *Decoder) {
	if d.frame == nil {
		return
	}
	waiting := slices.Clone(s.holds)
	slices.SortStableFunc(waiting, func(a, b hold) int { return a.since.Compare(b.since) })
	for _, w := range waiting {
		if w.conn != 0 {
			d.giveUp(w.conn, w.side, flowOf(s.conns[w.conn].key, w.side))
		}
	}
}

// flowOf returns the flow of one side of a connection.
func flowOf(key connKey, side int) capture.Flow {
	a := netip.AddrPortFrom(netip.AddrFrom16([16]byte(key[:16])).Unmap(), binary.BigEndian.Uint16(key[32:]))
	b := netip.AddrPortFrom(netip.AddrFrom16([16]byte(key[16:32])).Unmap(), binary.BigEndian.Uint16(key[34:]))
	f := capture.Flow{Src: a, Dst: b, Transport: capture.TCP}
	if side == 1 {
		return f.Reverse()
	}
	return f
}
