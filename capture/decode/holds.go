package decode

import (
	"slices"
	"time"

	"sipsieve/capture"
)

// maxHeld is how many segments of one half wait for a missing one, and holdRoom the bytes of them (a segment of an
// SBC's kernel is up to 64 KiB long with segmentation offload).
const (
	maxHeld  = 64
	holdRoom = 128 << 10
)

// A hold is segments of one half that came before their turn.
type hold struct {
	conn  uint32 // inUse, which is no connection, for a hold that nobody has
	side  int
	since time.Time
	segs  []segment // sorted by sequence number, none inside another
	room  int
}

// holds are those of all halves.
type holds struct {
	list   []hold
	idle   []uint16
	room   int
	oldest time.Time // none began to wait before that
}

// holdBack keeps a copy of a until the bytes before it have come. Where there is no room, they are given up.
func (d *Decoder) holdBack(c uint32, a *arrival) (capture.Reason, bool) {
	s := &d.streams
	h := &s.conns[c].half[a.side]
	if h.hold == 0 {
		d.openHold(c, a.side)
	}
	w := &s.holds.list[h.hold-1]
	if w.covers(&a.segment) {
		return capture.StreamRetransmit, refuse
	}
	seg := a.segment
	seg.data = slices.Clone(a.data)
	s.holds.room += w.add(seg)
	for h.hold != 0 && (len(w.segs) > maxHeld || w.room > holdRoom) {
		d.skip(c, a.side)
	}
	for s.holds.room > s.cfg.HoldRoom {
		d.evictHold()
	}
	return capture.StreamHeld, int32(h.next-a.end()) >= 0
}

// covers reports whether w has all of seg already.
func (w *hold) covers(seg *segment) bool {
	return slices.ContainsFunc(w.segs, func(old segment) bool {
		return int32(seg.seq-old.seq) >= 0 && int32(old.end()-seg.end()) >= 0
	})
}

// add inserts seg in the order of sequence numbers, in the place of those that it has all of, and returns by how much
// w has grown.
func (w *hold) add(seg segment) int {
	before := w.room
	w.segs = slices.DeleteFunc(w.segs, func(old segment) bool {
		inside := int32(old.seq-seg.seq) >= 0 && int32(seg.end()-old.end()) >= 0
		if inside {
			w.room -= len(old.data)
		}
		return inside
	})
	i := 0
	for i < len(w.segs) && int32(w.segs[i].seq-seg.seq) < 0 {
		i++
	}
	w.segs = slices.Insert(w.segs, i, seg)
	w.room += len(seg.data)
	return w.room - before
}

// openHold gives the half a hold, if need be that of another, which then goes on without what it waited for.
func (d *Decoder) openHold(c uint32, side int) {
	w := &d.streams.holds
	if len(w.idle) == 0 && len(w.list) == d.cfg.Holds {
		d.evictHold()
	}
	if len(w.idle) == 0 {
		w.list = append(w.list, hold{})
		w.idle = append(w.idle, uint16(len(w.list)-1))
	}
	i := w.idle[len(w.idle)-1]
	w.idle = w.idle[:len(w.idle)-1]
	if len(w.idle)+1 == len(w.list) || d.seen.time.Before(w.oldest) {
		w.oldest = d.seen.time
	}
	w.list[i] = hold{conn: c, side: side, since: d.seen.time}
	d.streams.conns[c].half[side].hold = i + 1
}

// evictHold has the half that waits for longest go on without what it waits for.
func (d *Decoder) evictHold() {
	var oldest *hold
	for i := range d.streams.holds.list {
		w := &d.streams.holds.list[i]
		if w.conn != inUse && (oldest == nil || w.since.Before(oldest.since)) {
			oldest = w
		}
	}
	d.count.Lose(capture.StreamEvicted, 1)
	d.abandon(oldest)
}

// abandon gives up every gap of w.
func (d *Decoder) abandon(w *hold) {
	for c, side := w.conn, w.side; w.conn == c; {
		d.skip(c, side)
	}
}

// skip goes on after the first gap of a half, as if the bytes in it had come, and says that they are lost.
func (d *Decoder) skip(c uint32, side int) {
	h := &d.streams.conns[c].half[side]
	h.next, h.lost = d.streams.holds.list[h.hold-1].segs[0].seq, true
	d.count.Lose(capture.StreamGap, 1)
	d.drain(c, side, false)
}

// drain gives what was held and is next now. If what it waited for has come, now is when it can be read.
func (d *Decoder) drain(c uint32, side int, came bool) {
	s := &d.streams
	h := &s.conns[c].half[side]
	if h.hold == 0 {
		return
	}
	w := &s.holds.list[h.hold-1]
	given := 0
	for ; given < len(w.segs) && int32(w.segs[given].seq-h.next) <= 0; given++ {
		seg := &w.segs[given]
		if came {
			seg.seen.time = d.seen.time
		}
		w.room -= len(seg.data)
		s.holds.room -= len(seg.data)
		d.deliver(c, side, seg)
	}
	w.segs = slices.Delete(w.segs, 0, given)
	if h.ended { // nothing follows a FIN
		d.count.Lose(capture.Malformed, len(w.segs))
		s.holds.room -= w.room
		w.segs = nil
	}
	if len(w.segs) == 0 {
		s.holds.idle = append(s.holds.idle, h.hold-1)
		*w, h.hold = hold{}, 0
	} else if given > 0 {
		w.since = w.segs[0].seen.time
	}
}

// ageHolds gives up the gaps that have lasted too long.
func (d *Decoder) ageHolds() {
	w := &d.streams.holds
	if len(w.idle) == len(w.list) || d.since(w.oldest) <= d.cfg.Gap {
		return
	}
	w.oldest = d.seen.time
	for i := range w.list {
		x := &w.list[i]
		for c, side := x.conn, x.side; c != inUse && x.conn == c && d.since(x.since) > d.cfg.Gap; {
			d.skip(c, side)
		}
		if x.conn != inUse && x.since.Before(w.oldest) {
			w.oldest = x.since
		}
	}
}

// flushStreams gives what all halves hold, in the order in which they began to wait.
func (d *Decoder) flushStreams() {
	list := d.streams.holds.list
	waiting := make([]int, 0, len(list))
	for i := range list {
		if list[i].conn != inUse {
			waiting = append(waiting, i)
		}
	}
	slices.SortStableFunc(waiting, func(a, b int) int { return list[a].since.Compare(list[b].since) })
	for _, i := range waiting {
		d.abandon(&list[i])
	}
}
