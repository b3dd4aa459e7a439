package pcap

import (
	"slices"
	"time"
)

// pipeWait is how long a frame of a pipe waits for earlier ones, by the wall clock: what comes of it is reported within
// a second.
const pipeWait = 800 * time.Millisecond

// markEvery is the resolution of the times at which frames came.
const markEvery = 50 * time.Millisecond

// A pipe reads the frames of a file that may come slowly, in a goroutine of its own, so that frames that wait for
// earlier ones are released although no frame follows.
type pipe struct {
	frames chan *record
	spare  chan *record
	lent   *record       // the frame at hand, whose bytes packets borrow
	err    error         // what ended the frames; set before they are closed
	closed chan struct{} // by Close: no frame is taken any more
	last   time.Time     // when the last frame came
	parked time.Time     // when the first of those came whose time is in doubt
	marks  []came        // the oldest first
}

// A came is the latest time of the frames that had come at one time.
type came struct {
	at     time.Time
	latest int64 // Unix nanoseconds
}

// newPipe reads the frames of s from now on.
func newPipe(s *Source) *pipe {
	p := &pipe{frames: make(chan *record, 256), spare: make(chan *record, 256), closed: make(chan struct{})}
	go p.read(s)
	return p
}

// read passes frames on until the file ends or Close is called.
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

// fetch waits for a frame and puts it in q, or releases the frames of q that have waited for pipeWait. It returns what
// ended the file.
func (p *pipe) fetch(q *sequence) error {
	p.reuse()
	var expired <-chan time.Time
	if since, waits := p.since(); waits {
		timer := time.NewTimer(time.Until(since.Add(pipeWait)))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case r, open := <-p.frames:
		if !open {
			return p.err
		}
		p.lent = r
		p.arrive(q, r)
	case <-expired:
	}
	p.expire(q, time.Now())
	return nil
}

// reuse makes the memory of the frame at hand free for another one.
func (p *pipe) reuse() {
	if p.lent == nil {
		return
	}
	select {
	case p.spare <- p.lent:
	default:
	}
	p.lent = nil
}

// since returns when the first of the frames that wait came.
func (p *pipe) since() (t time.Time, ok bool) {
	switch {
	case len(p.marks) > 0 && (p.parked.IsZero() || p.marks[0].at.Before(p.parked)):
		return p.marks[0].at, true
	case !p.parked.IsZero():
		return p.parked, true
	}
	return t, false
}

// arrive puts r, which came now, in q. A stamp that is as far ahead as no frame came for is right.
func (p *pipe) arrive(q *sequence, r *record) {
	now := time.Now()
	if t := nanos(r.Time); q.strays.n > 0 && !near(t, q.strays.clock) && len(q.strays.parked) == 0 &&
		near(t, q.strays.clock+int64(now.Sub(p.last))) {
		q.strays.clock = t
	}
	p.last = now
	q.judge(r)
	switch {
	case len(q.strays.parked) == 0:
		p.parked = time.Time{}
	case p.parked.IsZero():
		p.parked = now
	}
	if n := len(p.marks); n > 0 && now.Sub(p.marks[n-1].at) < markEvery {
		p.marks[n-1].latest = q.strays.clock
	} else {
		p.marks = append(p.marks, came{now, q.strays.clock})
	}
}

// expire releases the frames of q that have waited for pipeWait.
func (p *pipe) expire(q *sequence, now time.Time) {
	if !p.parked.IsZero() && now.Sub(p.parked) >= pipeWait {
		q.ready = q.strays.settle(q.ready)
		p.parked = time.Time{}
		p.marks = slices.Insert(p.marks, 0, came{now.Add(-pipeWait), q.strays.clock}) // they leave once they are in order
		return
	}
	for len(p.marks) > 0 && now.Sub(p.marks[0].at) >= pipeWait {
		q.reorder.flush(p.marks[0].latest)
		p.marks = p.marks[1:]
	}
}
