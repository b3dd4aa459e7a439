// Package collector makes excerpts of the events of all domains and puts them on a Sink.
//
// # Order of events
//
// The events of a domain come out of its Merger in one order: packet time, key, ordinal. In that order they are
// minimised for each purpose and put. Domains are independent of each other.
//
// # Lanes
//
// The excerpts of each purpose are put by a lane of their own: a stream that is missing, full, forbidden or slow holds
// back its purpose only. What gathers while one Put is under way goes with the next, 4,000 excerpts at most. A Put that
// may pass is tried again from 100 ms to 5 s apart, with jitter; any other error is final for its excerpts, which are
// counted and announced.
//
// # Windows
//
// The excerpts of a purpose whose finest time is coarser than a second are not put at once (policy.Purpose.Window): their
// order and moment would show more than their fields. They are gathered until the next full minute or hour of the clock, or
// until there are 4,096, and leave in one burst sorted by id. Meanwhile they lie, minimised and sealed, in a checkpoint log
// of their own, from the next tick on; what is in it counts as settled. A start takes up those of the run before, each for
// the end of its own window, as the policy of then made them; at a stop they stay. What the log's disk does not take waits
// in memory only, is settled when it is put, and leaves at a stop.
//
// # Backpressure
//
// What is of a file waits for its lanes, and so does the file's reader once 8,000 excerpts wait in one of them. It goes
// behind what is live and is never shed. What is live never waits: when 64,000 excerpts of all purposes wait (8,000 for
// each, if there are more than eight), the newest are shed, counted, and announced to their purpose as a loss record. They
// are shed of the least important purpose that stands still or has its share of that room. So a purpose that stands
// still has no more room than the others leave, and when all do, the most important ones keep theirs.
//
// # Checkpoints
//
// What changes of an open call is written to the log of live calls at the next tick, whatever the Sink does. That a call
// is over is written once every lane has settled what was released before it (put, refused or shed), for the record of
// the call is not durable earlier; so is what is written of that call afterwards. No more than 64,000 calls wait for that:
// beyond it an end is written at once, for a lane that holds as many has shed the records of calls that ended later. If
// the process is killed while a lane stands still, a call that is over is restored as an open one, and ends again by a
// timer: its record has the same id and revision as the one that other lanes put before, and shows less of the call, so
// that a store keeps the better one of both (store.Replaces).
//
// What depends on files, a cut of a folder or the end of a file, is done once every lane has settled what was released of
// files before it. When a stop gives up what a lane holds, none of that is done any more: files are read again.
package collector

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"sipsieve/store"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// Limits of what is put at once, and of how long it waits.
const (
	putLimit   = 1000                   // excerpts that go without waiting for more
	mergeLimit = 4000                   // excerpts of one Put
	putWait    = 200 * time.Millisecond // before fewer than putLimit are put, and between checkpoints
	lossWait   = 5 * time.Second        // before a loss is announced to a full stream

	lossWaitMost = time.Minute // likewise, after several announcements were refused
)

// A Config says what a Collector works on.
type Config struct {
	Site, Sensor string            // in every record
	Purposes     []*policy.Purpose // no one else uses them while the Collector runs
	Records      *cpni.Reader      // likewise
	Sink         store.Sink
	Log          *slog.Logger

	// Show is called with excerpts of one purpose that are durable; for several purposes it may run at once. nil is
	// nobody.
	Show func([]policy.Excerpt)

	// Disk returns why the disk of a Sink of this host cannot be written, nil if it can, or what a Put that ended with err
	// shows of it; nil for a Sink elsewhere.
	Disk func(err error) error

	Checkpoints *checkpoint.Log // of the calls of live sources; nil for none
	Excerpts    *checkpoint.Log // of those that wait for the end of a window; nil for none: then all leave at a stop
	OpenCalls   int             // how many of them there are at most

	Lost []Announcement          // what purposes lost before the start
	Lose func(string, cpni.Loss) // is called with each loss of a purpose, once, and may not wait; nil for nobody

	// Cut returns what writes the entries of a cut of that feed to its own checkpoint log; nil without such logs.
	Cut func(feed int, cut *pipeline.Cut, entries []checkpoint.Entry) func() error
}

// A Collector puts the excerpts of all domains on a Sink.
type Collector struct {
	config      Config
	counters    *ledger.Counters
	in          chan item // of live domains
	files       chan item // of files and folders
	mergers     map[int]*pipeline.Merger
	lanes       lanes
	results     chan result
	losses      []losses // by purpose
	waits       bool     // the item taken last is of a file
	room        []byte
	encoder     *Encoder
	saves       saves
	excerpts    excerptLog
	completions completions
	replacing   chan replacement
	ended       chan struct{} // closed when no domain sends any more
	givenUp     error         // why lanes have stopped
}

// An item is a flow of a feed, or says that one of the feed's domains has ended.
type item struct {
	feed    int
	domain  *pipeline.Domain
	flow    pipeline.Flow
	ended   bool
	counted chan<- struct{} // of an end: closed when all of the domain has been counted
	done    func() error    // of an end: called when all of it is durable; nil for nothing
}

// New returns a Collector, which does nothing before Run.
func New(c Config) *Collector {
	var names []string
	for _, p := range c.Purposes {
		names = append(names, p.Name)
	}
	col := &Collector{config: c, counters: ledger.NewCounters(names), in: make(chan item, 64), files: make(chan item, 64),
		mergers: map[int]*pipeline.Merger{}, encoder: NewEncoder(c.Records, c.Purposes),
		results: make(chan result, len(names)), saves: newSaves(c.Checkpoints, c.OpenCalls, defaultLimits().live),
		excerpts: newExcerptLog(c.Excerpts), completions: newCompletions(c.Log), lanes: lanes{limits: defaultLimits()},
		replacing: make(chan replacement), ended: make(chan struct{})}
	for i, p := range c.Purposes {
		col.lanes.all = append(col.lanes.all, &lane{purpose: p, priority: p.Priority, windows: windows{log: &col.excerpts},
			publisher: newPublisher(&c, i, col.counters, col.results)})
		l := newLosses(p.Name, c.Lose)
		for _, lost := range c.Lost {
			if lost.Purpose == p.Name {
				l.earlier = append(l.earlier, &lost)
			}
		}
		col.losses = append(col.losses, l)
	}
	col.restore()
	return col
}

// Send hands over a flow of a domain of that feed. It waits while the Collector is behind; a file's also while the Sink
// is.
func (c *Collector) Send(feed int, d *pipeline.Domain, f pipeline.Flow) {
	c.channel(d) <- item{feed: feed, domain: d, flow: f}
}

// End says that no flow of d follows and returns when all of it has been counted, legs and devices too. done is called
// when all of it is durable; nil is nothing to call.
func (c *Collector) End(feed int, d *pipeline.Domain, done func() error) {
	counted := make(chan struct{})
	c.channel(d) <- item{feed: feed, domain: d, ended: true, counted: counted, done: done}
	<-counted
}

// channel returns where items of d are sent.
func (c *Collector) channel(d *pipeline.Domain) chan<- item {
	if d.Waits() {
		return c.files
	}
	return c.in
}

// Close says that no domain sends any more: Run returns when everything is put.
func (c *Collector) Close() {
	close(c.in)
	close(c.files)
}

// Run returns when everything is put, or given up when ctx ends.
func (c *Collector) Run(ctx context.Context) error {
	for _, l := range c.lanes.all {
		go l.publisher.run(ctx)
	}
	go c.completions.run()
	c.collect()
	return c.givenUp
}

// collect works on what comes in until no domain sends any more. No other goroutine touches the purposes.
func (c *Collector) collect() {
	ticker := time.NewTicker(putWait)
	defer ticker.Stop()
	live, files := c.in, c.files
	for live != nil || files != nil {
		select {
		case t, open := <-live:
			if open {
				c.take(t)
			} else {
				live = nil
			}
		case t, open := <-c.withRoom(files):
			if open {
				c.take(t)
			} else {
				files = nil
			}
		case r := <-c.results:
			c.settle(r)
		case r := <-c.replacing:
			c.replace(r)
		case <-ticker.C:
			c.tick()
		}
	}
	close(c.ended)
	c.finish()
}

// withRoom returns files while there is room for what comes of them, else nil.
func (c *Collector) withRoom(files chan item) <-chan item {
	if c.lanes.takesFiles() && len(c.completions.waiting) < c.lanes.limits.cuts {
		return files
	}
	return nil
}

// take works on one item.
func (c *Collector) take(t item) {
	c.waits = t.domain.Waits()
	if t.ended {
		close(t.counted)
		delete(c.mergers, t.feed)
		if c.waits {
			c.completions.add(c.lanes.fileMark(), t.done)
		}
		c.lanes.flush()
		return
	}
	m := c.mergers[t.feed]
	if m == nil {
		m = pipeline.NewMerger(t.domain)
		m.Keep = c.keep
		m.Cut = func(cut *pipeline.Cut, saved []calls.Saved) { c.cut(t.feed, cut, saved) }
		c.mergers[t.feed] = m
	}
	m.Add(t.flow, c.emit)
}

// emit makes the excerpts of ev for every purpose.
func (c *Collector) emit(ev *event.Event) {
	r, ok := c.config.Records.Record(ev)
	if !ok {
		return
	}
	for i := range c.config.Purposes {
		c.add(i, &r)
	}
	if !c.waits {
		c.shed()
	}
}

// add makes the excerpt of one purpose. One that has expired already is suppressed.
func (c *Collector) add(purpose int, r *cpni.Record) {
	r.Site, r.Sensor, r.Received = c.config.Site, c.config.Sensor, time.Now()
	l := c.lanes.all[purpose]
	room, size := &c.room, 256<<10
	if c.config.Purposes[purpose].Window() > 0 {
		room, size = &l.room, 32<<10
	}
	if cap(*room)-len(*room) < 4<<10 {
		*room = make([]byte, 0, size)
	}
	x, ok := c.config.Purposes[purpose].Minimise(*room, r)
	if !ok {
		return
	}
	*room = (*room)[:min(len(*room)+len(x.Body()), cap(*room))]
	c.counters.Make(purpose)
	switch {
	case x.Expired(policy.DateOf(time.Now())):
		c.counters.Suppress(purpose, "expired", 1)
	case !l.add(x, c.waits):
		c.counters.Suppress(purpose, "unavailable", 1)
	case l.windows.full():
		c.leave(purpose, func(*window) bool { return true })
	}
}

// shed drops live excerpts when there is no room for more, and has them announced.
func (c *Collector) shed() {
	for c.lanes.live() >= c.lanes.limit() {
		i := c.lanes.victim()
		dropped := c.lanes.all[i].shed(c.lanes.limits.shed)
		n := uint64(len(dropped))
		c.counters.Suppress(i, "overflow", n)
		c.lose(i, dropped, []loss{{n, "overflow"}})
	}
}

// settle takes note of what became of a batch.
func (c *Collector) settle(r result) {
	l := c.lanes.all[r.number]
	if r.err != nil {
		c.giveUp(r.number, l.end(), r.err)
		return
	}
	var refused []uint64 // places of live excerpts
	switch l.busy {
	case &l.live:
		refused = l.live.taken[len(l.live.taken)-min(r.tail, len(l.live.taken)):]
	case &l.windows.leaving:
		refused = l.windows.put(r.tail)
	}
	l.settle()
	c.lose(r.number, refused, r.lost)
	c.completions.release(&c.lanes)
}

// giveUp counts n excerpts of a purpose that are lost because its publisher gave up.
func (c *Collector) giveUp(purpose, n int, err error) {
	name := c.lanes.all[purpose].purpose.Name
	if n == 0 {
		c.config.Log.Info("excerpts that are not put wait for the next start", "purpose", name, "err", err)
		return
	}
	c.counters.Suppress(purpose, "unavailable", uint64(n))
	c.config.Log.Error("excerpts given up", "purpose", name, "count", n, "err", err)
	c.givenUp = errors.Join(c.givenUp, err)
	c.completions.stop()
}

// keep notes what a shard saved of an open call. What purposes may keep of its texts is made here and now, so that
// no text goes any further.
func (c *Collector) keep(s *calls.Saved) { c.saves.add(c.encoder.Append(nil, s)) }

// cut has the checkpoint log of a feed written: how far its files were read and the calls that were open then, once
// everything is durable that was released before.
func (c *Collector) cut(feed int, cut *pipeline.Cut, saved []calls.Saved) {
	if c.config.Cut == nil {
		return
	}
	var list []checkpoint.Entry
	for i := range saved {
		list = c.encoder.Append(list, &saved[i])
	}
	c.completions.add(c.lanes.fileMark(), c.config.Cut(feed, cut, list))
}

// tick puts what has waited for putWait, and writes what is to be written of calls.
func (c *Collector) tick() {
	now := time.Now()
	c.announce(now)
	c.leaveAll(func(w *window) bool { return w.over(now) })
	c.lanes.flush()
	c.excerpts.write()
	c.takeLate()
	c.completions.release(&c.lanes)
	c.saves.release(&c.lanes)
	c.saves.write()
}

// finish puts what is left when no domain sends any more, and writes what is to be written.
func (c *Collector) finish() {
	c.repeatLosses()
	c.announce(time.Now().Add(lossWaitMost))
	c.keepWindows()
	for c.lanes.flush(); !c.lanes.empty(); c.lanes.flush() {
		c.settle(<-c.results)
	}
	c.flushExcerpts()
	for _, l := range c.lanes.all {
		close(l.publisher.batches)
	}
	c.completions.finish(&c.lanes)
	c.saves.release(&c.lanes)
	c.saves.finish()
}
