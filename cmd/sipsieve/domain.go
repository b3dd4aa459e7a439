package main

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/track"
)

// flushEvery is how many messages a reader gathers for all shards together before it hands them over.
// It counts messages of all shards, so that what is handed over when does not depend on how many there are.
const flushEvery = 256

// liveTick is how often a live domain's clock moves on in silence.
const liveTick = 50 * time.Millisecond

// A domain is the sources that share a clock, and the shards that follow them: one file, or everything live.
type domain struct {
	readers []*reader
	shards  []*shard
	out     chan flow
	waits   bool          // a file can wait, a wire cannot
	eager   bool          // messages do not wait for others
	full    atomic.Uint64 // messages that a full shard had no room for

	devices      *track.Devices // the collector's
	deviceCounts atomic.Pointer[track.DeviceCounts]
}

// A domainPlan is what a domain is made from.
type domainPlan struct {
	shards    int
	keyer     track.Keyer
	selection sip.Selection
	limits    track.Limits
	stages    track.Stages
	devices   int // how many are remembered; 0 if nobody asks for them
	live      bool
	eager     bool // hand over every message at once: somebody watches
}

// newDomain returns the domain of sources; a domain that is not live has one.
func newDomain(sources []capture.Source, p domainPlan) *domain {
	d := &domain{out: make(chan flow, 4*p.shards), waits: !p.live, eager: p.live || p.eager,
		devices: track.NewDevices(p.devices, p.keyer)}
	d.deviceCounts.Store(new(track.DeviceCounts))
	for i := range p.shards {
		d.shards = append(d.shards, newShard(i, p, d.out))
	}
	for _, s := range sources {
		r := &reader{domain: d, source: s, sip: sip.NewReader(p.selection, sip.DefaultLimits()), keyer: p.keyer}
		for range d.shards {
			r.filling = append(r.filling, new(batch))
		}
		d.readers = append(d.readers, r)
	}
	return d
}

// run reads the sources to their ends, or until ctx ends, and closes d.out when the last event has left.
// It returns what ended a source, nil at the end of a file.
func (d *domain) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		for _, r := range d.readers {
			_ = r.source.Close()
		}
	})()
	var readers, shards errgroup.Group
	for _, s := range d.shards {
		shards.Go(s.run)
	}
	for _, r := range d.readers {
		readers.Go(r.run)
	}
	err := readers.Wait()
	for _, s := range d.shards {
		s.abandoned.Store(d.waits && ctx.Err() != nil)
		close(s.in)
	}
	err = errors.Join(err, shards.Wait())
	close(d.out)
	return err
}

// A reader reads one source and gives every message to the shard of its key.
type reader struct {
	*domain
	source  capture.Source
	sip     *sip.Reader
	keyer   track.Keyer
	filling []*batch // by shard
	clock   time.Time
	pending int
}

// run is the only goroutine that touches r. It returns what ended the source, nil at its end.
func (r *reader) run() error {
	for {
		p, err := r.source.Next()
		if err != nil {
			r.flush()
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if p.Time.After(r.clock) {
			r.clock = p.Time
		}
		r.sip.Read(&p, r.take)
		if r.pending >= flushEvery || r.eager && r.pending > 0 {
			r.flush()
		}
	}
}

// take puts m into the batch of its shard.
func (r *reader) take(m *sip.Message) {
	k := r.keyer.Of(m)
	b := r.filling[int(k.Shard[0])%len(r.filling)]
	b.messages.Add(m)
	b.keys = append(b.keys, k)
	b.clocks = append(b.clocks, r.clock)
	r.pending++
}

// flush hands every shard what was gathered for it. A file's shards get the clock even if there is nothing else,
// so that what they send does not depend on how many there are.
func (r *reader) flush() {
	for i, s := range r.shards {
		b := r.filling[i]
		b.clock = r.clock
		if r.waits {
			s.in <- b
			r.filling[i] = s.spare()
			continue
		}
		if len(b.keys) == 0 {
			continue
		}
		select {
		case s.in <- b:
			r.filling[i] = s.spare()
		default:
			r.full.Add(uint64(len(b.keys)))
			b.reset()
		}
	}
	r.pending = 0
}

// A batch is messages on their way from a reader to a shard, with their keys and the domain's clock at each.
type batch struct {
	messages sip.Batch
	keys     []track.Keys
	clocks   []time.Time
	clock    time.Time
}

func (b *batch) reset() {
	b.messages.Reset()
	b.keys, b.clocks = b.keys[:0], b.clocks[:0]
}

// A flow is events on their way from a shard to the collector. No event before clock follows from that shard.
type flow struct {
	shard  int
	events []track.Event
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

	abandoned atomic.Bool
	counts    atomic.Pointer[track.Counts]
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
	s := &shard{number: number, track: track.New(p.limits), in: make(chan *batch, queued(p)), free: make(chan *batch, queued(p)),
		out: out, live: p.live}
	s.track.Tell(p.stages)
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

// run is the only goroutine that touches s.track. It ends when the reader has closed s.in.
func (s *shard) run() error {
	var tick <-chan time.Time
	if s.live {
		ticker := time.NewTicker(liveTick)
		defer ticker.Stop()
		tick = ticker.C
	}
	var wire, looked time.Time
	for {
		select {
		case b, open := <-s.in:
			if !open {
				s.end()
				return nil
			}
			if wire = later(wire, b.clock); s.live {
				looked = time.Now()
			}
			s.send(s.observe(b), wire)
			select {
			case s.free <- b:
			default:
			}
		case <-tick:
			if !wire.IsZero() {
				now := wire.Add(time.Since(looked))
				s.send(s.track.Advance(nil, now), now)
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

// end tells what the end of the capture leaves open. A file that was not read to its end is read again: what is
// open in it is not told.
func (s *shard) end() {
	var events []track.Event
	if !s.abandoned.Load() {
		events = s.track.Finish(nil)
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
	s.out <- flow{shard: s.number, events: events, clock: clock}
}
