package pcap

import (
	"slices"
	"time"
)

// pipeWait is how long a frame of a pipe waits for earlier ones, by the wall clock: what comes of it is reported within
// a second.
const pipeWait = 800 * time.Millisecond

// markEvery is how exactly it is known when a frame came.
const markEvery = 50 * time.Millisecond

// A pipe reads the frames of a file that may come slowly, in a goroutine of its own, so that those that wait for
// earlier ones leave though none follows.
type pipe struct {
	frames chan *record
	spare  chan *record
	lent   *record       // the frame at hand, whose bytes packets borrow
	err    error         // what ended the frames; set before they are closed
	closed chan struct{} // by Close: nobody takes frames any more
	last   time.Time     // when the last frame came
	parked time.Time     // when the first of those came whose time is not known
	marks  []came        // the oldest first
}

// came says that all frames up to a time, Unix nanoseconds, had come then.
type came struct {
	at     time.Time
	latest int64
}

// newPipe reads the frames of s from now on.
func newPipe(s *Source) *pipe {
	p := &pipe{frames: make(chan *record, 256), spare: make(chan *record, 256), closed: make(chan struct{})}
	go p.read(s)
	return p
}

// read passes frames on until the file ends or nobody takes them.
func (p *pipe) read(s *Source) {
	defer close(p.frames)
	var r record
	for {
		if p.err = s.readFrame(&r); p.err != nil {
			return
		}
		select {
		case p.frames <- p.copied(&r):
		case <-p.closed:
			return
		}
	}
}

// copied returns r with bytes of its own.
func (p *pipe) copied(r *record) *record {
	var c *record
	select {
	case c = <-p.spare:
	default:
		c = new(record)
	}
	data := append(c.Data[:0], r.Data...)
	*c = *r
	c.Data = data
	return c
}

// fetchPiped takes a frame, or has those leave that have waited for long enough.
func (s *Source) fetchPiped() {
	p := s.pipe
	p.giveBack()
	var expired <-chan time.Time
	if since, waits := p.since(); waits {
		timer := time.NewTimer(time.Until(since.Add(pipeWait)))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case r, open := <-p.frames:
		if !open {
			s.end(p.err)
			return
		}
		p.lent = r
		s.arrive(r)
	case <-expired:
	}
	s.expire(time.Now())
}

// giveBack lets the frame that was at hand be filled again.
func (p *pipe) giveBack() {
	if p.lent == nil {
		return
	}
	select {
	case p.spare <- p.lent:
	default:
	}
	p.lent = nil
}

// since returns when the first frame came that waits now.
func (p *pipe) since() (t time.Time, ok bool) {
	switch {
	case len(p.marks) > 0 && (p.parked.IsZero() || p.marks[0].at.Before(p.parked)):
		return p.marks[0].at, true
	case !p.parked.IsZero():
		return p.parked, true
	}
	return t, false
}

// arrive judges the time of r, which came now. A clock that is as far ahead as nothing came for is right.
func (s *Source) arrive(r *record) {
	p, now := s.pipe, time.Now()
	if t := nanos(r.Time); s.strays.n > 0 && !near(t, s.strays.clock) && len(s.strays.parked) == 0 &&
		near(t, s.strays.clock+int64(now.Sub(p.last))) {
		s.strays.clock = t
	}
	p.last = now
	s.coming = *r
	s.judge(&s.coming)
	switch {
	case len(s.strays.parked) == 0:
		p.parked = time.Time{}
	case p.parked.IsZero():
		p.parked = now
	}
	if n := len(p.marks); n > 0 && now.Sub(p.marks[n-1].at) < markEvery {
		p.marks[n-1].latest = s.strays.clock
	} else {
		p.marks = append(p.marks, came{now, s.strays.clock})
	}
}

// expire has the frames leave that have waited for pipeWait.
func (s *Source) expire(now time.Time) {
	p := s.pipe
	if !p.parked.IsZero() && now.Sub(p.parked) >= pipeWait {
		s.ready = s.strays.settle(s.ready)
		p.parked = time.Time{}
		p.marks = slices.Insert(p.marks, 0, came{now.Add(-pipeWait), s.strays.clock}) // they leave once they are in order
		return
	}
	for len(p.marks) > 0 && now.Sub(p.marks[0].at) >= pipeWait {
		s.reorder.flush(p.marks[0].latest)
		p.marks = p.marks[1:]
	}
}

// Piped reports whether the file comes as somebody writes it, such as standard input. What comes of a frame is returned
// after pipeWait at the latest.
func (s *Source) Piped() bool { return s.pipe != nil }

// Ready reports whether Next returns without a wait: false while a pipe has nothing to read.
func (s *Source) Ready() bool {
	return s.pipe == nil || !s.decoder.Given() || s.reorder.ready() || len(s.ready) > 0 || len(s.pipe.frames) > 0
}
