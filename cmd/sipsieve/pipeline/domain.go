// Package pipeline follows sources of packets to the events of the calls in them.
//
// A Domain has a reader for every source and shards that share its calls; a Merger puts the events of the shards in
// one order. The pipeline knows no purpose, no policy and no store.
//
// # Clock
//
// The sources of a Domain share one clock: the packets' own times, never the time at which somebody looked. Only a
// live Domain moves it on in silence, by the time waited.
//
// # Order
//
// The shards of a live Domain take messages in the order of packet time, up to the least watermark of its readers.
// A source that is down, absent or has ended is not waited for. What comes behind the watermark, or finds that the
// reorder buffer was full, is taken at once and counted as late.
package pipeline

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/devices"
	"sipsieve/sip/event"
	"sipsieve/sip/legs"
	"sipsieve/sip/track"
)

// A Domain is the sources that share a clock, and the shards that follow them: one file, or everything live.
type Domain struct {
	readers []*reader
	shards  []*shard
	legs    *legs.Legs // the Merger's
	out     chan Flow
	waits   bool          // a file can wait, a wire cannot
	eager   bool          // messages do not wait for others
	full    atomic.Uint64 // messages that a full shard had no room for
	clock   atomic.Int64  // of everything live: the latest packet time handed over, nanoseconds
	endCut  Cut           // behind everything; its clock is set when the readers have ended

	// Early is called with the key of a source and what ended it before its time; nil for nobody. It is set before Run.
	Early func(key string, err error)

	devices      *devices.Devices // the Merger's
	deviceCounts atomic.Pointer[devices.Counts]
}

// A Plan is what a Domain is made from.
type Plan struct {
	Shards    int // trackers that share the calls, at least 1
	Keyer     event.Keyer
	Selection sip.Selection
	Limits    track.Limits
	Budgets   track.Budgets // of the host, of which this Domain has a part; none without
	Stages    event.Stages
	Linking   *event.Linking // nil when no purpose asks for legs
	Links     []string       // headers by which legs name each other
	Devices   int            // how many are remembered; 0 if nobody asks for them
	Trunks    int            // how many trunks there are
	TrunkOf   func(a netip.Addr, vlan uint16) int
	Live      bool
	Reorder   int  // bytes of messages that all shards of a live Domain hold back at most; 0 for DefaultReorder
	Saves     bool // open calls go into the checkpoint log, and are not reported as partial at the end
	Eager     bool // hand over every message at once: somebody watches

	// Resume gives a shard the calls that began before what a Resumable Source gives again, those of its number; nil for
	// none. Shards call it at once.
	Resume func(shard int, t *track.Tracker)
}

// New returns the Domain of sources; a Domain that is not live has one.
func New(sources []capture.Source, p Plan) *Domain {
	d := &Domain{out: make(chan Flow, 4*p.Shards), waits: !p.Live, eager: p.Live || p.Eager,
		legs: legs.New(legs.DefaultLimits(p.Limits.Calls)), devices: devices.New(p.Devices, p.Keyer)}
	d.deviceCounts.Store(new(devices.Counts))
	d.legs.Share(p.Budgets.Legs)
	d.devices.Share(p.Budgets.Devices)
	for i := range p.Shards {
		s := newShard(i, p, d)
		s.begin(sources)
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
			r.filling = append(r.filling, new(batch))
		}
		d.readers = append(d.readers, r)
	}
	return d
}

// Named gives the sources of d their keys in the configuration, in their order.
func (d *Domain) Named(keys ...string) *Domain {
	for i, key := range keys {
		d.readers[i].key = key
	}
	return d
}

// Waits reports whether the sources of d can wait for whoever takes its Flows, as a file can.
func (d *Domain) Waits() bool { return d.waits }

// Flows returns what the shards send. It is closed when Run returns.
func (d *Domain) Flows() <-chan Flow { return d.out }

// Run reads the sources to their ends, or until ctx ends, and closes Flows when the last event has left.
// It returns what ended a source, nil at the end of a file.
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
		s.abandoned.Store(d.waits && ctx.Err() != nil)
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

// Reading reports whether d has sources of that key, and whether one of them is still read.
func (d *Domain) Reading(key string) (known, reading bool) {
	for _, r := range d.readers {
		if r.key == key {
			known = true
			reading = reading || !r.over.Load()
		}
	}
	return known, reading
}
