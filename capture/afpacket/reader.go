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

// Stats are what a Source counts beside its Drops.
type Stats struct {
	Packets uint64 // frames that passed the kernel filter, dropped ones included
	Losing  uint64 // blocks that the kernel marked: it had dropped frames shortly before
	Freezes uint64 // times that the kernel found no free block
	Skewed  uint64 // stamps replaced by the arrival
	Left    uint64 // frames that were in the ring, unread, when it was given back
	Downs   uint64 // times that the interface went down, lost its carrier or was removed
}

// States of a reader. Once read was called, read unmaps the ring; until then close does.
const (
	fresh int32 = iota
	reading
	stopping
	closed
)

// A reader takes frames from one ring at a time. One goroutine calls read; close may come from another.
type reader struct {
	*follower
	waiter
	ring  ring
	name  string // of the interface
	drops *atomic.Uint64

	skew, retire time.Duration

	life       atomic.Int32  // fresh, reading, stopping, closed
	closeDone  chan struct{} // closed when close uses no descriptor any more
	clock      clock
	arrival    time.Time     // when the ring was checked last, by the wall clock
	steady     time.Duration // the same by the monotonic clock
	empty      time.Duration // since when the ring has been empty, by the monotonic clock; 0 while it is not
	sampled    time.Duration // when the kernel's counters were read last, by the monotonic clock
	last       time.Time     // of the frame before
	loss       loss
	step       time.Duration // of the wall clock, in no frame yet
	downSince  time.Time     // since when the interface has not been up; zero while it is
	downAt     time.Duration // the same by the monotonic clock; of the last time
	blindSince time.Time     // downSince of an interface that came up again, in no frame yet
	mark       time.Time     // no frame with an earlier stamp follows
	ending     error         // what read returns when the ring is empty; nil while more may come
	drainSince time.Duration // since when nothing more comes into this ring, by the monotonic clock; 0 while it does
	over       error         // what ended it

	returned, lostFrames                   uint64
	packets, losing, freezes, skewed, left atomic.Uint64
}

func newReader(c *Config, drops *atomic.Uint64) *reader {
	r := &reader{
		name:      c.Interface,
		skew:      c.Skew,
		retire:    c.Retire,
		drops:     drops,
		closeDone: make(chan struct{}),
		clock:     systemClock(),
	}
	r.arrival, r.steady = r.clock()
	r.sampled, r.last = r.steady, r.arrival
	return r
}

// prepare opens all that r needs, also for an interface that does not exist yet. It binds nothing.
func (r *reader) prepare(c *Config, g *group) (err error) {
	if r.waiter, err = openWaiter(); err != nil {
		return fmt.Errorf("afpacket: %s: %w", c.Interface, err)
	}
	if r.follower, err = newFollower(c, g); err != nil {
		return r.wrap(err)
	}
	if r.State() != Up {
		r.downSince = r.arrival
	}
	r.ring = ring{mem: r.mem, size: c.BlockSize}
	return nil
}

const sampleEvery = time.Second

// markSlack is how much longer than two retire timeouts a frame may be in the ring before its block is readable.
const markSlack = 5 * time.Millisecond

// lag is how old a frame may be when its block becomes readable: the kernel's timer runs once a retire timeout and
// closes a block that it finds open twice.
func (r *reader) lag() time.Duration { return 2*r.retire + markSlack }

// advance moves the watermark to t less the lag: every older frame has been read at t.
func (r *reader) advance(t time.Time) {
	if t = t.Add(-r.lag()); t.After(r.mark) {
		r.mark = t
	}
}

// read waits for the next frame, which is valid until read is called again. It returns io.EOF after close, and an error
// that wraps ErrGone when the interface was removed, no socket is left to bind and the last frames have been read. If
// no frame comes for capture.IdleEvery it sets f to one without bytes. Such a frame, or the one set with the error,
// carries the notice of a loss that no frame follows.
func (r *reader) read(f *frame) error {
	if r.over != nil {
		return r.over
	}
	if !r.life.CompareAndSwap(fresh, reading) && r.life.Load() == closed {
		return io.EOF
	}
	for r.ring.left > 0 || r.nextBlock() {
		if r.ring.next(f) {
			r.account(f)
			return nil
		}
	}
	*f = frame{time: r.arrival}
	if r.loss.frames > 0 && (r.over != nil || r.drained()) {
		f.notice = r.loss.report(r.last)
	}
	r.addNotice(f)
	return r.over
}

// drained reports whether the ring has been empty for two retire timeouts: no older frame is left in it.
func (r *reader) drained() bool { return r.empty > 0 && r.steady-r.empty >= 2*r.retire }

// nextBlock releases the block that has been read and waits for the next. It is false if none comes for
// capture.IdleEvery, and once the reader is over.
func (r *reader) nextBlock() bool {
	r.ring.release()
	for began := time.Duration(-1); ; {
		if r.stopped() {
			r.end(io.EOF)
			return false
		}
		r.readClock()
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
		if err := r.waitForBlock(); err != nil {
			r.end(err)
			return false
		}
	}
}

// readClock reads the clocks, once a block. Once a second it also reads the kernel's counters and checks the interface.
func (r *reader) readClock() {
	wall, steady := r.clock()
	if d := step(wall.Sub(r.arrival), steady-r.steady); d != 0 {
		r.step, r.mark = r.step+d, r.mark.Add(d)
	}
	r.arrival, r.steady = wall, steady
	if r.steady-r.sampled >= sampleEvery {
		r.sample()
		r.checkInterface()
	}
}

// waitForBlock returns when there may be a frame, after capture.IdleEvery at the latest.
func (r *reader) waitForBlock() error {
	changed, err := r.wait(r.fd, int(capture.IdleEvery.Milliseconds()))
	if err != nil {
		return err
	}
	if changed {
		r.checkInterface()
	}
	if r.drainSince == 0 || !r.drained() || r.steady-r.drainSince < 2*r.retire {
		return nil
	}
	if r.next != nil {
		return r.replace()
	}
	return r.ending
}

// checkInterface updates the state of the interface, and since when it has not been up.
func (r *reader) checkInterface() {
	if r.ending != nil {
		return
	}
	before := r.State()
	r.ending = r.check()
	if r.drainSince == 0 && (r.lost || r.ending != nil) {
		r.drainSince = r.steady
	}
	switch now := r.State(); {
	case now != Up && before == Up:
		r.downSince, r.downAt = r.arrival, r.steady
	case now == Up && !r.downSince.IsZero():
		r.blindSince, r.downSince = r.downSince, time.Time{}
	}
}

// State returns how the interface is. It may be called from any goroutine.
func (r *reader) State() State { return State(r.state.Load()) }

// replace closes the socket, and reads from now on the one that is bound to the interface that was created again.
func (r *reader) replace() error {
	r.sample()
	if err := r.socket.close(); err != nil {
		return r.wrap(err)
	}
	r.socket, r.next, r.lost, r.drainSince = r.next, nil, false, 0
	if r.ending != nil { // its interface was removed, too
		r.drainSince = r.steady
	}
	r.ring = ring{mem: r.mem, size: r.ring.size, taken: r.ring.taken, losing: r.ring.losing}
	return nil
}

// account counts f, replaces a stamp that is too far from the arrival, and adds what f has to carry.
func (r *reader) account(f *frame) {
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
		f.notice = r.loss.report(r.last)
	}
	r.addNotice(f)
	r.last = f.time
	if !f.time.After(r.arrival) {
		r.advance(f.time)
	}
}

// addNotice adds to f a step of the clock and a time without the interface that no frame before it carried.
func (r *reader) addNotice(f *frame) {
	f.notice.step, r.step = r.step, 0
	if r.blindSince.IsZero() || !f.time.After(r.blindSince) {
		return // f came before the interface went down
	}
	if f.notice.since.IsZero() || r.blindSince.Before(f.notice.since) {
		f.notice.since = r.blindSince
	}
	r.blindSince = time.Time{}
}

// watermark returns a time such that no frame with an earlier stamp follows. It is false for a reader that is over, and
// for one whose interface is not up and whose last frames have been read.
func (r *reader) watermark() (time.Time, bool) {
	return r.mark, r.over == nil && (r.State() == Up || !r.drained() || r.steady-r.downAt < r.lag())
}

// sample adds the kernel's counters, which reading resets, to ours. A closed socket has none.
func (r *reader) sample() {
	r.sampled = r.steady
	v, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return
	}
	r.packets.Add(uint64(v.Packets))
	r.drops.Add(uint64(v.Drops))
	r.freezes.Add(uint64(v.Freeze_q_cnt))
	r.lostFrames += uint64(v.Drops)
	r.loss.add(uint64(v.Drops), r.ring.written())
}

// end releases everything. Only read calls it. It waits for a close that has begun, which writes to a descriptor whose
// number may be given to another file afterwards.
func (r *reader) end(why error) {
	if !r.life.CompareAndSwap(reading, closed) {
		<-r.closeDone
	}
	r.over = why
	r.closeAll()
}

// closeAll reads the counters for the last time and closes every descriptor.
func (r *reader) closeAll() {
	r.readClock()
	r.sample()
	r.left.Store(r.packets.Load() - r.lostFrames - r.returned)
	r.ring = ring{}
	_ = errors.Join(r.follower.close(), r.waiter.close()) // no caller could act on the error
}

// close makes read return io.EOF, and may be called again. A frame that was read stays valid until then.
func (r *reader) close() error {
	if r.life.CompareAndSwap(fresh, closed) {
		r.closeAll()
		return nil
	}
	if r.life.CompareAndSwap(reading, stopping) {
		defer close(r.closeDone)
		return r.stop()
	}
	return nil
}

// abort closes what was opened of a reader that has never read.
func (r *reader) abort() {
	_ = r.waiter.close() // the first error is the one to return
	if r.follower != nil {
		_ = r.follower.close()
	}
}

func (r *reader) stats() Stats {
	return Stats{
		Packets: r.packets.Load(),
		Losing:  r.losing.Load(),
		Freezes: r.freezes.Load(),
		Skewed:  r.skewed.Load(),
		Left:    r.left.Load(),
		Downs:   r.downs.Load(),
	}
}

// openReaders opens the rings of c, also for an interface that does not exist yet. None admits a frame before all have
// joined the group, because a ring takes every frame of the interface until it is a member.
func openReaders(c Config, drops func(i int) *atomic.Uint64) (rs []*reader, err error) {
	defer func() {
		if err != nil {
			for _, r := range rs {
				r.abort()
			}
			rs = nil
		}
	}()
	var g *group
	if c.Fanout > 1 {
		g = new(group)
	}
	for i := range c.Fanout {
		rs = append(rs, newReader(&c, drops(i)))
		if err := rs[i].prepare(&c, g); err != nil {
			return rs, err
		}
	}
	index, _ := rs[0].find(c.Interface)
	if index == 0 {
		return rs, nil
	}
	for _, r := range rs {
		if err := r.bindMember(r.socket, index); err != nil {
			return rs, err
		}
	}
	for _, r := range rs {
		if r.bound() == 0 {
			continue // removed while it was bound
		}
		if err := r.open(r.socket); err != nil {
			return rs, err
		}
	}
	return rs, nil
}
