package pipeline

import (
	"math"
	"sync/atomic"
	"time"

	"sipsieve/capture"
)

// DefaultReorder is the limit in bytes of the reorder buffers of a live Domain: 0.4 s of 100,000 messages a second.
const DefaultReorder = 64 << 20

// A reorder buffer sorts the messages of all readers of a live Domain by packet time, those of one time by the number
// of the reader. It holds a message until no reader can hand over an earlier one.
type reorder struct {
	waiting capture.Sorter[held]
	bytes   int
	limit   int       // of bytes
	passed  time.Time // everything before it has left the buffer: an earlier message is late
}

// A held message is message i of batch b, which is recycled when all of its messages have left.
type held struct {
	b    *batch
	i    int
	late bool
}

// add adds the messages of b and reports whether there are any.
func (r *reorder) add(b *batch) bool {
	b.left, b.bytes = len(b.keys), b.messages.Size()
	if b.left == 0 {
		return false
	}
	r.bytes += b.bytes
	for i := range b.messages.Messages {
		t := b.messages.Messages[i].Time
		r.waiting.Put(t.UnixNano(), uint64(b.reader), held{b: b, i: i, late: t.Before(r.passed)})
	}
	return true
}

// next returns the earliest message if it is earlier than until, Unix nanoseconds, or if the buffer is over its limit.
func (r *reorder) next(until int64) (m held, ok bool) {
	first, ok := r.waiting.First()
	if !ok || r.bytes <= r.limit && first >= until {
		return m, false
	}
	m = r.waiting.Take()
	if m.b.left--; m.b.left == 0 {
		r.bytes -= m.b.bytes
	}
	return m, true
}

// setPassed records that everything before t has left, so that an earlier message is late. A t far in the past is that
// of a clock that was set back.
func (r *reorder) setPassed(t time.Time) {
	if t.After(r.passed) || r.passed.Sub(t) > mostDrift {
		r.passed = t
	}
}

// A watermark is the time before which its reader has handed over everything, in nanoseconds, or one of the constants
// below.
type watermark struct{ atomic.Int64 }

const (
	unsettled  = math.MinInt64 // not known yet: shards wait for the reader
	unfollowed = math.MaxInt64 // the source is down, absent, ended, or has no watermark: shards do not wait for it
)

// settle sets the watermark to that of s, all of whose packets have been handed over.
func (w *watermark) settle(s capture.Watermarked) {
	if s == nil {
		return
	}
	t, ok := s.Watermark()
	if !ok {
		w.Store(unfollowed)
		return
	}
	w.Store(t.UnixNano())
}
