package pipeline

import (
	"cmp"
	"math"
	"sync/atomic"
	"time"

	"sipsieve/capture"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"sipsieve/sip/track"
)

// saveEvery is how often a shard sends the checkpoints that have changed.
const saveEvery = time.Second

// liveTick is how often a live domain's clock moves on in silence.
const liveTick = 50 * time.Millisecond

// A Flow is what a shard sends to the Merger. No event before Clock follows from that shard.
type Flow struct {
	Shard  int
	Events []event.Event
	Saved  []calls.Saved // checkpoints that have changed
	Clock  time.Time
	Again  bool // Events are of packets that were read before a restart: they were published then
	Cut    *Cut // the cut of Saved; nil of a Domain without cuts
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
	reorder *reorder // nil for a file: its one reader keeps the order

	clock   time.Time     // the domain's clock, as far as packets have moved it
	clockAt time.Time     // the time of day at which it was set
	drift   time.Duration // the sum of all steps of the wall clock
	before  int64         // the domain's clock at the last tick
	passed  time.Time     // up to which everything was sent
	stepped bool          // the wall clock was stepped: a watermark that was read before is of the old clock

	savedAt time.Time

	cuts   bool // the Source is Resumable: open calls are saved at its cuts only
	again  bool // what is taken was read before the restart
	atCut  bool // the last batch ended with a cut
	resume func(shard int, t *track.Tracker)
	base   atomic.Pointer[ShardCounts] // counted of packets that were read before the restart; nil until all of them came

	abandoned atomic.Bool
	late      atomic.Uint64 // messages that came behind the watermark
	counts    atomic.Pointer[track.Counts]
	others    *track.Others
}

// queued is the length of a shard's queue in batches: short for a file, whose reader waits; for a live source as long
// as a pause of the shard may need.
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

// spare returns an empty batch, a recycled one if there is one.
func (s *shard) spare() *batch {
	select {
	case b := <-s.free:
		b.reset()
		return b
	default:
		return new(batch)
	}
}

// recycle returns b to the readers.
func (s *shard) recycle(b *batch) {
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
			s.onTick()
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

// onTick moves the clock of a shard that gets no packets to the domain's clock of the tick before: all batches of that
// time have come, if the queue is empty.
func (s *shard) onTick() {
	t := time.Unix(0, s.before).UTC()
	if s.before != 0 && len(s.in) == 0 {
		s.follow(t)
	}
	s.before = s.domain.clock.Load()
}

// running returns the domain's clock: as moved by packets, and the time that has passed since.
func (s *shard) running() time.Time {
	if s.clock.IsZero() {
		return s.clock
	}
	return s.clock.Add(time.Since(s.clockAt))
}

// follow sets the running clock of a live domain to t, if that is later.
func (s *shard) follow(t time.Time) {
	if s.clock.IsZero() || t.After(s.running()) {
		s.clock, s.clockAt = t, time.Now()
	}
}

// take observes the batch b of a file.
func (s *shard) take(b *batch) {
	if b.resumed {
		s.finishResume()
	}
	s.atCut = b.cut != nil
	s.noteNews(b)
	s.clock = later(s.clock, b.clock)
	s.sendCut(s.observe(b), s.clock, b.cut)
	s.recycle(b)
}

// takeLive puts b and all batches behind it into the reorder buffer, and advances to the least watermark that the
// readers had before.
func (s *shard) takeLive(b *batch) {
	least := s.domain.least() // read first: everything before it is in the queue by now
	if b != nil {
		s.hold(b)
	}
	for range len(s.in) {
		b, open := <-s.in
		if !open {
			break
		}
		s.hold(b)
	}
	switch {
	case s.stepped:
		s.stepped = false
	case least == unfollowed && !s.clock.IsZero():
		s.advance(s.running())
	case least != unfollowed && least != unsettled:
		s.advance(time.Unix(0, least).UTC())
	}
}

// hold puts b into the reorder buffer.
func (s *shard) hold(b *batch) {
	s.noteNews(b)
	s.follow(b.clock)
	if !s.reorder.add(b) {
		s.recycle(b)
	}
	if s.reorder.bytes > s.reorder.limit {
		s.send(s.release(nil, math.MinInt64), s.passed)
	}
}

// mostDrift is the largest difference between the drifts that two readers report, which each reads the clock by itself.
const mostDrift = 500 * time.Millisecond

// noteNews applies the losses and steps of the clock before the messages of b. Every reader reports each step.
func (s *shard) noteNews(b *batch) {
	if by := b.drift - s.drift; b.stepped && by.Abs() > mostDrift {
		if s.reorder != nil { // the messages that it holds have times of the old clock
			s.send(s.release(nil, math.MaxInt64), s.passed)
			s.reorder.passed, s.passed, s.stepped = time.Time{}, time.Time{}, true
		}
		s.drift, s.clock, s.before = b.drift, s.clock.Add(by), 0
		s.track.Stepped(b.clock, by)
	} else if by = -by; b.dated && by.Abs() > mostDrift { // its reader has not read the clock since another did
		b.shift(by)
	}
	for _, w := range b.losses {
		s.track.Missed(event.When(w.From), event.When(w.To))
	}
}

// advance releases the messages before t and moves the Tracker to t. t goes back only if the clock was set back.
func (s *shard) advance(t time.Time) {
	if s.passed.Sub(t) <= mostDrift {
		t = later(t, s.passed)
	}
	events := s.release(nil, t.UnixNano())
	s.reorder.setPassed(t)
	s.passed = t
	s.send(s.track.Advance(events, t), t)
}

// release observes the messages before until (Unix nanoseconds), and those that exceed the buffer's limit.
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
			s.recycle(h.b)
		}
	}
}

// end publishes what is open at the end of the capture, except for a file that was not read to its end, which will be
// read again, and for calls that the checkpoint log keeps.
func (s *shard) end() {
	var events []event.Event
	if s.reorder != nil {
		events = s.release(events, math.MaxInt64)
	}
	if !s.abandoned.Load() && (!s.saves || s.cuts) {
		events = s.track.Finish(events)
	}
	s.sendCut(events, EndOfTime, s.endCut())
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

// sendCut sends events, and with a cut the checkpoints of open calls.
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

// changed returns the checkpoints that have changed, once a second and at the end.
func (s *shard) changed(clock time.Time) []calls.Saved {
	if !s.saves {
		return nil
	}
	if now := time.Now().Truncate(saveEvery); now.After(s.savedAt) || clock.Equal(EndOfTime) {
		s.savedAt = now
		return s.track.Changed(nil)
	}
	return nil
}

// finishResume restores the open calls of before the restart once all of their packets were read again, and begins to
// count.
func (s *shard) finishResume() {
	if s.resume != nil {
		s.resume(s.number, s.track)
	}
	base := ShardCounts{Track: s.track.Counts(), Others: s.others.Counts()}
	base.Track.Opened -= base.Track.Live // open calls are counted by this run
	base.Track.Live = 0
	s.base.Store(&base)
	s.again = false
}

// initResume sets up s for sources, which may be one that is Resumable.
func (s *shard) initResume(sources []capture.Source) {
	if len(sources) == 1 {
		r, ok := sources[0].(Resumable)
		s.cuts, s.again = ok, ok && r.Again()
	}
	switch {
	case s.again:
	case s.cuts && s.resume != nil:
		s.finishResume()
	default:
		s.base.Store(new(ShardCounts))
	}
}

// endCut returns the cut behind everything, which includes the calls that ended with the Source. It returns nil if the
// last batch did not end with a cut.
func (s *shard) endCut() *Cut {
	if !s.atCut {
		return nil
	}
	return &s.domain.endCut
}

// cutSaved returns the checkpoints of open calls that are saved with c.
func (s *shard) cutSaved(c *Cut) []calls.Saved {
	if c == nil || !s.saves {
		return nil
	}
	return s.track.Changed(nil)
}
