package calls

import (
	"encoding/binary"
	"math"
	"time"

	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// A source is who sends INVITEs: a /24 of IPv4 or a /48 of IPv6. It is remembered while a call of it waits for the
// first sign that the other side took it for one, and until its allowance is full again.
type source struct {
	key   uint64
	until int64 // when its allowance is full again
}

// sources keep one peer's flood from taking the room of everybody's calls.
type sources struct {
	slab    mem.Slab[source]
	index   map[uint64]uint32
	calls   mem.Lists     // by number of source: its dialogs that wait for that sign, oldest first
	weights mem.Deadlines // by number: minus the length of its list in calls, so that the heaviest comes first
	idle    mem.Deadlines // by number: when a source without such calls may be forgotten
	open    int
}

func newSources() sources { return sources{index: make(map[uint64]uint32)} }

// sourceOf returns what the sources of one network have alike.
func sourceOf(h *hops.Hop) uint64 {
	if h.V4 {
		return uint64(binary.BigEndian.Uint32(h.Src[12:])>>8) | 1<<63
	}
	return binary.BigEndian.Uint64(h.Src[:]) >> 16
}

// of returns the number of h's source.
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

// admit reports whether h's source may open one more call now, and if not, which limit keeps it out.
func (s *sources) admit(h *hops.Hop, at int64, l *Limits) (Bound, bool) {
	if l.PerSource == 0 || l.PerSecond == 0 {
		return 0, true
	}
	n := s.of(h)
	x := s.slab.At(n)
	each := int64(time.Second) / int64(l.PerSecond)
	x.until = max(x.until, at)
	switch {
	case s.calls.Len(n) >= l.PerSource:
		return SourceBound, false
	case x.until-at >= each*int64(l.PerSource):
		return RateBound, false
	}
	x.until += each
	s.rest(n, x)
	return 0, true
}

// rest lets x be forgotten in time if it has no calls.
func (s *sources) rest(n uint32, x *source) {
	if s.calls.Len(n) == 0 {
		s.idle.Set(n, x.until)
	}
}

// forget forgets the sources that have neither calls nor a debt at now.
func (s *sources) forget(now int64) {
	for n, _, ok := s.idle.Expired(now); ok; n, _, ok = s.idle.Expired(now) {
		if x := s.slab.At(n); s.calls.Len(n) == 0 && x.until <= now {
			s.weights.Stop(n)
			delete(s.index, x.key)
			s.slab.Free(n)
		} else {
			s.rest(n, x)
		}
	}
}

// charge counts dialog n for its source, which is that of h.
func (s *sources) charge(n uint32, h *hops.Hop) {
	source := s.of(h)
	s.calls.Move(n, source)
	s.open++
	s.weights.Set(source, -int64(s.calls.Len(source)))
}

// charged reports whether dialog n is counted for a source.
func (s *sources) charged(n uint32) bool { return s.calls.Of(n) != 0 }

// refund undoes charge. If n turned out to be a call, its source has its share of the allowance back.
func (s *sources) refund(n uint32, call bool, l *Limits) {
	source := s.calls.Of(n)
	x := s.slab.At(source)
	s.calls.Move(n, 0)
	s.open--
	s.weights.Set(source, -int64(s.calls.Len(source)))
	if call && l.PerSecond != 0 {
		x.until -= int64(time.Second) / int64(l.PerSecond)
	}
	s.rest(source, x)
}

// heaviest returns the oldest call of the source that has more than an eighth of all calls that wait for a sign of
// the other side, 0 without such a source.
func (s *sources) heaviest() uint32 {
	n, weight, ok := s.weights.First(math.MaxInt64)
	if !ok || -weight*8 <= int64(s.open) {
		return 0
	}
	return s.calls.First(n)
}
