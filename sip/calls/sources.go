package calls

import (
	"encoding/binary"
	"math"
	"time"

	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// A source is a network that sends INVITEs: a /24 of IPv4 or a /48 of IPv6. It is remembered while a call of it has no
// response but 100 (an open call), and until its token bucket is full again.
type source struct {
	key   uint64
	until int64 // when its token bucket is full again
}

// sources limit the open calls of each source, so that a flood from one does not evict the calls of others.
type sources struct {
	slab    mem.Slab[source]
	index   map[uint64]uint32
	calls   mem.Lists     // by number of source: its open calls, oldest first
	weights mem.Deadlines // by number: minus the count of its open calls, so that the heaviest comes first
	idle    mem.Deadlines // by number: when a source without open calls may be forgotten
	open    int           // open calls of all sources
}

func newSources() sources { return sources{index: make(map[uint64]uint32)} }

// sourceOf returns the key of the source that h comes from.
func sourceOf(h *hops.Hop) uint64 {
	if h.V4 {
		return uint64(binary.BigEndian.Uint32(h.Src[12:])>>8) | 1<<63
	}
	return binary.BigEndian.Uint64(h.Src[:]) >> 16
}

// of returns the number of the source that h comes from, a new one for a new source.
func (s *sources) of(h *hops.Hop) uint32 {
	key := sourceOf(h)
	n := s.index[key]
	if n == 0 {
		n = s.slab.New()
		s.slab.At(n).key = key
		s.index[key] = n
	}
	return n
}

// admit reports whether the source that h comes from may open one more call now (nanoseconds), and if not, which limit
// refuses it.
func (s *sources) admit(h *hops.Hop, now int64, l *Limits) (Bound, bool) {
	if l.PerSource == 0 || l.PerSecond == 0 {
		return 0, true
	}
	n := s.of(h)
	x := s.slab.At(n)
	each := int64(time.Second) / int64(l.PerSecond)
	x.until = max(x.until, now)
	switch {
	case s.calls.Len(n) >= l.PerSource:
		return SourceBound, false
	case x.until-now >= each*int64(l.PerSource):
		return RateBound, false
	}
	x.until += each
	s.scheduleForget(n, x)
	return 0, true
}

// scheduleForget schedules that x, number n, is forgotten when its token bucket is full, if it has no open calls.
func (s *sources) scheduleForget(n uint32, x *source) {
	if s.calls.Len(n) == 0 {
		s.idle.Set(n, x.until)
	}
}

// forget forgets the sources that have no open calls and a full token bucket at now.
func (s *sources) forget(now int64) {
	for n, _, ok := s.idle.Expired(now); ok; n, _, ok = s.idle.Expired(now) {
		if x := s.slab.At(n); s.calls.Len(n) == 0 && x.until <= now {
			s.weights.Stop(n)
			delete(s.index, x.key)
			s.slab.Free(n)
		} else {
			s.scheduleForget(n, x)
		}
	}
}

// charge counts dialog n as an open call of the source that h comes from.
func (s *sources) charge(n uint32, h *hops.Hop) {
	source := s.of(h)
	s.calls.Move(n, source)
	s.open++
	s.weights.Set(source, -int64(s.calls.Len(source)))
}

// charged reports whether dialog n counts as an open call of a source.
func (s *sources) charged(n uint32) bool { return s.calls.Of(n) != 0 }

// refund undoes charge. If the called side responded (call), the token of n goes back to the bucket.
func (s *sources) refund(n uint32, call bool, l *Limits) {
	source := s.calls.Of(n)
	x := s.slab.At(source)
	s.calls.Move(n, 0)
	s.open--
	s.weights.Set(source, -int64(s.calls.Len(source)))
	if call && l.PerSecond != 0 {
		x.until -= int64(time.Second) / int64(l.PerSecond)
	}
	s.scheduleForget(source, x)
}

// heaviest returns the oldest open call of the source with most of them, 0 if that has no more than an eighth of all.
func (s *sources) heaviest() uint32 {
	n, weight, ok := s.weights.First(math.MaxInt64)
	if !ok || -weight*8 <= int64(s.open) {
		return 0
	}
	return s.calls.First(n)
}
