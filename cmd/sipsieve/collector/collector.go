// Package collector makes excerpts of the events of all domains and puts them on a Sink.
//
// # Order of events
//
// The events of a domain come out of its Merger in one order: packet time, key, ordinal. In that order they are
// minimised for each purpose and put. Domains are independent of each other.
//
// # Backpressure
//
// What is of a file waits for the Sink, and so does the file's reader; it goes behind what is live. What is live never
// waits: when too much of it is pending, the newest excerpts of the least important purpose are shed, counted, and
// announced to their purpose as a loss record.
//
// # Checkpoints
//
// What a checkpoint log has to be written is written after every excerpt that was released before it is durable: a call
// is not gone from the log before its record is safe.
package collector

import (
	"context"
	"log/slog"
	"time"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"sipsieve/store"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// Limits of what is put at once, and of what waits to be put.
const (
	putLimit   = 1000                   // excerpts of a batch
	putWait    = 200 * time.Millisecond // before a batch that is not full is put
	queueLimit = 56                     // batches
	shedLimit  = 8000                   // excerpts that wait beside them
	lossWait   = 5 * time.Second        // before a loss is announced to a full stream
)

// A Config says what a Collector works on.
type Config struct {
	Site, Sensor string            // in every record
	Purposes     []*policy.Purpose // no one else uses them while the Collector runs
	Records      *cpni.Reader      // likewise
	Sink         store.Sink
	Log          *slog.Logger

	// Show is called with excerpts that are durable; nil for nobody.
	Show func([]policy.Excerpt)

	// Disk returns why the disk of a Sink of this host cannot be written, nil if it can; nil for a Sink elsewhere.
	Disk func() error

	Checkpoints *checkpoint.Log // of the calls of live sources; nil for none
	OpenCalls   int             // how many of them there are at most

	// Cut returns what writes the entries of a cut of that feed to its own checkpoint log; nil without such logs.
	Cut func(feed int, cut *pipeline.Cut, entries []checkpoint.Entry) func() error
}

// A Collector puts the excerpts of all domains on a Sink.
type Collector struct {
	config   Config
	counters *ledger.Counters
	in       chan item // of live domains
	files    chan item // of files and folders
	mergers  map[int]*pipeline.Merger
	live     liveQueue
	backlog  backlog
	waits    bool // the item taken last is of a file
	room     []byte
	losses   losses
	encoder  *Encoder
	saved    savedCalls
	put      publisher
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
	counters := ledger.NewCounters(names)
	n := losses{pending: make([]*cpni.Loss, len(names))}
	col := &Collector{config: c, counters: counters, in: make(chan item, 64), files: make(chan item, 64),
		mergers: map[int]*pipeline.Merger{}, losses: n, encoder: NewEncoder(c.Records, c.Purposes),
		live:    liveQueue{out: make(chan batch, queueLimit), purposes: c.Purposes},
		backlog: backlog{out: make(chan batch, queueLimit)},
		saved:   savedCalls{log: c.Checkpoints, most: 3 * c.OpenCalls}}
	col.put = publisher{sink: c.Sink, log: c.Log, disk: c.Disk, show: c.Show, counters: counters, purposes: c.Purposes,
		live: col.live.out, files: col.backlog.out, lost: make(chan loss, 1024)}
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

// AddTo adds the counts of excerpts to l. It may be called from any goroutine.
func (c *Collector) AddTo(l *ledger.Ledger) { c.counters.AddTo(l) }

// Standstill returns why the Sink takes nothing, nil while it takes what is put. It may be called from any goroutine.
func (c *Collector) Standstill() *Standstill { return c.put.standstill.Load() }

// Run returns when everything is put, or given up when ctx ends.
func (c *Collector) Run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- c.put.run(ctx) }()
	c.collect()
	return <-done
}

// collect makes batches of what comes in until no domain sends any more. No other goroutine touches the purposes.
func (c *Collector) collect() {
	ticker := time.NewTicker(putWait)
	defer ticker.Stop()
	live, files := c.in, c.files
	for live != nil || files != nil || len(c.backlog.waiting) > 0 {
		ready, out, next := c.backlog.offers(files)
		select {
		case t, open := <-live:
			if open {
				c.take(t)
			} else {
				live = nil
			}
		case t, open := <-ready:
			if open {
				c.take(t)
			} else {
				files = nil
			}
		case out <- next:
			c.backlog.sent()
		case l := <-c.put.lost:
			c.losses.note(l)
		case <-ticker.C:
			c.tick()
		}
	}
	c.finish()
}

// take works on one item.
func (c *Collector) take(t item) {
	c.waits = t.domain.Waits()
	if t.ended {
		close(t.counted)
		delete(c.mergers, t.feed)
		if c.waits {
			c.backlog.then(t.done)
		} else {
			c.flush()
		}
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
	if c.waits {
		c.backlog.fill()
	} else if len(c.live.pending) >= putLimit {
		c.flush()
	}
}

// add makes the excerpt of one purpose. One that has expired already is suppressed.
func (c *Collector) add(purpose int, r *cpni.Record) {
	r.Site, r.Sensor, r.Received = c.config.Site, c.config.Sensor, time.Now()
	if cap(c.room)-len(c.room) < 4<<10 {
		c.room = make([]byte, 0, 256<<10)
	}
	x, ok := c.config.Purposes[purpose].Minimise(c.room, r)
	if !ok {
		return
	}
	c.room = c.room[:min(len(c.room)+len(x.Body()), cap(c.room))]
	c.counters.Make(purpose)
	switch {
	case x.Expired(policy.DateOf(time.Now())):
		c.counters.Suppress(purpose, "expired", 1)
	case c.waits:
		c.backlog.excerpts = append(c.backlog.excerpts, x)
	default:
		c.live.pending = append(c.live.pending, x)
	}
}

// flush sends what is pending of live domains, as far as there is room; it sheds what there is no room for.
func (c *Collector) flush() {
	if c.live.flush() {
		return
	}
	for purpose, n := range c.live.shed() {
		if n > 0 {
			c.counters.Suppress(purpose, "overflow", n)
			c.losses.note(loss{purpose: purpose, count: n, seen: time.Now(), reason: "overflow"})
		}
	}
}

// keep notes what a shard saved of an open call. What purposes may keep of its texts is made here and now, so that
// no text goes any further.
func (c *Collector) keep(s *calls.Saved) { c.saved.entries = c.encoder.Append(c.saved.entries, s) }

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
	c.backlog.then(c.config.Cut(feed, cut, list))
}

// tick sends what has waited for putWait.
func (c *Collector) tick() {
	c.waits = false
	c.announce(lossWait)
	c.flush()
	c.backlog.flush()
	c.save()
}

// announce makes records of losses whose last excerpt was lost so long ago that there may be room again.
func (c *Collector) announce(after time.Duration) {
	for purpose, l := range c.losses.due(after) {
		r := cpni.OfLoss(l)
		r.Source = capture.Interface.String()
		c.add(purpose, &r)
	}
}

// save has the log of live calls written with what was kept. What is live does not wait for room: then that is written
// later.
func (c *Collector) save() {
	if len(c.saved.entries) == 0 {
		return
	}
	if c.flush(); len(c.live.pending) == 0 && c.live.send(c.saved.batch()) {
		c.saved.entries = nil
		return
	}
	c.saved.bound()
}

// finish sends what is left, when no domain sends any more.
func (c *Collector) finish() {
	c.waits = false
	c.announce(0)
	c.live.finish()
	if len(c.saved.entries) > 0 {
		c.live.out <- c.saved.batch()
	}
	close(c.live.out)
	c.backlog.finish()
}
