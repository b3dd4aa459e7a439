// Package daemon is what the verb run starts: sources, one collector, the bus and the store of this host.
//
// # Feeds
//
// A feed is domains that follow each other under one number: everything live, one file, or the files of a folder. Its
// goroutine runs one domain after the other and sends what its shards give to the collector.
//
// # A stop
//
// When the context of Run ends the sources are closed, what was read is put on the bus, and the store takes what the bus
// has for it, within Patience. What the bus does not take in that time is counted, and read again at the next start.
//
// # What does not end it
//
// A source that cannot be read, a bus that takes nothing and a store that is full are waited for, logged once, and named
// by Status. Only an interface whose successor this process may not open any more ends it.
package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sipsieve/cmd/sipsieve/collector"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/source"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sipsieve/capture"
	"sipsieve/capture/afpacket"
	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/store"
	"sipsieve/store/bus"
	"sipsieve/store/policy"
	"sipsieve/store/sqlite"
)

// drainLimit is how long a stop may take from the signal to the last row.
const drainLimit = 20 * time.Second

// sweepEvery is how often the store forgets what has expired.
const sweepEvery = time.Hour

// A Daemon is what run starts: feeds, one collector, the bus and the store.
type Daemon struct {
	*config.Setup
	Options
	feeds     []*feed
	live      []liveSource
	collector *collector.Collector
	broker    *bus.Bus
	kept      store.Store // nil without one
	consumers []*bus.Consumer
	liveLog   *checkpoint.Log   // of live sources; nil without one
	logs      []*checkpoint.Log // that and those of folders
	began     time.Time
	reading   atomic.Int64 // feeds that have not ended
	ready     atomic.Bool
	swept     atomic.Uint64
	sweepErr  atomic.Bool
	unkept    atomic.Bool // a consumer has ended: the store takes no more
	mu        sync.Mutex
	troubles  map[string]string // by source: what ended it early; under mu
	own       func() error      // gives the state folder up; nil if it is another's
}

// Options are what a Daemon is given beside its Setup.
type Options struct {
	Log     *slog.Logger
	Out     io.Writer               // for the excerpts of the purpose that is shown
	Version string                  // of the program, for the status
	Leave   context.CancelCauseFunc // stops Run for a reason that no waiting mends

	Patience time.Duration // of a stop; 0 for 20 s
}

// New opens everything that s names; what it opened is closed when anything is refused. A server or an address that is
// not there is waited for until ctx ends.
func New(ctx context.Context, s *config.Setup, o Options) (d *Daemon, err error) {
	d = &Daemon{Setup: s, Options: o, began: time.Now(), troubles: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close(), roomIn(s.State))
		}
	}()
	if d.own, err = store.Own(s.State); err != nil {
		return d, fmt.Errorf("state: %w", err)
	}
	if err := d.openBus(ctx); err != nil {
		return d, err
	}
	if err := d.openStore(); err != nil {
		return d, err
	}
	if err := d.openLogs(); err != nil {
		return d, err
	}
	d.collector = d.newCollector(d.broker.Publisher())
	return d, d.openSources()
}

// newCollector returns the collector of all feeds, which puts excerpts on sink.
func (d *Daemon) newCollector(sink store.Sink) *collector.Collector {
	c := collector.Config{Site: d.Site, Sensor: d.Sensor, Purposes: d.Purposes, Records: d.Records, Sink: sink, Log: d.Log,
		Show: d.show, Checkpoints: d.liveLog, OpenCalls: d.Limits.Calls, Cut: d.saveCut}
	if d.Bus != nil && d.Bus.URL == "" {
		c.Disk = d.diskError
	}
	return collector.New(c)
}

// diskError returns why the state folder, where the embedded bus is, cannot be written, nil if it can.
func (d *Daemon) diskError() error {
	if err := Writable(d.State); err != nil {
		return fmt.Errorf("state folder %s: %w", d.State, err)
	}
	return nil
}

// saveCut returns what writes a cut of a folder's feed to the folder's checkpoint log.
func (d *Daemon) saveCut(feed int, cut *pipeline.Cut, entries []checkpoint.Entry) func() error {
	if f := d.feeds[feed].folder; f != nil {
		return f.save(cut, entries)
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

func (d *Daemon) openBus(ctx context.Context) (err error) {
	if d.Bus == nil {
		return d.Wrong("bus", "want [bus]: embedded, or with the url of a NATS server")
	}
	if d.Bus.URL != "" {
		d.broker, err = connect(ctx, d.Setup, d.Log)
		return err
	}
	room, _ := d.Bus.DiskLimit()
	plan := bus.Plan{DiskLimit: room}
	for _, p := range d.Purposes {
		plan.Streams = append(plan.Streams,
			bus.StreamConfig{Purpose: p.Name, Retain: p.BusRetain.Shortest(), Priority: p.Priority})
	}
	d.broker, err = bus.Embedded(ctx, bus.Config{Dir: filepath.Join(d.State, "bus"), Plan: plan})
	return err
}

func (d *Daemon) openStore() error {
	if d.Store == nil {
		return nil
	}
	s, err := storeOf(d.Setup)
	if err != nil {
		return err
	}
	d.kept = s
	for _, p := range d.Purposes {
		d.consumers = append(d.consumers, d.broker.Consumer(p.Name, d.consumerName()))
	}
	return nil
}

// consumerName is what the bus calls this host's store.
func (d *Daemon) consumerName() string { return "store-" + d.Sensor }

// storeOf opens the store that s names.
func storeOf(s *config.Setup) (store.Store, error) {
	return sqlite.Open(sqlite.Config{Dir: s.StorePath(), Policy: s.Policy, Today: today})
}

func today() policy.Date { return policy.DateOf(time.Now()) }

// openSources opens every source; all live ones are one domain, each file and each folder is one.
func (d *Daemon) openSources() error {
	if err := d.Overlaps(); err != nil {
		return d.Wrong("source", "%w", err)
	}
	var keys []string // of the rings and feeds, in the order of d.live
	for i := range d.Source {
		var f *feed
		var err error
		switch d.Source[i].Type {
		case "directory":
			f, err = d.openFolder(i)
		case "file":
			f, err = d.openFile(i)
		default:
			keys, err = d.openLive(i, keys)
		}
		if err != nil {
			return err
		}
		if f != nil {
			d.feeds = append(d.feeds, f)
		}
	}
	if len(d.live) == 0 {
		return nil
	}
	return d.followLive(keys)
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

// openLive opens the rings of an interface, or a HEP feed, and appends its key for each of them.
func (d *Daemon) openLive(i int, keys []string) ([]string, error) {
	key := config.SourceKey(i)
	opened, err := source.OpenLasting(&d.Source[i], uint64(i)<<56)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	for _, s := range opened {
		d.live, keys = append(d.live, liveSource{key, s}), append(keys, key)
	}
	return keys, nil
}

// followLive makes the domain of all live sources, which takes up the calls of the last run.
func (d *Daemon) followLive(keys []string) error {
	var live []capture.Source
	for _, s := range d.live {
		live = append(live, s.source)
	}
	plan := d.Plan(d.Shards, true)
	plan.Saves = d.liveLog != nil
	dom := pipeline.New(live, plan).Named(keys...)
	if err := d.restore(dom); err != nil {
		return err
	}
	d.feeds = append(d.feeds, feedOf(liveFeed, d.Trunks, dom))
	for _, s := range live {
		if ring, ok := s.(*afpacket.Source); ok {
			words, hash := ring.Filter()
			d.Log.Info("the kernel lets in", "name", ring.Name(), "filter", words, "hash", hash)
		}
	}
	return afpacket.DropCapabilities()
}

// Run runs until ctx ends, then drains: what was read is in the store, or on the bus, when it returns.
func (d *Daemon) Run(ctx context.Context) error {
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	drain, giveUp := context.WithCancel(keep)
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(cmp.Or(d.Patience, drainLimit), giveUp) })()
	var keepers errgroup.Group
	for _, c := range d.consumers {
		keepers.Go(func() error { return d.keep(keep, c) })
	}
	if d.kept != nil {
		keepers.Go(func() error { return d.sweep(keep) })
	}
	if len(d.live) > 0 {
		keepers.Go(func() error { return d.watch(keep) })
	}
	var readers errgroup.Group
	d.reading.Store(int64(len(d.feeds)))
	for i := range d.feeds {
		readers.Go(func() error { d.follow(ctx, i); return nil })
	}
	for _, l := range d.logs {
		go l.Run()
	}
	d.ready.Store(true)
	collected := make(chan error, 1)
	go func() { collected <- d.collector.Run(drain) }()
	_ = readers.Wait()
	<-ctx.Done()
	d.ready.Store(false)
	d.collector.Close()
	err := <-collected
	for _, l := range d.logs {
		err = errors.Join(err, l.Close())
	}
	d.drain(drain)
	stop()
	return errors.Join(err, keepers.Wait())
}

// keep brings what c gets into the store.
func (d *Daemon) keep(ctx context.Context, c *bus.Consumer) error {
	err := c.Run(ctx, d.kept)
	if err != nil {
		d.unkept.Store(true)
		d.Log.Error("the store takes no more", "err", err)
	}
	return err
}

// drain waits until the store has what the bus has for it, or for as long as a stop may take.
func (d *Daemon) drain(ctx context.Context) {
	for d.kept != nil && !d.unkept.Load() {
		behind, err := d.behind(ctx)
		if err != nil || behind == 0 {
			return
		}
		select {
		case <-ctx.Done():
			d.Log.Warn("stop: the store is behind, it goes on at the next start", "held", behind)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// behind returns how many excerpts are on the bus and not in this host's store.
func (d *Daemon) behind(ctx context.Context) (n uint64, err error) {
	for _, p := range d.Purposes {
		lag, err := d.broker.Lag(ctx, p.Name)
		if err != nil {
			return 0, err
		}
		for _, c := range lag.Consumers {
			if c.Name == d.consumerName() {
				n += c.Behind()
			}
		}
	}
	return n, nil
}

// sweep forgets what has expired, at the start and then once in a while.
func (d *Daemon) sweep(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		began := time.Now()
		gone, err := d.kept.Sweep(ctx, today())
		d.sweepErr.Store(err != nil && ctx.Err() == nil)
		d.swept.Add(uint64(gone))
		if err != nil && ctx.Err() == nil {
			d.Log.Error("sweep", "err", err)
		} else if gone > 0 {
			d.Log.Info("swept", "gone", gone, "took", time.Since(began))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Ledger adds up what all parts of d have counted.
func (d *Daemon) Ledger() *ledger.Ledger {
	l := ledger.New()
	for _, f := range d.feeds {
		f.addTo(l)
	}
	d.collector.AddTo(l)
	d.addStore(l)
	l.Values.Misfits = d.Records.Misfits()
	l.Host = source.HostClock().Ledger()
	l.Numbers.NoRegion = d.Records.NoRegion()
	return l
}

// Close closes what was opened, the last first.
func (d *Daemon) Close() (err error) {
	for _, f := range d.feeds {
		err = errors.Join(err, f.close())
	}
	if d.kept != nil {
		err = errors.Join(err, d.kept.Close())
	}
	if d.broker != nil {
		err = errors.Join(err, d.broker.Close())
	}
	if d.own != nil {
		err = errors.Join(err, d.own())
	}
	return err
}
