package afpacket

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sipsieve/capture"
)

// ErrAbsent says that there is no interface of that name. It may come.
var ErrAbsent = errors.New("no such interface")

// ErrGone says that the interface was removed. One of the same name made later is another interface.
var ErrGone = errors.New("interface is gone")

// Stats are what a Source counts beside its Drops.
type Stats struct {
	Packets uint64 // frames that passed the kernel filter, dropped ones included
	Losing  uint64 // blocks that the kernel marked: it had dropped frames shortly before
	Freezes uint64 // times that the kernel found no free block
	Skewed  uint64 // stamps replaced by the arrival
	Left    uint64 // frames that were in the ring, unread, when it was given back
}

// States of a reader. It gives the ring back itself once it has been asked for a frame; until then close does.
const (
	fresh int32 = iota
	reading
	stopping
	closed
)

// A reader takes frames from one socket's ring. One goroutine calls read; close may come from another.
type reader struct {
	*socket
	ring  ring
	name  string // of the interface
	drops *atomic.Uint64

	skew, retire time.Duration

	state   atomic.Int32
	told    chan struct{} // closed once close has done with the descriptors
	clock   clock
	arrival time.Time     // when the ring was looked at last
	steady  time.Duration // then, by the clock that nobody sets
	empty   time.Duration // since when the ring has been found empty, by that clock; 0 while it is not
	sampled time.Duration // when the kernel's counters were read last, by that clock
	last    time.Time     // of the frame before
	loss    loss
	step    time.Duration // of the wall clock, not told yet
	absent  time.Duration // since when the interface has not been there, by the steady clock; 0 while it is
	mark    time.Time     // no frame with an earlier stamp follows
	over    error         // what ended it

	returned, lost                         uint64 // frames
	packets, losing, freezes, skewed, left atomic.Uint64
}

func newReader(s *socket, c Config, drops *atomic.Uint64) *reader {
	r := &reader{
		socket: s,
		ring:   ring{mem: s.mem, size: c.BlockSize},
		name:   c.Interface,
		skew:   c.Skew,
		retire: c.Retire,
		drops:  drops,
		told:   make(chan struct{}),
		clock:  systemClock(),
	}
	r.arrival, r.steady = r.clock()
	r.sampled, r.last = r.steady, r.arrival
	return r
}

const sampleEvery = time.Second

// markSlack is how much longer than two retire timeouts a frame may have been in the ring when it is handed over.
const markSlack = 5 * time.Millisecond

// lag is how old a frame may be when its block is handed over: the kernel's timer runs once a retire timeout and
// closes a block that it has found open twice.
func (r *reader) lag() time.Duration { return 2*r.retire + markSlack }

// advance moves the watermark to what is known at t: that everything older than the lag has been handed over.
func (r *reader) advance(t time.Time) {
	if t = t.Add(-r.lag()); t.After(r.mark) {
		r.mark = t
	}
}

// read waits for the next frame, which is valid until read is called again. It returns io.EOF after close, and an
// error that wraps ErrGone when the interface was removed and its last frames have been read. A frame without bytes
// says that none came for capture.IdleEvery. News of a loss that no frame follows comes in such a frame, or with the
// error.
func (r *reader) read(f *frame) error {
	if r.over != nil {
		return r.over
	}
	if !r.state.CompareAndSwap(fresh, reading) && r.state.Load() == closed {
		return io.EOF
	}
	for r.ring.left > 0 || r.turnOver() {
		if r.ring.next(f) {
			r.note(f)
			return nil
		}
	}
	*f = frame{time: r.arrival, news: news{step: r.step}}
	r.step = 0
	if r.loss.frames > 0 && (r.over != nil || r.steady-r.empty >= 2*r.retire) {
		n := r.loss.tell(r.last)
		f.news.missed, f.news.since = n.missed, n.since
	}
	return r.over
}

// turnOver gives the block that has been read back and waits for one to read. It is false if none comes for
// capture.IdleEvery, and once the reader is over.
func (r *reader) turnOver() bool {
	r.ring.release()
	for began := time.Duration(-1); ; {
		if r.stopped() {
			r.end(io.EOF)
			return false
		}
		r.look()
		if r.ring.ready() {
			r.empty = 0
			return true
		}
		r.advance(r.arrival)
		if r.empty == 0 {
			r.empty = r.steady
		}
		if began < 0 {
			began = r.steady
		} else if r.steady-began >= capture.IdleEvery {
			return false
		}
		if err := r.await(); err != nil {
			r.end(err)
			return false
		}
	}
}

// look asks the time, once a block, and reads the kernel's counters if they have not been read for a second.
func (r *reader) look() {
	wall, steady := r.clock()
	if by := step(wall.Sub(r.arrival), steady-r.steady); by != 0 {
		r.step, r.mark = r.step+by, r.mark.Add(by)
	}
	r.arrival, r.steady = wall, steady
	if r.steady-r.sampled >= sampleEvery {
		r.sample()
	}
}

// await returns when there may be a frame, after capture.IdleEvery at the latest. An interface that is down is waited
// for, for it keeps its number; one that has gone is an error once its last block has had the time to come.
func (r *reader) await() error {
	if err := r.wait(int(capture.IdleEvery.Milliseconds())); err != nil {
		return err
	}
	switch {
	case r.ring.ready() || !r.gone():
		r.absent = 0
	case r.absent == 0:
		r.absent = r.steady
	case r.steady-r.absent >= 2*r.retire:
		return fmt.Errorf("afpacket: %s: %w", r.name, ErrGone)
	}
	return nil
}

// note keeps count, mends the stamp of f, and lets f tell what is new.
func (r *reader) note(f *frame) {
	r.returned++
	if r.losing.Load() != r.ring.losing { // f is the first of a block that is marked
		r.losing.Store(r.ring.losing)
		r.loss.mark(r.last)
		r.sample()
	}
	if f.time.Sub(r.arrival).Abs() > r.skew {
		f.time = r.arrival
		r.skewed.Add(1)
	}
	if r.loss.over(r.ring.taken, r.last) {
		f.news = r.loss.tell(r.last)
	}
	f.news.step, r.step = r.step, 0
	r.last = f.time
	if !f.time.After(r.arrival) {
		r.advance(f.time)
	}
}

// watermark returns the time before which no frame is stamped that follows. It is false for a reader that is over, or
// whose interface is not there.
func (r *reader) watermark() (time.Time, bool) { return r.mark, r.over == nil && r.absent == 0 }

// sample adds the kernel's counters to ours. A socket that no longer tells them has nothing more to add.
func (r *reader) sample() {
	r.sampled = r.steady
	v, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return
	}
	r.packets.Add(uint64(v.Packets))
	r.drops.Add(uint64(v.Drops))
	r.freezes.Add(uint64(v.Freeze_q_cnt))
	r.lost += uint64(v.Drops)
	r.loss.add(uint64(v.Drops), r.ring.written())
}

// end gives everything back. It is called by read only; a close that is on its way is waited for,
// for it writes to a descriptor that may be another's afterwards.
func (r *reader) end(why error) {
	if !r.state.CompareAndSwap(reading, closed) {
		<-r.told
	}
	r.over = why
	r.dispose()
}

func (r *reader) dispose() {
	r.look()
	r.sample()
	r.left.Store(r.packets.Load() - r.lost - r.returned)
	r.ring = ring{}
	_ = r.socket.close() // the ring is not needed any more: nobody can act on it
}

// close makes read return io.EOF, and may be called again. A frame that was read stays valid until then.
func (r *reader) close() error {
	if r.state.CompareAndSwap(fresh, closed) {
		r.dispose()
		return nil
	}
	if r.state.CompareAndSwap(reading, stopping) {
		defer close(r.told)
		return r.stop()
	}
	return nil
}

func (r *reader) stats() Stats {
	return Stats{
		Packets: r.packets.Load(),
		Losing:  r.losing.Load(),
		Freezes: r.freezes.Load(),
		Skewed:  r.skewed.Load(),
		Left:    r.left.Load(),
	}
}

// openReaders opens the rings of c. None admits a frame before all have joined the group, for a ring
// takes every frame of the interface until it is a member.
func openReaders(c Config, drops func(i int) *atomic.Uint64) (rs []*reader, err error) {
	defer func() {
		if err == nil {
			return
		}
		for _, r := range rs {
			_ = r.close() // the first error is the one to tell
		}
		rs = nil
	}()
	group := 0
	for i := range c.Fanout {
		s, err := openSocket(c)
		if err != nil {
			return rs, err
		}
		rs = append(rs, newReader(s, c, drops(i)))
		switch {
		case c.Fanout == 1:
		case i == 0:
			group, err = s.group()
		default:
			err = s.join(group)
		}
		if err != nil {
			return rs, fmt.Errorf("afpacket: %s: %w", c.Interface, err)
		}
	}
	for _, r := range rs {
		if err := r.admit(); err != nil {
			return rs, fmt.Errorf("afpacket: %s: %w", c.Interface, err)
		}
	}
	return rs, nil
}
