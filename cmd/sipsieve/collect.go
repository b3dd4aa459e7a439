package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/track"
	"sipsieve/store"
	"sipsieve/store/bus"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// Limits of what is put at once, and of what waits to be put.
const (
	putLimit   = 1000
	putWait    = 200 * time.Millisecond
	waitLimit  = 56   // batches
	shedLimit  = 8000 // excerpts that wait beside them
	retryFirst = 100 * time.Millisecond
	retryLast  = 5 * time.Second
	lossWait   = 5 * time.Second // before a full stream is told what it did not get
)

// A tagged flow is one of a feed, or that one of the feed's domains has ended.
type tagged struct {
	feed   int
	domain *pipeline.Domain
	flow   pipeline.Flow
	ended  bool
	taken  chan<- struct{} // then: closed when all of the domain has been counted
	done   func() error    // then: what to do when all of it is durable; nil for nothing
}

// A parcel is excerpts on their way to the bus, or what to do when all before it are there.
type parcel struct {
	excerpts []policy.Excerpt
	done     func() error
}

// A collector puts the events of all domains in order, minimises them for each purpose, and puts them on the bus.
// What is of a file waits for the bus and goes behind what is live; what is live never waits for a file's.
type collector struct {
	d        *daemon
	in       chan tagged // of live domains
	files    chan tagged // of files and folders
	out      chan parcel
	counters *ledger.Counters
	mergers  []*pipeline.Merger
	pending  []policy.Excerpt
	backlog  backlog
	waits    bool // what was taken last is of a file
	room     []byte
	losses   []*cpni.Loss // by purpose: what is still to be announced
	lost     chan lossOf
	saved    []checkpoint.Entry         // for the log of live calls
	newest   int                        // how many of them there were when the old ones went last
	frozen   []byte                     // of one call, for one purpose
	stuck    atomic.Pointer[standstill] // nil while the bus takes what is put
}

func newCollector(d *daemon) *collector {
	return &collector{d: d, in: make(chan tagged, 64), files: make(chan tagged, 64), out: make(chan parcel, waitLimit),
		backlog:  backlog{out: make(chan parcel, waitLimit)},
		counters: ledger.NewCounters(d.PurposeNames()), losses: make([]*cpni.Loss, len(d.Purposes)), lost: make(chan lossOf, 1024)}
}

// close says that no domain sends any more.
func (c *collector) close() {
	close(c.in)
	close(c.files)
}

// of returns where flows of dom are sent.
func (c *collector) of(dom *pipeline.Domain) chan<- tagged {
	if dom.Waits() {
		return c.files
	}
	return c.in
}

// run returns when everything is put, or given up when ctx ends.
func (c *collector) run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- c.put(ctx) }()
	c.collect()
	return <-done
}

// collect makes parcels of what comes in until no domain sends any more. No other goroutine touches the purposes.
func (c *collector) collect() {
	c.mergers = make([]*pipeline.Merger, len(c.d.feeds))
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
		case l := <-c.lost:
			c.note(l)
		case <-ticker.C:
			c.waits = false
			c.announce(lossWait)
			c.flush()
			c.backlog.flush()
			c.save()
		}
	}
	c.waits = false
	c.announce(0)
	c.finish()
	close(c.out)
	close(c.backlog.out)
}

func (c *collector) take(t tagged) {
	c.waits = t.domain.Waits()
	if t.ended {
		close(t.taken)
		c.mergers[t.feed] = nil
		if c.waits {
			c.backlog.then(t.done)
		} else {
			c.flush()
		}
		return
	}
	if c.mergers[t.feed] == nil {
		m := pipeline.NewMerger(t.domain)
		m.Keep = c.keep
		m.Cut = func(cut *pipeline.Cut, saved []track.Saved) { c.cut(t.feed, cut, saved) }
		c.mergers[t.feed] = m
	}
	c.mergers[t.feed].Add(t.flow, c.tell)
}

// tell minimises ev for every purpose.
func (c *collector) tell(ev *track.Event) {
	r, ok := c.d.Records.Record(ev)
	if !ok {
		return
	}
	for i := range c.d.Purposes {
		c.add(i, &r)
	}
	if c.waits {
		c.backlog.fill()
	} else if len(c.pending) >= putLimit {
		c.flush()
	}
}

// add makes the excerpt of one purpose. One that has expired already is suppressed.
func (c *collector) add(i int, r *cpni.Record) {
	r.Site, r.Sensor, r.Received = c.d.Site, c.d.Sensor, time.Now()
	if cap(c.room)-len(c.room) < 4<<10 {
		c.room = make([]byte, 0, 256<<10)
	}
	x, ok := c.d.Purposes[i].Minimise(c.room, r)
	if !ok {
		return
	}
	c.room = c.room[:min(len(c.room)+len(x.Body()), cap(c.room))]
	c.counters.Make(i)
	if x.Expired(today()) {
		c.counters.Suppress(i, "expired", 1)
		return
	}
	if c.waits {
		c.backlog.excerpts = append(c.backlog.excerpts, x)
		return
	}
	c.pending = append(c.pending, x)
}

// flush sends what is pending of live domains on its way, as far as there is room.
func (c *collector) flush() {
	for len(c.pending) > 0 {
		n := min(len(c.pending), putLimit)
		select {
		case c.out <- parcel{excerpts: c.pending[:n:n]}:
		default:
			c.shed()
			return
		}
		c.pending = append(make([]policy.Excerpt, 0, putLimit), c.pending[n:]...)
	}
}

// put puts batch after batch on the bus; what cannot be put now is put again. After what it gives up nothing is done
// that relies on it: a file is read again, and calls are restored as they were.
func (c *collector) put(ctx context.Context) (err error) {
	sink := c.d.bus.Publisher()
	gone := 0
	for p, open := c.next(); open; p, open = c.next() {
		switch {
		case p.done == nil:
			if err == nil {
				err = c.putAll(ctx, sink, p.excerpts)
			}
			if err != nil {
				gone += c.giveUp(p.excerpts)
			}
		case err == nil:
			if err := p.done(); err != nil {
				c.d.log.Error("checkpoint", "err", err)
			}
		}
	}
	if err != nil {
		c.d.log.Error("excerpts given up", "count", gone, "err", err)
	}
	return err
}

// putAll puts xs, as often as it takes until ctx ends.
func (c *collector) putAll(ctx context.Context, sink *bus.Publisher, xs []policy.Excerpt) error {
	for wait := retryFirst; ; wait = min(2*wait, retryLast) {
		err := sink.Put(ctx, xs)
		c.came(len(xs), err)
		var refused store.Refused
		switch {
		case errors.As(err, &refused):
			c.refuse(xs, refused)
			return nil
		case errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil:
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			continue
		case err != nil:
			return err
		}
		c.acknowledge(xs, nil)
		return nil
	}
}

// giveUp counts what is not put because the daemon has to end, and returns how many that are.
func (c *collector) giveUp(xs []policy.Excerpt) int {
	for i := range xs {
		c.counters.Suppress(c.purpose(xs[i].Purpose), "unavailable", 1)
	}
	return len(xs)
}

// acknowledge counts what is durable now: all of xs but the refused ones of each purpose.
func (c *collector) acknowledge(xs []policy.Excerpt, refused map[int]uint64) {
	counts := make([]uint64, len(c.d.Purposes))
	for i := range xs {
		counts[c.purpose(xs[i].Purpose)]++
	}
	for i, n := range counts {
		c.counters.Acknowledge(i, n-refused[i])
	}
	if len(refused) == 0 {
		c.d.show(xs)
	}
}

// refuse counts what the bus did not take, and has it announced.
func (c *collector) refuse(xs []policy.Excerpt, refused store.Refused) {
	gone := map[int]uint64{}
	for _, r := range refused {
		i, n := c.purpose(r.Purpose), uint64(r.Count)
		reason := "refused"
		switch {
		case errors.Is(r.Err, store.ErrFull):
			reason = "full"
		case errors.Is(r.Err, store.ErrTooLarge):
			reason = "too_large"
		}
		gone[i] += n
		c.counters.Suppress(i, reason, n)
		c.d.log.Error("bus took no more", "purpose", r.Purpose, "count", n, "reason", reason)
		select {
		case c.lost <- lossOf{purpose: i, count: n, at: time.Now(), reason: reason}:
		default: // it stands in the ledger all the same
		}
	}
	c.acknowledge(xs, gone)
}

func (c *collector) purpose(name string) int {
	for i, p := range c.d.Purposes {
		if p.Name == name {
			return i
		}
	}
	return 0
}

// show prints the excerpts of the purpose that the configuration names.
func (d *daemon) show(xs []policy.Excerpt) {
	for i := range xs {
		if xs[i].Purpose == d.Show {
			fmt.Fprintf(d.out, "%s\n", xs[i].Body())
		}
	}
}
