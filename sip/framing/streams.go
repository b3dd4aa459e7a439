package framing

import (
	"time"

	"sipsieve/sip/mem"
)

// Limits of what a Framer keeps. What does not fit is counted in Evicted, and what was longest without a payload is
// dropped.
const (
	maxStreams = 20_000
	maxBuffers = 512
	bufferSize = 64 << 10 // bytes
)

// streams are the byte streams that a Framer follows. An idle one has no buffer.
type streams struct {
	index   map[uint64]uint32 // by number of the stream
	all     mem.Slab[stream]
	used    mem.List // streams in the order of their last payload
	bufs    []buffer // place 0 is none
	written mem.List // buffers in the order in which they were taken
	spare   []uint32 // buffers that no stream has
	counts  *counters
}

// A buffer holds the beginning of a message.
type buffer struct {
	b     []byte
	last  time.Time // of the packet that brought its last byte
	owner uint32
}

// of returns the stream of that number, a new one if there is none.
func (t *streams) of(number uint64) *stream {
	n, ok := t.index[number]
	if !ok {
		n = t.add(number)
	}
	t.used.Append(n)
	return t.all.At(n)
}

func (t *streams) add(number uint64) (n uint32) {
	if t.index == nil {
		t.index, t.bufs = map[uint64]uint32{}, make([]buffer, 1)
	}
	if len(t.index) >= maxStreams {
		t.drop(t.all.At(t.used.First()))
		t.counts.evicted.Add(1)
	}
	n = t.all.New()
	t.all.At(n).number, t.index[number] = number, n
	return n
}

// drop frees s and its buffer.
func (t *streams) drop(s *stream) {
	if s.buf > 0 {
		t.release(s)
	}
	n := t.index[s.number]
	delete(t.index, s.number)
	t.used.Remove(n)
	t.all.Free(n)
}

// held returns the buffer of s, which has one.
func (t *streams) held(s *stream) *buffer { return &t.bufs[s.buf] }

// hold copies b to a buffer for s.
func (t *streams) hold(s *stream, b []byte) *buffer {
	if len(t.bufs)-1-len(t.spare) >= maxBuffers {
		oldest := &t.bufs[t.written.First()]
		t.counts.skipped.Add(uint64(len(oldest.b)))
		owner := t.all.At(oldest.owner)
		t.release(owner)
		owner.restart(unsynced)
		t.counts.evicted.Add(1)
	}
	if last := len(t.spare) - 1; last >= 0 {
		s.buf, t.spare = t.spare[last], t.spare[:last]
	} else {
		s.buf = uint32(len(t.bufs))
		t.bufs = append(t.bufs, buffer{b: make([]byte, 0, bufferSize)})
	}
	t.written.Append(s.buf)
	held := t.held(s)
	held.b, held.owner = append(held.b[:0], b...), t.index[s.number]
	return held
}

// release takes the buffer of s away.
func (t *streams) release(s *stream) {
	t.written.Remove(s.buf)
	t.spare = append(t.spare, s.buf)
	s.buf = 0
}
