package main

import (
	"sync/atomic"
	"time"

	"sipsieve/sip/track"
)

// liveTick is how often a live domain's clock moves on in silence.
const liveTick = 50 * time.Millisecond

// A flow is events on their way from a shard to the collector. No event before clock follows from that shard.
type flow struct {
	shard  int
	events []track.Event
	saved  []track.Saved // what has changed of open calls, for the journal
	clock  time.Time
}

// A shard owns a Tracker and follows the calls whose keys fall to it.
type shard struct {
	number int
	track  *track.Tracker
	in     chan *batch
	free   chan *batch
	out    chan<- flow
	live   bool
	saves  bool  // open calls are kept in the journal
	hold   *hold // nil where one reader has the order already

	wire   time.Time     // the domain's clock, as far as packets have brought it
	looked time.Time     // when they had
	drift  time.Duration // by which the wall clock was set, in all
	domain *atomic.Int64 // the domain's clock
	before int64         // what that was at the last tick

	savedAt time.Time

	abandoned atomic.Bool
	late      atomic.Uint64 // messages that came after their turn
	counts    atomic.Pointer[track.Counts]
	others    *track.Others
}

// queued is how many batches may wait for a shard: few of a file, whose reader waits; of a wire as many as a
// pause of the shard may need.
func queued(p domainPlan) int {
	if p.live {
		return 1024
	}
	return 4
}

func newShard(number int, p domainPlan, out chan<- flow) *shard {
	s := &shard{number: number, track: track.New(p.limits),
		in: make(chan *batch, queued(p)), free: make(chan *batch, queued(p)),
		out: out, live: p.live, saves: p.saves}
	s.track.Tell(p.stages)
	if p.saves {
		s.track.Save(p.keyer)
	}
	if p.linking != nil {
		s.track.ShowLegs(*p.linking)
	}
	s.track.Trunks(len(p.trunks.names), p.trunks.of)
	s.others = s.track.Others()
	s.counts.Store(new(track.Counts))
	return s
}

// spare returns an empty batch, one that came back if there is one.
func (s *shard) spare() *batch {
	select {
	case b := <-s.free:
		b.reset()
		return b
	default:
		return new(batch)
	}
}

// giveBack lets a reader fill b again.
func (s *shard) giveBack(b *batch) {
	select {
	case s.free <- b:
	default:
	}
}

// run is the only goroutine that touches s.track. It ends when the reader has closed s.in.
func (s *shard) run() error {
	var tick <-chan time.Time
	if s.live {
		ticker := time.NewTicker(liveTick)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case b, open := <-s.in:
			if !open {
				s.end()
				return nil
			}
			s.take(b)
		case <-tick:
			s.keepUp()
			if !s.wire.IsZero() {
				s.pass(s.wire.Add(time.Since(s.looked)))
			}
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// keepUp follows the domain's clock where the packets are for other shards: what was handed over a tick ago has come,
// if nothing waits.
func (s *shard) keepUp() {
	at := time.Unix(0, s.before).UTC()
	behind := s.wire.IsZero() || at.After(s.wire.Add(time.Since(s.looked)))
	if s.before != 0 && behind && len(s.in) == 0 {
		s.wire, s.looked = at, time.Now()
	}
	s.before = s.domain.Load()
}

// take observes b, or holds it until its turn has come.
func (s *shard) take(b *batch) {
	s.hear(b)
	if s.wire = later(s.wire, b.clock); s.live {
		s.looked = time.Now()
	}
	if s.hold == nil {
		s.send(s.observe(b), s.wire)
		s.giveBack(b)
		return
	}
	if s.hold.add(b) == 0 {
		s.giveBack(b)
	}
	s.pass(s.wire)
}

// mostDrift is how far two readers may be apart in what they say of the wall clock, which each looks at by itself.
const mostDrift = 500 * time.Millisecond

// hear takes note of what happened before the messages of b. That the clock was set is told by every reader.
func (s *shard) hear(b *batch) {
	if by := b.drift - s.drift; b.stepped && by.Abs() > mostDrift {
		if s.hold != nil { // what waits is timed by the old clock
			s.send(s.release(nil, endOfTime), s.wire.Add(-holdTime))
			*s.hold = hold{}
		}
		s.drift, s.wire, s.before = b.drift, s.wire.Add(by), 0
		s.track.Stepped(b.clock, by)
	} else if by = -by; b.dated && by.Abs() > mostDrift { // its reader has not looked at the clock since another did
		b.shift(by)
	}
	for _, g := range b.gaps {
		s.track.Missed(g.from, g.to)
	}
}

// pass lets the time wire come.
func (s *shard) pass(wire time.Time) {
	var events []track.Event
	if s.hold != nil {
		wire = wire.Add(-holdTime)
		events = s.release(nil, wire)
	}
	s.send(s.track.Advance(events, wire), wire)
}

// release observes what was held and is not younger than until.
func (s *shard) release(events []track.Event, until time.Time) []track.Event {
	for {
		h, ok := s.hold.next(until)
		if !ok {
			return events
		}
		if h.late {
			s.late.Add(1)
		}
		events = s.track.Observe(events, &h.b.messages.Messages[h.i], h.b.keys[h.i])
		if h.b.left--; h.b.left == 0 {
			s.giveBack(h.b)
		}
	}
}

// end tells what the end of the capture leaves open. A file that was not read to its end is read again: what is
// open in it is not told, nor what the journal keeps.
func (s *shard) end() {
	var events []track.Event
	if s.hold != nil {
		events = s.release(events, endOfTime)
	}
	if !s.abandoned.Load() && !s.saves {
		events = s.track.Finish(events)
	}
	s.send(events, endOfTime)
}

// endOfTime is later than any event.
var endOfTime = time.Unix(1<<40, 0)

func (s *shard) observe(b *batch) (events []track.Event) {
	for i := range b.messages.Messages {
		events = s.track.Advance(events, b.clocks[i])
		events = s.track.Observe(events, &b.messages.Messages[i], b.keys[i])
	}
	return s.track.Advance(events, b.clock)
}

func (s *shard) send(events []track.Event, clock time.Time) {
	counts := s.track.Counts()
	s.counts.Store(&counts)
	s.out <- flow{shard: s.number, events: events, saved: s.changed(clock), clock: clock}
}
