package pipeline

import (
	"math"
	"sync/atomic"
	"time"

	"sipsieve/capture"
)

// DefaultReorder is how many bytes of messages the shards of a live Domain hold back: 0.4 s of 100,000 messages a
// second.
const DefaultReorder = 64 << 20

// A reorder buffer puts what the readers of a live Domain hand over in the order of packet time; of one time, in the
// order of the readers. It holds a message until no reader can hand over an earlier one.
type reorder struct {
	waiting capture.Sorter[held]
	bytes   int
	limit   int       // of bytes
	passed  time.Time // everything before it has left the buffer: what comes of that time is late
}

// A held message is one of a batch, which is given back when all of its messages have left.
type held struct {
	b    *batch
	i    int
	late bool
}

// add takes the messages of b in and reports whether there are any.
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

// left takes note that nothing before t waits any more, so that what comes with an earlier time is late. A t far before
// what it was comes of a host whose clock was set back.
func (r *reorder) left(t time.Time) {
	if t.After(r.passed) || r.passed.Sub(t) > mostDrift {
		r.passed = t
	}
}

// A watermark is the time before which its reader has handed everything over, nanoseconds; one of the two words below
// stands for none.
type watermark struct{ atomic.Int64 }

const (
	unsettled  = math.MinInt64 // nothing is known yet: everybody waits for the reader
	unfollowed = math.MaxInt64 // the source is down, absent, ended, or has no watermark: nobody waits for it
)

// settle says up to when everything that s returned has been handed over.
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

// least returns the least watermark of the readers: unsettled if one of them is, unfollowed if all are.
func (d *Domain) least() int64 {
	least := int64(unfollowed)
	for _, r := range d.readers {
		least = min(least, r.mark.Load())
	}
	return least
}
