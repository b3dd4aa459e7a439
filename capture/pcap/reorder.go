package pcap

import (
	"math"
	"time"

	"sipsieve/capture"
)

// Limits of the reorder buffer of a file.
const (
	reorderTime = time.Second // how far apart in the file's own time two frames may lie in the wrong order
	reorderRoom = 64 << 20    // bytes of frames that wait for earlier ones
	frameRoom   = 160         // bytes that a frame takes there beside its own
	chunkSize   = 256 << 10
)

// A reorder buffer returns the frames of a file in the order of their times, those of one time as they lie in the file.
// A frame is released when one has come that is more than reorderTime later.
type reorder struct {
	byTime  capture.Sorter[uint64] // numbers of frames
	waiting []waiting              // a ring of a power of two, in the order of the file
	first   uint64                 // number of the first in it
	next    uint64                 // number of the next to come
	room    int                    // bytes in use
	limit   int
	chunks  [][]byte // the bytes of the frames, in the order of the file
	chunk   uint64   // number of the first chunk
	spare   [][]byte

	latest int64 // of all frames that came
	until  int64 // frames before it may be released
	left   int64 // the latest time that was released: a frame with an earlier one is late
}

// A waiting frame has its bytes in a chunk.
type waiting struct {
	record
	chunk uint64
	bytes int
	gone  bool
}

const never = math.MinInt64

func newReorder() reorder {
	return reorder{waiting: make([]waiting, 64), limit: reorderRoom, latest: never, until: never, left: never}
}

// pass moves the time up to which frames may be released, because one of time t came.
func (o *reorder) pass(t int64) {
	if t > o.latest {
		o.latest, o.until = t, max(o.until, t-int64(reorderTime))
	}
}

// flush releases all frames that are not later than t.
func (o *reorder) flush(t int64) { o.until = max(o.until, t+1) }

// late reports whether a later frame than one of time t was released.
func (o *reorder) late(t int64) bool { return t < o.left }

// now returns the time before which all frames were released, at a frame of time t.
func (o *reorder) now(t int64) time.Time {
	if o.until == never {
		return time.Unix(0, t-int64(reorderTime)).UTC()
	}
	return time.Unix(0, o.until).UTC()
}

// put copies r.
func (o *reorder) put(r *record) {
	if o.next-o.first == uint64(len(o.waiting)) {
		o.grow()
	}
	w := o.at(o.next)
	*w = waiting{record: *r, bytes: len(r.Data) + frameRoom}
	w.Data, w.chunk = o.keep(r.Data)
	o.room += w.bytes
	o.byTime.Put(nanos(r.Time), 0, o.next)
	o.next++
}

// at returns the frame of that number.
func (o *reorder) at(n uint64) *waiting { return &o.waiting[n&uint64(len(o.waiting)-1)] }

// keep copies b into the last chunk.
func (o *reorder) keep(b []byte) (kept []byte, chunk uint64) {
	last := len(o.chunks) - 1
	if last < 0 || cap(o.chunks[last])-len(o.chunks[last]) < len(b) {
		o.chunks = append(o.chunks, o.newChunk(len(b)))
		last++
	}
	from := len(o.chunks[last])
	o.chunks[last] = append(o.chunks[last], b...)
	return o.chunks[last][from:len(o.chunks[last]):len(o.chunks[last])], o.chunk + uint64(last)
}

// newChunk returns room for size bytes or more.
func (o *reorder) newChunk(size int) []byte {
	if n := len(o.spare); n > 0 && size <= chunkSize {
		c := o.spare[n-1]
		o.spare = o.spare[:n-1]
		return c
	}
	return make([]byte, 0, max(size, chunkSize))
}

// len returns how many frames wait.
func (o *reorder) len() int { return o.byTime.Len() }

// ready reports whether the earliest frame may be released: its time has come, or there is no room.
func (o *reorder) ready() bool {
	t, ok := o.byTime.First()
	return ok && (t < o.until || o.room > o.limit)
}

// take removes the earliest frame. Its bytes are valid until the next call of take or put.
func (o *reorder) take(r *record) {
	w := o.at(o.byTime.Take())
	*r, w.gone = w.record, true
	o.left = max(o.left, nanos(r.Time))
	for o.first < o.next && o.at(o.first).gone {
		o.forget(o.at(o.first))
		o.first++
	}
}

// forget frees w, the first of all that wait.
func (o *reorder) forget(w *waiting) {
	o.room -= w.bytes
	for o.chunk < w.chunk {
		if c := o.chunks[0]; cap(c) == chunkSize && len(o.spare) < 4 {
			o.spare = append(o.spare, c[:0])
		}
		o.chunks[0] = nil
		o.chunks = o.chunks[1:]
		o.chunk++
	}
	w.record = record{}
}

// grow doubles the ring.
func (o *reorder) grow() {
	ring := make([]waiting, 2*len(o.waiting))
	for n := o.first; n < o.next; n++ {
		ring[n&uint64(len(ring)-1)] = *o.at(n)
	}
	o.waiting = ring
}

// restart forgets the times so far, because the clock was set back: no frame is late now. No frame may be waiting.
func (o *reorder) restart() { o.latest, o.until, o.left = never, never, never }

// lastNanos is near the end of the range of Unix nanoseconds, in the year 2262.
const lastNanos = math.MaxInt64 - int64(time.Hour)

// nanos returns t in Unix nanoseconds, lastNanos if that is later.
func nanos(t time.Time) int64 {
	if t.Unix() >= lastNanos/int64(time.Second) {
		return lastNanos
	}
	return t.UnixNano()
}
