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
	source  capture.Source
	reader  *sip.Reader
	keyer   track.Keyer
	shards  []*shard
	out     chan flow
	waits   bool // a file can wait, a wire cannot
	clock   time.Time
	pending int
	handed  atomic.Uint64 // messages that reached a shard's queue or were dropped before it
	full    atomic.Uint64 // messages that a full shard had no room for
}

// A domainPlan is what a domain is made from.
type domainPlan struct {
	shards    int
	keyer     track.Keyer
	selection sip.Selection
	limits    track.Limits
	stages    track.Stages
	live      bool
}

// newDomain returns the domain of source.
func newDomain(source capture.Source, p domainPlan) *domain {
	d := &domain{
		source: source, reader: sip.NewReader(p.selection, sip.DefaultLimits()), keyer: p.keyer,
		out: make(chan flow, 4*p.shards), waits: !p.live,
	}
	for i := range p.shards {
		d.shards = append(d.shards, newShard(i, p, d.out))
	}
	return d
}

// run reads the source to its end, or until ctx ends, and closes d.out when the last event has left.
// It returns what ended the source, nil at the end of a file.
func (d *domain) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = d.source.Close() })()
	var shards errgroup.Group
	for _, s := range d.shards {
		shards.Go(s.run)
	}
	err := d.read()
	for _, s := range d.shards {
		s.abandoned.Store(d.waits && ctx.Err() != nil)
		close(s.in)
	}
	err = errors.Join(err, shards.Wait())
	close(d.out)
	return err
}

// read is the only goroutine that touches d.reader and the batches that are being filled.
func (d *domain) read() error {
	for {
		p, err := d.source.Next()
		if err != nil {
			d.flush()
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if p.Time.After(d.clock) {
			d.clock = p.Time
		}
		d.reader.Read(&p, d.take)
		if d.pending >= flushEvery || !d.waits && d.pending > 0 {
			d.flush()
		}
	}
}

// take puts m into the batch of its shard.
func (d *domain) take(m *sip.Message) {
	k := d.keyer.Of(m)
	s := d.shards[int(k.Shard[0])%len(d.shards)]
	s.filling.messages.Add(m)
	s.filling.keys = append(s.filling.keys, k)
	s.filling.clocks = append(s.filling.clocks, d.clock)
	d.pending++
	d.handed.Add(1)
}

// flush hands every shard what was gathered for it, and the clock.
func (d *domain) flush() {
	for _, s := range d.shards {
		s.filling.clock = d.clock
		if d.waits {
			s.in <- s.filling
			s.filling = s.spare()
			continue
		}
		if len(s.filling.keys) == 0 {
			continue
		}
		select {
		case s.in <- s.filling:
			s.filling = s.spare()
		default:
			d.full.Add(uint64(len(s.filling.keys)))
			s.filling.reset()
		}
	}
	d.pending = 0
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
	number  int
	track   *track.Tracker
	in      chan *batch
	free    chan *batch
	out     chan<- flow
	live    bool
	filling *batch // the reader's

	abandoned atomic.Bool
	counts    atomic.Pointer[track.Counts]
}

func newShard(number int, p domainPlan, out chan<- flow) *shard {
	s := &shard{number: number, track: track.New(p.limits), in: make(chan *batch, 64), free: make(chan *batch, 64),
		out: out, live: p.live, filling: new(batch)}
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
			wire = b.clock
			if s.live {
				looked = time.Now()
			}
			s.send(s.observe(b), b.clock)
			s.free <- b
		case <-tick:
			if !wire.IsZero() {
				now := wire.Add(time.Since(looked))
				s.send(s.track.Advance(nil, now), now)
			}
		}
	}
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
