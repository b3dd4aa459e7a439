package main

import (
	"context"
	"errors"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/track"
)

// A domain is the sources that share a clock, and the shards that follow them: one file, or everything live.
type domain struct {
	readers []*reader
	shards  []*shard
	legs    *track.Legs // the collector's
	out     chan flow
	waits   bool          // a file can wait, a wire cannot
	eager   bool          // messages do not wait for others
	full    atomic.Uint64 // messages that a full shard had no room for
	clock   atomic.Int64  // of everything live: the latest packet time handed over, nanoseconds
	trunks  trunkNumbers
	early   func(key string, err error) // is told what ended a source before its time; nil if nobody asks

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
	linking   *track.Linking // nil when no purpose asks for legs
	links     []string       // headers by which legs name each other
	devices   int            // how many are remembered; 0 if nobody asks for them
	trunks    trunkNumbers
	live      bool
	saves     bool // open calls are kept in the journal, and not told as partial at the end
	eager     bool // hand over every message at once: somebody watches
}

// newDomain returns the domain of sources; a domain that is not live has one.
func newDomain(sources []capture.Source, p domainPlan) *domain {
	d := &domain{out: make(chan flow, 4*p.shards), waits: !p.live, eager: p.live || p.eager, trunks: p.trunks,
		legs: track.NewLegs(track.DefaultLegLimits(p.limits.Calls)), devices: track.NewDevices(p.devices, p.keyer)}
	d.deviceCounts.Store(new(track.DeviceCounts))
	for i := range p.shards {
		s := newShard(i, p, d.out)
		s.domain = &d.clock
		if len(sources) > 1 {
			s.hold = new(hold)
		}
		d.shards = append(d.shards, s)
	}
	for _, s := range sources {
		r := &reader{domain: d, source: s, sip: sip.NewReader(p.selection, sip.DefaultLimits()), keyer: p.keyer}
		r.sip.Links(p.links...)
		for range d.shards {
			r.filling = append(r.filling, new(batch))
		}
		d.readers = append(d.readers, r)
	}
	return d
}

// of names the sources of d by their keys in the configuration, in their order.
func (d *domain) of(keys ...string) *domain {
	for i, key := range keys {
		d.readers[i].key = key
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
		readers.Go(func() error { return d.read(r) })
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

// read reads one source to its end.
func (d *domain) read(r *reader) error {
	err := r.run()
	if err != nil && d.early != nil {
		d.early(r.key, err)
	}
	return err
}
