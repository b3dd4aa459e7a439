package decode

import (
	"slices"
	"time"
)

// maxHeld is how many segments of one half wait for a missing one, and holdRoom the bytes of them (a segment of an
// SBC's kernel is up to 64 KiB long with segmentation offload).
const (
	maxHeld  = 64
	holdRoom = 128 << 10
)

// A hold is segments of one half that came before an earlier one.
type hold struct {
	conn  uint32 // inUse, which is no connection, for a hold that is idle
	side  int
	since time.Time
	segs  []segment // sorted by sequence number, none inside another
	room  int       // bytes of them
}

// holds are those of all halves. A hold is named by its index in list.
type holds struct {
	list   []hold
	idle   []uint16
	room   int       // bytes in all of them
	oldest time.Time // none began to wait before that
}

// covers reports whether w holds all bytes of seg already.
func (w *hold) covers(seg *segment) bool {
	return slices.ContainsFunc(w.segs, func(old segment) bool {
		return int32(seg.seq-old.seq) >= 0 && int32(old.end()-seg.end()) >= 0
	})
}

// add inserts seg in the order of sequence numbers, in place of those that lie inside it, and returns by how many bytes
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

// full reports whether all of the limit are taken.
func (w *holds) full(limit int) bool { return len(w.idle) == 0 && len(w.list) == limit }

// none reports whether nothing waits.
func (w *holds) none() bool { return len(w.idle) == len(w.list) }

// take returns a hold that begins now, for one side of a connection.
func (w *holds) take(conn uint32, side int, now time.Time) uint16 {
	if len(w.idle) == 0 {
		w.list = append(w.list, hold{})
		w.idle = append(w.idle, uint16(len(w.list)-1))
	}
	i := w.idle[len(w.idle)-1]
	w.idle = w.idle[:len(w.idle)-1]
	if len(w.idle)+1 == len(w.list) || now.Before(w.oldest) {
		w.oldest = now
	}
	w.list[i] = hold{conn: conn, side: side, since: now}
	return i
}

// release makes a hold idle.
func (w *holds) release(i uint16) {
	w.idle = append(w.idle, i)
	w.list[i] = hold{}
}

// longest returns the hold that waits for longest. One must wait.
func (w *holds) longest() (oldest *hold) {
	for i := range w.list {
		if x := &w.list[i]; x.conn != inUse && (oldest == nil || x.since.Before(oldest.since)) {
			oldest = x
		}
	}
	return oldest
}

// waiting returns all that are not idle, in the order in which they began to wait.
func (w *holds) waiting() []*hold {
	list := make([]*hold, 0, len(w.list))
	for i := range w.list {
		if w.list[i].conn != inUse {
			list = append(list, &w.list[i])
		}
	}
	slices.SortStableFunc(list, func(a, b *hold) int { return a.since.Compare(b.since) })
	return list
}
