// Package pipeline follows sources of packets to the events of the calls in them.
//
// A Domain has a reader for every source and shards that share its calls; a Merger puts the events of the shards in
// one order. The pipeline depends on no purpose, policy or store.
//
// # Clock
//
// The sources of a Domain share one clock: the packets' own times, never the time at which they were read. Only a live
// Domain moves it on without packets, by the time that passes.
//
// # Order
//
// The shards of a live Domain take messages in the order of packet time, up to the least watermark of its readers.
// They do not wait for a source that is down, absent or has ended. A message behind the watermark, or released early
// because the reorder buffer was full, is taken at once and counted as late.
package pipeline

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/calls"
	"sipsieve/sip/devices"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/legs"
	"sipsieve/sip/track"
)

// A Domain is the sources that share a clock, and the shards that follow them: one file, or everything live.
type Domain struct {
	readers  []*reader
	shards   []*shard
	legs     *legs.Legs // the Merger's
	out      chan Flow
	blocking bool                          // readers wait for a full shard queue: of files, not of live sources
	eager    bool                          // readers hand over each message at once
	full     atomic.Uint64                 // messages that were dropped because a shard queue was full
	clock    atomic.Int64                  // of everything live: the latest packet time handed over, nanoseconds
	selected atomic.Pointer[sip.Selection] // by Select; nil for that of the Plan
	endCut   Cut                           // after the end of the Source; its clock is set when the readers have ended

	// Early, if not nil, is called with the key of a source and the error that ended it. It is set before Run.
	Early func(key string, err error)

	devices      *devices.Devices // the Merger's
	deviceCounts atomic.Pointer[devices.Counts]
}

// A Plan is the configuration of a Domain.
type Plan struct {
	Shards    int // trackers that share the calls, at least 1
	Keyer     event.Keyer
	Selection sip.Selection
	Limits    track.Limits
	Budgets   track.Budgets // of the host, of which this Domain has a part; none without
	Stages    event.Stages
	Linking   *event.Linking // nil if no purpose needs legs
	Links     []string       // headers by which legs name each other
	Devices   int            // how many are remembered; 0 if no purpose needs devices
	Trunks    int            // how many trunks there are
	TrunkOf   func(a netip.Addr, vlan uint16) int
	Live      bool
	Reorder   int  // limit in bytes of the reorder buffers of a live Domain together; 0 for DefaultReorder
	Saves     bool // open calls go into the checkpoint log, and are not published as partial at the end
	Eager     bool // hand over every message at once, for a terminal

	// Resume, if not nil, restores in the Tracker of a shard its calls that began before the packets that a Resumable
	// Source gives again. Shards call it concurrently.
	Resume func(shard int, t *track.Tracker)
}

// New returns the Domain of sources. One that is not live has one source.
func New(sources []capture.Source, p Plan) *Domain {
	d := &Domain{out: make(chan Flow, 4*p.Shards), blocking: !p.Live, eager: p.Live || p.Eager,
		legs: legs.New(legs.DefaultLimits(p.Limits.Calls)), devices: devices.New(p.Devices, p.Keyer)}
	d.deviceCounts.Store(new(devices.Counts))
	d.legs.Share(p.Budgets.Legs)
	d.devices.Share(p.Budgets.Devices)
	for i := range p.Shards {
		s := newShard(i, p, d)
		s.initResume(sources)
		d.shards = append(d.shards, s)
	}
	for i, s := range sources {
		r := &reader{Domain: d, number: i, source: s, sip: sip.NewReader(p.Selection, sip.DefaultLimits()), keyer: p.Keyer}
		r.mark.Store(unfollowed)
		if s, ok := s.(capture.Watermarked); ok && p.Live {
			r.marked = s
			r.mark.Store(unsettled)
		}
		r.sip.Links(p.Links...)
		if again, ok := s.(Resumable); ok {
			r.cuts = cutting{source: again, again: again.Again()}
		}
		if !r.cuts.again {
			r.base.Store(new(sip.Counts))
		}
		for range d.shards {
			r.batches = append(r.batches, new(batch))
		}
		d.readers = append(d.readers, r)
	}
	return d
}

// Named sets the configuration keys of the sources of d, in their order.
func (d *Domain) Named(keys ...string) *Domain {
	for i, key := range keys {
		d.readers[i].key = key
	}
	return d
}

// Select has the readers look at the headers of s from their next packets on. What is known of calls by then stays as it
// is. It may be called from any goroutine.
func (d *Domain) Select(s sip.Selection) { d.selected.Store(&s) }

// Waits reports whether the readers of d wait for the receiver of its Flows: those of files do.
func (d *Domain) Waits() bool { return d.blocking }

// Flows returns what the shards send. It is closed when Run returns.
func (d *Domain) Flows() <-chan Flow { return d.out }

// Run reads the sources to their ends, or until ctx ends, and closes Flows after the last event. It returns the errors
// that ended sources, nil at the ends of files.
func (d *Domain) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = d.Close() })()
	var readers, shards errgroup.Group
	for _, s := range d.shards {
		shards.Go(s.run)
	}
	for _, r := range d.readers {
		readers.Go(func() error { return d.read(r) })
	}
	err := readers.Wait()
	for _, r := range d.readers {
		d.endCut.clock = later(d.endCut.clock, r.clock)
	}
	for _, s := range d.shards {
		s.abandoned.Store(d.blocking && ctx.Err() != nil)
		close(s.in)
	}
	err = errors.Join(err, shards.Wait())
	close(d.out)
	return err
}

// Follow runs d and calls each with its events in order, in this goroutine. It returns what Run does.
func (d *Domain) Follow(ctx context.Context, each func(*event.Event)) error {
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	m := NewMerger(d)
	for f := range d.out {
		m.Add(f, each)
	}
	return <-done
}

// Close closes the sources. Run does so when it ends early; a Domain that never ran has to be closed.
func (d *Domain) Close() (err error) {
	for _, r := range d.readers {
		err = errors.Join(err, r.source.Close())
	}
	return err
}

// read reads one source to its end.
func (d *Domain) read(r *reader) error {
	err := r.run()
	if err != nil && d.Early != nil {
		d.Early(r.key, err)
	}
	return err
}

// Reading reports whether d has sources with that key, and whether one of them is still read.
func (d *Domain) Reading(key string) (known, reading bool) {
	for _, r := range d.readers {
		if r.key == key {
			known = true
			reading = reading || !r.over.Load()
		}
	}
	return known, reading
}

// RestoreClock restores a saved clock in every shard. It is called before Run.
func (d *Domain) RestoreClock(state []byte) (err error) {
	for _, s := range d.shards {
		err = errors.Join(err, s.track.Restore(calls.Saved{State: state}, facts.Facts{}))
	}
	return err
}

// Restore restores an open call in the shard of its key. It is called before Run.
func (d *Domain) Restore(c calls.Saved, facts facts.Facts) error {
	return d.shards[int(c.Shard()[0])%len(d.shards)].track.Restore(c, facts)
}

// Resume starts the clock of a live Domain with restored calls, before its first packet.
func (d *Domain) Resume() {
	for _, s := range d.shards {
		counts := s.track.Counts()
		s.counts.Store(&counts)
		s.follow(time.Now())
	}
}

// least returns the least watermark of the readers: unsettled if one of them is, unfollowed if all are.
func (d *Domain) least() int64 {
	least := int64(unfollowed)
	for _, r := range d.readers {
		least = min(least, r.mark.Load())
	}
	return least
}

// Counts returns what d has counted. Any goroutine may call it.
func (d *Domain) Counts() (c Counts) {
	for _, s := range d.shards { // shards before readers, so that their sum is never more than the readers' total
		one := ShardCounts{*s.counts.Load(), s.others.Counts(), s.late.Load()}
		c.Shards = append(c.Shards, since(one, s.base.Load()))
	}
	c.Legs, c.Devices, c.Full = d.legs.Counts(), *d.deviceCounts.Load(), d.full.Load()
	for _, r := range d.readers {
		c.Sources = append(c.Sources, SourceCounts{r.key, r.source, since(r.sip.Counts(), r.base.Load()), r.lastLoss.Load()})
	}
	return c
}
