package pipeline

import (
	"cmp"
	"math"
	"sync/atomic"
	"time"

	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"sipsieve/sip/track"
)

// liveTick is how often a live domain's clock moves on in silence.
const liveTick = 50 * time.Millisecond

// A Flow is events on their way from a shard to a Merger. No event before Clock follows from that shard.
type Flow struct {
	Shard  int
	Events []event.Event
	Saved  []calls.Saved // what has changed of open calls, for the checkpoint log
	Clock  time.Time
	Again  bool // what Events are of was given before a restart: they were reported
	Cut    *Cut // that Saved belongs to; nil of a Domain without cuts
}

// A shard owns a Tracker and follows the calls whose keys fall to it.
type shard struct {
	number  int
	track   *track.Tracker
	domain  *Domain
	in      chan *batch
	free    chan *batch
	out     chan<- Flow
	live    bool
	saves   bool     // open calls go into the checkpoint log
	reorder *reorder // nil for a file: its one reader has the order

	wire    time.Time     // the domain's clock, as far as packets have brought it
	looked  time.Time     // when they had
	drift   time.Duration // by which the wall clock was set, in all
	before  int64         // the domain's clock at the last tick
	passed  time.Time     // up to when all has been sent
	stepped bool          // the wall clock was set: a watermark that was read before is of the old clock

	savedAt time.Time

	cuts   bool // the Source is Resumable: open calls are saved at its cuts only
	again  bool
	atCut  bool // the last batch ended with one
	resume func(shard int, t *track.Tracker)
	base   atomic.Pointer[ShardCounts] // what was counted of what was given again; nil before all of that came

	abandoned atomic.Bool
	late      atomic.Uint64 // messages that came after their turn
	counts    atomic.Pointer[track.Counts]
	others    *track.Others
}

// queued is how many batches may wait for a shard: few of a file, whose reader waits; of a wire as many as a
// pause of the shard may need.
func queued(p Plan) int {
	if p.Live {
		return 1024
	}
	return 4
}

func newShard(number int, p Plan, d *Domain) *shard {
	s := &shard{number: number, track: track.New(p.Limits), domain: d,
		in: make(chan *batch, queued(p)), free: make(chan *batch, queued(p)),
		out: d.out, live: p.Live, saves: p.Saves, resume: p.Resume}
	if p.Live {
		s.reorder = &reorder{limit: cmp.Or(p.Reorder, DefaultReorder) / p.Shards}
	}
	s.track.Share(p.Budgets)
	s.track.PublishAt(p.Stages)
	if p.Saves {
		s.track.Save(p.Keyer)
	}
	if p.Linking != nil {
		s.track.ShowLegs(*p.Linking)
	}
	s.track.Trunks(p.Trunks, p.TrunkOf)
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
			switch {
			case !open:
				s.end()
				return nil
			case s.live:
				s.takeLive(b)
			default:
				s.take(b)
			}
		case <-tick:
			s.keepUp()
			s.takeLive(nil)
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
	t := time.Unix(0, s.before).UTC()
	if s.before != 0 && len(s.in) == 0 {
		s.follow(t)
	}
	s.before = s.domain.clock.Load()
}

// running returns the domain's clock: what packets have brought it to and the time waited since.
func (s *shard) running() time.Time {
	if s.wire.IsZero() {
		return s.wire
	}
	return s.wire.Add(time.Since(s.looked))
}

// follow moves the running clock of a live domain to t, if that is later.
func (s *shard) follow(t time.Time) {
	if s.wire.IsZero() || t.After(s.running()) {
		s.wire, s.looked = t, time.Now()
	}
}

// take observes a file's batch b.
func (s *shard) take(b *batch) {
	if b.caughtUp {
		s.catchUp()
	}
	s.atCut = b.cut != nil
	s.noteNews(b)
	s.wire = later(s.wire, b.clock)
	s.sendCut(s.observe(b), s.wire, b.cut)
	s.giveBack(b)
}

// takeLive puts b and all that waits behind it into the reorder buffer, and lets the time come up to which all readers
// had handed everything over before.
func (s *shard) takeLive(b *batch) {
	least := s.domain.least() // first: what it promises has come by now
	if b != nil {
		s.wait(b)
	}
	for range len(s.in) {
		b, open := <-s.in
		if !open {
			break
		}
		s.wait(b)
	}
	switch {
	case s.stepped:
		s.stepped = false
	case least == unfollowed && !s.wire.IsZero():
		s.pass(s.running())
	case least != unfollowed && least != unsettled:
		s.pass(time.Unix(0, least).UTC())
	}
}

// wait puts b into the reorder buffer.
func (s *shard) wait(b *batch) {
	s.noteNews(b)
	s.follow(b.clock)
	if !s.reorder.add(b) {
		s.giveBack(b)
	}
	if s.reorder.bytes > s.reorder.limit {
		s.send(s.release(nil, math.MinInt64), s.passed)
	}
}

// mostDrift is how far two readers may be apart in what they say of the wall clock, which each looks at by itself.
const mostDrift = 500 * time.Millisecond

// noteNews notes what happened before the messages of b. Every reader reports that the clock was set.
func (s *shard) noteNews(b *batch) {
	if by := b.drift - s.drift; b.stepped && by.Abs() > mostDrift {
		if s.reorder != nil { // what waits is timed by the old clock
			s.send(s.release(nil, math.MaxInt64), s.passed)
			s.reorder.passed, s.passed, s.stepped = time.Time{}, time.Time{}, true
		}
		s.drift, s.wire, s.before = b.drift, s.wire.Add(by), 0
		s.track.Stepped(b.clock, by)
	} else if by = -by; b.dated && by.Abs() > mostDrift { // its reader has not looked at the clock since another did
		b.shift(by)
	}
	for _, w := range b.losses {
		s.track.Missed(event.When(w.From), event.When(w.To))
	}
}

// pass lets the time t come. Only a clock that was set back makes it come again.
func (s *shard) pass(t time.Time) {
	if s.passed.Sub(t) <= mostDrift {
		t = later(t, s.passed)
	}
	events := s.release(nil, t.UnixNano())
	s.reorder.left(t)
	s.passed = t
	s.send(s.track.Advance(events, t), t)
}

// release observes what waits and is earlier than until, Unix nanoseconds, and what the buffer has no room for.
func (s *shard) release(events []event.Event, until int64) []event.Event {
	for {
		h, ok := s.reorder.next(until)
		if !ok {
			return events
		}
		m := &h.b.messages.Messages[h.i]
		if s.reorder.passed = later(s.reorder.passed, m.Time); h.late {
			s.late.Add(1)
		}
		events = s.track.Observe(events, m, h.b.keys[h.i])
		if h.b.left == 0 {
			s.giveBack(h.b)
		}
	}
}

// end reports what the end of the capture leaves open, but for a file that was not read to its end, which is read again,
// and for calls that the checkpoint log keeps.
func (s *shard) end() {
	var events []event.Event
	if s.reorder != nil {
		events = s.release(events, math.MaxInt64)
	}
	if !s.abandoned.Load() && (!s.saves || s.cuts) {
		events = s.track.Finish(events)
	}
	s.sendCut(events, EndOfTime, s.last())
	s.track.Leave()
}

// EndOfTime is later than any event: the Clock of a shard's last Flow.
var EndOfTime = time.Unix(1<<40, 0)

func (s *shard) observe(b *batch) (events []event.Event) {
	for i := range b.messages.Messages {
		events = s.track.Advance(events, b.clocks[i])
		events = s.track.Observe(events, &b.messages.Messages[i], b.keys[i])
	}
	return s.track.Advance(events, b.clock)
}

func (s *shard) send(events []event.Event, clock time.Time) { s.sendCut(events, clock, nil) }

// sendCut sends events, and with a cut the open calls of then.
func (s *shard) sendCut(events []event.Event, clock time.Time, cut *Cut) {
	counts := s.track.Counts()
	s.counts.Store(&counts)
	f := Flow{Shard: s.number, Events: events, Clock: clock, Again: s.again}
	if s.cuts && !s.again {
		f.Cut, f.Saved = cut, s.cutSaved(cut)
	} else if !s.cuts {
		f.Saved = s.changed(clock)
	}
	s.out <- f
}
