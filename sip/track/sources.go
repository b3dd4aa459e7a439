package track

import (
	"encoding/binary"
	"math"
	"time"
)

// A source is who sends INVITEs: a /24 of IPv4 or a /48 of IPv6. It is remembered while a call of it waits for the
// first sign that the other side took it for one, and until its allowance is full again.
type source struct {
	key        uint64
	head, tail uint32 // those calls, oldest first
	open       uint32 // how many they are
	until      int64  // when its allowance is full again
}

// sources keep one peer's flood from taking the room of everybody's calls.
type sources struct {
	slab    slab[source]
	index   map[uint64]uint32
	weights deadlines // by number: -open, so that the heaviest comes first
	idle    deadlines // by number: when a source without such calls may be forgotten
	open    int
}

func newSources() sources { return sources{index: make(map[uint64]uint32)} }

// sourceOf returns what the sources of one network have alike.
func sourceOf(h *hop) uint64 {
	if h.v4 {
		return uint64(binary.BigEndian.Uint32(h.src[12:])>>8) | 1<<63
	}
	return binary.BigEndian.Uint64(h.src[:]) >> 16
}

// of returns the number of h's source.
func (s *sources) of(h *hop) uint32 {
	key := sourceOf(h)
	n := s.index[key]
	if n == 0 {
		n = s.slab.take()
		s.slab.at(n).key = key
		s.index[key] = n
	}
	return n
}

// admit reports whether h's source may open one more call now, and if not, which limit keeps it out.
func (s *sources) admit(h *hop, at int64, l *Limits) (Bound, bool) {
	if l.PerSource == 0 || l.PerSecond == 0 {
		return 0, true
	}
	n := s.of(h)
	x := s.slab.at(n)
	each := int64(time.Second) / int64(l.PerSecond)
	x.until = max(x.until, at)
	switch {
	case int(x.open) >= l.PerSource:
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
	if x.open == 0 {
		s.idle.set(n, x.until)
	}
}

// forget forgets the sources that have neither calls nor a debt at now.
func (s *sources) forget(now int64) {
	for n, _, ok := s.idle.due(now); ok; n, _, ok = s.idle.due(now) {
		if x := s.slab.at(n); x.open == 0 && x.until <= now {
			s.weights.drop(n)
			delete(s.index, x.key)
			s.slab.give(n)
		} else {
			s.rest(n, x)
		}
	}
}

// charge counts dialog n for its source, which is that of h.
func (s *sources) charge(ds *slab[dialog], n uint32, h *hop) {
	d := ds.at(n)
	d.source = s.of(h)
	x := s.slab.at(d.source)
	d.peer = [2]uint32{x.tail, 0}
	if x.tail == 0 {
		x.head = n
	} else {
		ds.at(x.tail).peer[1] = n
	}
	x.tail = n
	x.open++
	s.open++
	s.weights.set(d.source, -int64(x.open))
}

// refund undoes charge. If d turned out to be a call, its source has its share of the allowance back.
func (s *sources) refund(ds *slab[dialog], d *dialog, call bool, l *Limits) {
	x := s.slab.at(d.source)
	if d.peer[0] == 0 {
		x.head = d.peer[1]
	} else {
		ds.at(d.peer[0]).peer[1] = d.peer[1]
	}
	if d.peer[1] == 0 {
		x.tail = d.peer[0]
	} else {
		ds.at(d.peer[1]).peer[0] = d.peer[0]
	}
	x.open--
	s.open--
	s.weights.set(d.source, -int64(x.open))
	if call && l.PerSecond != 0 {
		x.until -= int64(time.Second) / int64(l.PerSecond)
	}
	s.rest(d.source, x)
	d.source, d.peer = 0, [2]uint32{}
}

// heaviest returns the oldest call of the source that has more than an eighth of all calls that wait for a sign of
// the other side, 0 without such a source.
func (s *sources) heaviest() uint32 {
	n, weight, ok := s.weights.first(math.MaxInt64)
	if !ok || -weight*8 <= int64(s.open) {
		return 0
	}
	return s.slab.at(n).head
}
