package pcap

import (
	"bytes"
	"math"
	"time"
)

// Limits by which a time is believed.
const (
	strayTime   = 4 * time.Minute // how far from the file's clock a frame's time is believed at once
	strayFrames = 16              // how many frames in a row move the clock further than that
	fewFrames   = 4               // by fewer the clock says nothing of one that is alone
	longSilence = 4 * time.Hour   // no call is silent for longer
)

// strays parks frames whose time is far from the clock of the file, ahead of it or behind, until it is known whether
// the clock or they are wrong. Sixteen in a row are right; a frame near the clock says that they are wrong, and so does
// one that is far behind them. A wrong time is replaced by the clock's.
//
// What the end of the file finds parked is right, for a call can be silent for long, and a file may be made of pieces of
// others. It is wrong if the silence is longer than any call's and than every one before, and the frame is alone, or
// ahead of a clock that sixteen frames bear out. So is the first frame of a file that is alone and as far behind sixteen
// that agree.
type strays struct {
	clock   int64 // the latest time that is believed
	n       int   // frames by which it is, since it was moved; 0 before the first
	longest int64 // the longest silence that was believed
	parked  []parked
	count   uint64 // frames whose time was replaced
}

// A parked frame has bytes of its own.
type parked struct {
	record
	wrong bool
}

// near reports whether times t and u are so close that one believes the other.
func near(t, u int64) bool { return t-u <= int64(strayTime) && u-t <= int64(strayTime) }

// admit reports whether r is believed at once. Else r is parked, and what is known now of those that were is appended
// to ready: if r says it, r is the last of them.
func (s *strays) admit(r *record, ready []record) (_ []record, believed bool) {
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

// row returns how many frames in a row are parked. The first frame of a file that is alone is none of them: it is what
// they are far from.
func (s *strays) row() int {
	if s.alone() {
		return len(s.parked) - 1
	}
	return len(s.parked)
}

// pass moves the clock to t, which it believes.
func (s *strays) pass(t int64) {
	s.clock = max(s.clock, t)
	s.n++
}

// surrounds reports whether a frame of time t agrees with the first of a file and not with the last that is parked.
func (s *strays) surrounds(t int64) bool {
	last := len(s.parked) - 1
	return s.n == 0 && last > 0 && near(t, s.parked[0].nanos()) && !near(t, s.parked[last].nanos())
}

// begun reports whether a file's clock is known, for the last two frames agree, and none before them may be wrong that
// is not known to be.
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

// mark notes that the times of parked frames after t are wrong.
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
