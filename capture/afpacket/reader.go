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

// States of a reader. It gives the ring back itself once it has been asked for a frame; until then close does.
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

	life    atomic.Int32  // fresh, reading, stopping, closed
	told    chan struct{} // closed once close has done with the descriptors
	clock   clock
	arrival time.Time     // when the ring was looked at last
	steady  time.Duration // then, by the clock that nobody sets
	empty   time.Duration // since when the ring has been found empty, by that clock; 0 while it is not
	sampled time.Duration // when the kernel's counters were read last, by that clock
	last    time.Time     // of the frame before
	loss    loss
	step    time.Duration // of the wall clock, not told yet
	away    time.Time     // since when the interface has shown nothing; zero while it is up
	fell    time.Duration // when it ceased to be up, by the steady clock
	blind   time.Time     // since when it had shown nothing before it came up, not told yet
	mark    time.Time     // no frame with an earlier stamp follows
	ending  error         // what ends it when the ring is empty; nil while more may come
	since   time.Duration // since when nothing more comes into this ring, by the steady clock; 0 while it does
	over    error         // what ended it

	returned, lostFrames                   uint64
	packets, losing, freezes, skewed, left atomic.Uint64
}

func newReader(c *Config, drops *atomic.Uint64) *reader {
	r := &reader{
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

// prepare opens all that r needs, for an interface that is not there yet too. Nothing is bound.
func (r *reader) prepare(c *Config, g *group) (err error) {
	if r.waiter, err = openWaiter(); err != nil {
		return fmt.Errorf("afpacket: %s: %w", c.Interface, err)
	}
	if r.follower, err = newFollower(c, g); err != nil {
		return r.wrap(err)
	}
	if r.State() != Up {
		r.away = r.arrival
	}
	r.ring = ring{mem: r.mem, size: c.BlockSize}
	return nil
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
// error that wraps ErrGone when the interface was removed, nothing can be bound to another and the last frames have
// been read. A frame without bytes says that none came for capture.IdleEvery. News of a loss that no frame follows
// comes in such a frame, or with the error.
func (r *reader) read(f *frame) error {
	if r.over != nil {
		return r.over
	}
	if !r.life.CompareAndSwap(fresh, reading) && r.life.Load() == closed {
		return io.EOF
	}
	for r.ring.left > 0 || r.turnOver() {
		if r.ring.next(f) {
			r.note(f)
			return nil
		}
	}
	*f = frame{time: r.arrival}
	if r.loss.frames > 0 && (r.over != nil || r.drained()) {
		f.news = r.loss.tell(r.last)
	}
	r.addNews(f)
	return r.over
}

// drained reports whether the ring has been empty for so long that no frame is left in it, but for one that came in
// that time.
func (r *reader) drained() bool { return r.empty > 0 && r.steady-r.empty >= 2*r.retire }

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
		r.attend()
	}
}

// await returns when there may be a frame, after capture.IdleEvery at the latest.
func (r *reader) await() error {
	changed, err := r.wait(r.fd, int(capture.IdleEvery.Milliseconds()))
	if err != nil {
		return err
	}
	if changed {
		r.attend()
	}
	if r.since == 0 || !r.drained() || r.steady-r.since < 2*r.retire {
		return nil
	}
	if r.next != nil {
		return r.replace()
	}
	return r.ending
}

// attend looks at the interface, and notes since when it has shown nothing.
func (r *reader) attend() {
	if r.ending != nil {
		return
	}
	before := r.State()
	r.ending = r.follow()
	if r.since == 0 && (r.lost || r.ending != nil) {
		r.since = r.steady
	}
	switch now := r.State(); {
	case now != Up && before == Up:
		r.away, r.fell = r.arrival, r.steady
	case now == Up && !r.away.IsZero():
		r.blind, r.away = r.away, time.Time{}
	}
}

// State returns how the interface is. It may be called from any goroutine.
func (r *reader) State() State { return State(r.state.Load()) }

// replace goes on with the ring of the socket that is bound to the interface that was made anew.
func (r *reader) replace() error {
	r.sample()
	if err := r.socket.close(); err != nil {
		return r.wrap(err)
	}
	r.socket, r.next, r.lost, r.since = r.next, nil, false, 0
	if r.ending != nil { // its interface was removed, too
		r.since = r.steady
	}
	r.ring = ring{mem: r.mem, size: r.ring.size, taken: r.ring.taken, losing: r.ring.losing}
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
	r.addNews(f)
	r.last = f.time
	if !f.time.After(r.arrival) {
		r.advance(f.time)
	}
}

// addNews adds to f a step of the clock and a time without the interface that no frame before has carried.
func (r *reader) addNews(f *frame) {
	f.news.step, r.step = r.step, 0
	if r.blind.IsZero() || !f.time.After(r.blind) {
		return // a frame that had come before
	}
	if f.news.since.IsZero() || r.blind.Before(f.news.since) {
		f.news.since = r.blind
	}
	r.blind = time.Time{}
}

// watermark returns the time before which no frame is stamped that follows. It is false for a reader that is over, or
// whose interface is not up and the last frames of which have been handed over.
func (r *reader) watermark() (time.Time, bool) {
	return r.mark, r.over == nil && (r.State() == Up || !r.drained() || r.steady-r.fell < r.lag())
}

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
	r.lostFrames += uint64(v.Drops)
	r.loss.add(uint64(v.Drops), r.ring.written())
}

// end gives everything back. It is called by read only; a close that is on its way is waited for,
// for it writes to a descriptor that may be another's afterwards.
func (r *reader) end(why error) {
	if !r.life.CompareAndSwap(reading, closed) {
		<-r.told
	}
	r.over = why
	r.dispose()
}

func (r *reader) dispose() {
	r.look()
	r.sample()
	r.left.Store(r.packets.Load() - r.lostFrames - r.returned)
	r.ring = ring{}
	_ = errors.Join(r.follower.close(), r.waiter.close()) // nothing of them is needed any more: nobody can act on it
}

// close makes read return io.EOF, and may be called again. A frame that was read stays valid until then.
func (r *reader) close() error {
	if r.life.CompareAndSwap(fresh, closed) {
		r.dispose()
		return nil
	}
	if r.life.CompareAndSwap(reading, stopping) {
		defer close(r.told)
		return r.stop()
	}
	return nil
}

// abort gives back what was opened of a reader that has never read.
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

// openReaders opens the rings of c, for an interface that is not there yet too. None admits a frame before all have
// joined the group, for a ring takes every frame of the interface until it is a member.
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
		if err := r.tie(r.socket, index); err != nil {
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
