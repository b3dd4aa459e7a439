// Package daemon is what the verb run starts. Its parts follow from the sections of the configuration: a host with
// sources has a collector, which puts excerpts on the streams of the host's embedded bus, its spool. From there keepers
// bring them to the store of the host, to the hub, or to both. A host without sources keeps what the hub has.
//
// # Feeds
//
// A feed is domains that follow each other under one number: everything live, one file, or the files of a folder. Its
// goroutine runs one domain after the other and sends what its shards give to the collector.
//
// # A stop
//
// When the context of Run ends the sources are closed, what was read is put on the spool, and the keepers bring on what
// is there, within Patience. A hub or a store that takes nothing then is not waited for: the spool keeps what is for it.
//
// # What does not end it
//
// A source that cannot be read, a disk that is full, a hub that is away, also at the start, and a stream or a store that
// takes nothing are waited for, logged once, and named by Status; each holds up only what needs it. Only an interface
// whose successor this process may not open any more ends it.
package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sipsieve/capture"
	"sipsieve/capture/afpacket"
	"sipsieve/cmd/sipsieve/archive"
	"sipsieve/cmd/sipsieve/collector"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/coverage"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/cmd/sipsieve/source"
	"sipsieve/store"
	"sipsieve/store/bus"
	"sipsieve/store/disk"
	"sipsieve/store/policy"
)

// drainLimit is how long a stop may take from the signal to the last row.
const drainLimit = 20 * time.Second

// A Daemon is what run starts.
type Daemon struct {
	*config.Setup
	Options
	*troubles
	live     *liveSources
	logs     *checkpoints
	reading  *reading
	spool    *bus.Bus // nil without sources
	hub      *bus.Bus // nil without [hub]
	keeping  *keeping
	coverage *coverage.Log // nil without sources
	reloads  reloads

	announced []func() error // of losses of OPS itself: called when their records are durable
	began     time.Time
	ready     atomic.Bool
	own       func() error // gives the state folder up; nil if it is another's
}

// Options are what a Daemon is given beside its Setup.
type Options struct {
	Log     *slog.Logger
	Out     io.Writer               // for the excerpts of the purpose that is shown
	Version string                  // of the program, for the status
	Leave   context.CancelCauseFunc // stops Run for a reason that no waiting mends
	Level   *slog.LevelVar          // of Log, which a reload may change; nil if it may not
	Reloads <-chan os.Signal        // at each the configuration is read again; nil for never

	Patience time.Duration // of a stop; 0 for 20 s
}

// New opens everything that s names; what it opened is closed when anything is refused. A hub or an address that is not
// there is waited for by Run, which goes on without it.
func New(ctx context.Context, s *config.Setup, o Options) (d *Daemon, err error) {
	d = &Daemon{Setup: s, Options: o, began: time.Now(), troubles: newTroubles(&s.Config, o.Log)}
	d.reloads.inForce, d.reloads.since = s, d.began
	d.live = &liveSources{config: &s.Config, log: o.Log}
	d.reading = &reading{log: o.Log, troubles: d.troubles, leave: o.Leave}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close(), d.diskError(nil))
		}
	}()
	if d.own, err = store.Own(s.State); err != nil {
		return d, fmt.Errorf("state: %w", err)
	}
	if err := archive.Keep(s.State, s.Policy); err != nil { // before the first record that has its hash
		return d, err
	}
	if err := d.openBus(ctx); err != nil {
		return d, err
	}
	from := d.spool
	if !s.Collects() {
		from = d.hub
	}
	if d.keeping, err = newKeeping(s, from, d.hub, o.Log); err != nil || !s.Collects() {
		return d, err
	}
	d.logs = openCheckpoints(s, o.Log)
	if err = d.openCoverage(); err != nil {
		return d, err
	}
	d.keeping.announce(d.coverage.Lose)
	d.reading.collector = d.newCollector(d.spool.Publisher())
	return d, d.openSources()
}

// newCollector returns the collector of all feeds, which puts excerpts on sink.
func (d *Daemon) newCollector(sink store.Sink) *collector.Collector {
	return collector.New(collector.Config{Site: d.Site, Sensor: d.Sensor, Purposes: d.Purposes, Records: d.Records,
		Sink: sink, Log: d.Log, Show: d.show, Disk: d.diskError, Checkpoints: d.logs.live, OpenCalls: d.Limits.Calls,
		Excerpts: d.logs.waits, Cut: d.reading.cut, Lost: d.earlierLosses(), Lose: d.coverage.Lose})
}

// diskError returns why the state folder, where the spool is, cannot be written, nil if it can and put, the error of a
// Put, is not of an error of the disk that the spool has kept.
func (d *Daemon) diskError(put error) error {
	err := disk.Writable(d.State)
	if broken := new(bus.BrokenError); err == nil && errors.As(put, broken) {
		err = broken.Why
	}
	if err != nil {
		return fmt.Errorf("state folder %s: %w", d.State, err)
	}
	return nil
}

// show prints the excerpts of the purpose that the configuration names.
func (d *Daemon) show(xs []policy.Excerpt) {
	for i := range xs {
		if xs[i].Purpose == d.Show {
			fmt.Fprintf(d.Out, "%s\n", xs[i].Body())
		}
	}
}

// openBus opens the hub and the spool, as far as the host has them.
func (d *Daemon) openBus(ctx context.Context) (err error) {
	if d.Hub != nil {
		if d.hub, err = connect(d.Setup); err != nil {
			return err
		}
	}
	if !d.Collects() {
		return nil
	}
	c := bus.Config{Dir: filepath.Join(d.State, "bus"), Plan: spoolPlan(d.Setup), Reopened: d.spoolReopened}
	if d.Store != nil {
		c.Keepers = append(c.Keepers, storeConsumer(d.Sensor))
	}
	if d.Hub != nil {
		c.Keepers = append(c.Keepers, hubConsumer)
	}
	if d.spool, err = bus.Embedded(ctx, c); err == nil {
		damagesOf(d.spool).write(d.Log)
	}
	return err
}

// openSources opens every source; all live ones are one domain, each file and each folder is one.
func (d *Daemon) openSources() error {
	if err := d.Overlaps(); err != nil {
		return d.Wrong("source", "%w", err)
	}
	for i := range d.Source {
		var f *feed
		var err error
		switch d.Source[i].Type {
		case "directory":
			f, err = openFolder(i, d.logs, d.troubles)
		case "file":
			f, err = d.openFile(i)
		default:
			err = d.live.add(i)
		}
		if err != nil {
			return err
		}
		if f != nil {
			d.reading.feeds = append(d.reading.feeds, f)
		}
	}
	if len(d.live.list) == 0 {
		return nil
	}
	return d.followLive()
}

// openFile returns the feed of a file. A file that cannot be opened is a key that cannot be used: it is input.
func (d *Daemon) openFile(i int) (*feed, error) {
	src, key := &d.Source[i], config.SourceKey(i)
	s, err := source.OpenFile(src, src.Path, uint64(i)<<56)
	if err != nil {
		return nil, d.Wrong(key, "%w", err)
	}
	plan := d.Plan(d.Shards, false)
	plan.Eager = src.Speed > 0 || s.Piped()
	return feedOf(key, d.Trunks, pipeline.New([]capture.Source{s}, plan).Named(key)), nil
}

// followLive makes the domain of all live sources, which takes up the calls of the last run.
func (d *Daemon) followLive() error {
	plan := d.Plan(d.Shards, true)
	plan.Saves = d.logs.live != nil
	dom := pipeline.New(d.live.list, plan).Named(d.live.keys...)
	d.logs.restore(dom)
	d.reading.feeds = append(d.reading.feeds, feedOf(liveFeed, d.Trunks, dom))
	for _, s := range d.live.list {
		if ring, ok := s.(*afpacket.Source); ok {
			words, hash := ring.Filter()
			d.Log.Info("the kernel lets in", "name", ring.Name(), "filter", words, "hash", hash)
		}
	}
	return afpacket.DropCapabilities()
}

// Run runs until ctx ends, then drains: what was read is in the store, at the hub, or on the spool, when it returns.
func (d *Daemon) Run(ctx context.Context) error {
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	drain, giveUp := context.WithCancel(keep)
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(cmp.Or(d.Patience, drainLimit), giveUp) })()
	var keepers errgroup.Group
	keepers.Go(func() error { return d.keeping.run(keep) })
	if len(d.live.list) > 0 {
		keepers.Go(func() error { d.live.watch(keep); return nil })
	}
	keepers.Go(func() error { d.reloadUntil(ctx); return nil })
	err := d.prove(drain, func() error { return d.collect(ctx, drain) })
	d.keeping.drain(drain)
	stop()
	return errors.Join(err, keepers.Wait())
}

// collect reads the sources until ctx ends, and puts what was read until drain ends. Checkpoints are written meanwhile.
func (d *Daemon) collect(ctx, drain context.Context) error {
	d.ready.Store(true)
	if !d.Collects() {
		<-ctx.Done()
		d.ready.Store(false)
		return nil
	}
	d.logs.run()
	collected := make(chan error, 1)
	go func() { collected <- d.reading.collector.Run(drain) }()
	d.reading.run(ctx)
	<-ctx.Done()
	d.ready.Store(false)
	d.reading.collector.Close()
	return errors.Join(<-collected, d.logs.close())
}

// Ledger adds up what all parts of d have counted.
func (d *Daemon) Ledger() *ledger.Ledger {
	l := ledger.New()
	d.reading.addTo(l)
	if d.reading.collector != nil {
		d.reading.collector.AddTo(l)
	}
	d.addBus(l)
	if d.coverage != nil {
		d.coverage.AddTo(l)
	}
	l.Values.Misfits = d.Records.Misfits()
	l.Host = source.HostClock().Ledger()
	l.Numbers.NoRegion = d.Records.NoRegion()
	return l
}

// addBus adds what the spool and the keepers have counted.
func (d *Daemon) addBus(l *ledger.Ledger) {
	if d.spool != nil {
		n := d.spool.Traffic()
		l.Bus = ledger.Bus{Published: n.Published, OneByOne: n.OneByOne, Complaints: n.ServerErrors, Reopened: n.Reopened}
		damagesOf(d.spool).addTo(&l.Bus)
	}
	if d.keeping != nil {
		d.keeping.addTo(l)
	}
}

// Close closes what was opened, the last first.
func (d *Daemon) Close() (err error) {
	err = d.reading.close()
	if d.keeping != nil {
		err = errors.Join(err, d.keeping.close())
	}
	for _, b := range []*bus.Bus{d.spool, d.hub} {
		if b != nil {
			err = errors.Join(err, b.Close())
		}
	}
	if d.own != nil {
		err = errors.Join(err, d.own())
	}
	return err
}
