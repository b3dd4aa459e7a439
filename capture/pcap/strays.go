package pcap

import (
	"bytes"
	"math"
	"time"
)

// Limits by which a time is accepted.
const (
	strayTime   = 4 * time.Minute // how far from the file's clock a frame's time may be to be accepted at once
	strayFrames = 16              // how many frames in a row move the clock further than that
	fewFrames   = 4               // with fewer frames, the clock decides nothing about a single frame
	longSilence = 4 * time.Hour   // no call is silent for longer
)

// strays parks frames whose time is far from the clock of the file, ahead of it or behind, until it is clear whether
// the clock or they are wrong. Sixteen in a row are right. A frame near the clock, or far behind the parked ones, shows
// that they are wrong. A wrong time is replaced by the clock's.
//
// Frames still parked at the end of the file are right, because a call can be silent for long, and a file may be made
// of pieces of others. They are wrong if the silence is longer than any call's (4 h) and than every one before, and if
// the frame is alone, or ahead of a clock that sixteen frames confirm. The first frame of a file is wrong likewise if
// it is alone and that far before sixteen frames that agree.
type strays struct {
	clock   int64 // the latest time that was accepted
	n       int   // frames that confirm it since it was moved; 0 before the first
	longest int64 // the longest silence that was accepted
	parked  []parked
	count   uint64 // frames whose time was replaced
}

// A parked frame has bytes of its own.
type parked struct {
	record
	wrong bool
}

// near reports whether times t and u are so close that one confirms the other.
func near(t, u int64) bool { return t-u <= int64(strayTime) && u-t <= int64(strayTime) }

// admit reports whether the time of r is accepted at once. Else r is parked, or settles those that were parked: they
// are appended to ready, and r behind them.
func (s *strays) admit(r *record, ready []record) (_ []record, accepted bool) {
	t := nanos(r.Time)
	switch {
	case len(s.parked) == 0 && s.n > 0 && near(t, s.clock):
		s.pass(t)
		return ready, true
	case s.n > 0 && near(t, s.clock), s.surrounds(t):
		s.mark(math.MinInt64)
		if s.n == 0 {
			s.parked[0].wrong = false
		}
		ready = s.settle(ready)
		s.pass(t)
		return append(ready, copied(r)), false
	}
	s.mark(t + int64(strayTime))
	s.parked = append(s.parked, parked{record: copied(r)})
	if s.row() == strayFrames || s.begun() {
		s.judgeFirst()
		ready = s.settle(ready)
	}
	return ready, false
}

// row returns how many frames in a row are parked. The first frame of a file that is alone does not count: it is the
// one that they are far from.
func (s *strays) row() int {
	if s.alone() {
		return len(s.parked) - 1
	}
	return len(s.parked)
}

// pass accepts t and moves the clock to it.
func (s *strays) pass(t int64) {
	s.clock = max(s.clock, t)
	s.n++
}

// surrounds reports whether a frame of time t agrees with the first of a file and not with the last that is parked.
func (s *strays) surrounds(t int64) bool {
	last := len(s.parked) - 1
	return s.n == 0 && last > 0 && near(t, s.parked[0].nanos()) && !near(t, s.parked[last].nanos())
}

// begun reports whether a file's clock is settled: the last two frames agree, and no frame before them is in doubt.
func (s *strays) begun() bool {
	last := len(s.parked) - 1
	return s.n == 0 && last > 0 && near(s.parked[last].nanos(), s.parked[last-1].nanos()) && !s.alone()
}

// alone reports whether the first frame of a file is longer before the second than a call is silent.
func (s *strays) alone() bool {
	return s.n == 0 && len(s.parked) > 1 && !s.parked[0].wrong && !s.parked[1].wrong &&
		s.parked[1].nanos()-s.parked[0].nanos() > int64(longSilence)
}

// judgeFirst judges the first frame of a file by all others that are parked, which agree.
func (s *strays) judgeFirst() {
	if !s.alone() {
		return
	}
	for i := 2; i < len(s.parked); i++ {
		if !near(s.parked[i].nanos(), s.parked[i-1].nanos()) {
			return
		}
	}
	s.parked[0].wrong = true
}

func (p *parked) nanos() int64 { return nanos(p.Time) }

// copied returns r with bytes of its own.
func copied(r *record) record {
	c := *r
	c.Data = bytes.Clone(r.Data)
	return c
}

// mark marks the parked frames with times after t as wrong.
func (s *strays) mark(t int64) {
	for i := range s.parked {
		s.parked[i].wrong = s.parked[i].wrong || s.parked[i].nanos() > t
	}
}

// end appends what is parked at the end of the file to ready.
func (s *strays) end(ready []record) []record {
	right, first := 0, int64(0)
	for i := len(s.parked) - 1; i >= 0; i-- {
		if !s.parked[i].wrong {
			right, first = right+1, s.parked[i].nanos()
		}
	}
	silence := max(first-s.clock, s.clock-first)
	if s.n > 0 && silence > max(int64(longSilence), s.longest) &&
		(right == 1 && s.n >= fewFrames || first > s.clock && s.n >= strayFrames) {
		s.mark(math.MinInt64)
	}
	return s.settle(ready)
}

// settle appends the parked frames to ready, those that are wrong with the time of the clock: before there is one, of
// the first that is right.
func (s *strays) settle(ready []record) []record {
	for i := range s.parked {
		if p := &s.parked[i]; s.n == 0 && !p.wrong {
			s.clock, s.n = p.nanos(), 1
			break
		}
	}
	for i := range s.parked {
		p := &s.parked[i]
		t := p.nanos()
		switch {
		case p.wrong:
			s.count++
			p.Time = time.Unix(0, s.clock).UTC()
		case near(t, s.clock):
			s.pass(t)
		default:
			s.longest = max(s.longest, t-s.clock)
			p.back = t < s.clock
			s.clock, s.n = t, 1
		}
		ready = append(ready, p.record)
		*p = parked{}
	}
	s.parked = s.parked[:0]
	return ready
}
