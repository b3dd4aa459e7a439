package pipeline

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/event"
)

// flushEvery is how many messages a reader collects for all shards together before it hands them over. Since it counts
// all shards, the moment does not depend on their number.
const flushEvery = 256

// A reader reads one source and gives every message to the shard of its key.
type reader struct {
	*Domain
	number  int
	key     string // of the source in the configuration; "" without one
	source  capture.Source
	marked  capture.Watermarked // source, if the Domain is live and source has a watermark; else nil
	mark    watermark
	sip     *sip.Reader
	keyer   event.Keyer
	batches []*batch // by shard
	clock   time.Time
	drift   time.Duration // the sum of all steps of the wall clock that the source has reported
	dated   bool          // packets are stamped by this host's clock, whose steps the source reports
	pending int
	cuts    cutting
	headers *sip.Selection             // that sip has; nil for that of the Plan
	base    atomic.Pointer[sip.Counts] // counted of packets that were read before the restart; nil until all of them came

	lastLoss atomic.Int64 // when the source last reported a loss, packet time in Unix seconds; 0 for never
	over     atomic.Bool
}

// run reads the source to its end. It is the only goroutine that uses r. It returns the error that ended the source.
func (r *reader) run() error {
	defer r.over.Store(true)
	defer r.mark.Store(unfollowed)
	for {
		p, err := r.source.Next()
		r.followResumable()
		if err != nil {
			r.flush()
			r.cut(false, true)
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		r.dated = p.Origin == capture.Interface
		r.noteNews(&p)
		if p.Time.After(r.clock) {
			r.clock = p.Time
		}
		if s := r.selected.Load(); s != r.headers {
			r.headers = s
			r.sip.Select(*s)
		}
		if p.Flow.Src.IsValid() { // a bare packet reports losses and steps only
			r.sip.Read(&p, r.take)
		}
		switch {
		case r.pending == 0:
			r.mark.settle(r.marked)
		case r.pending >= flushEvery, r.eager && !r.ready():
			r.flush()
		}
		r.cut(p.Bare() && !r.ready(), false)
	}
}

// A Prompt Source reports whether another packet is at hand. Other sources are taken to have none.
type Prompt interface{ Ready() bool }

// ready reports whether the source has another packet at hand, for whose messages those of this one may wait.
func (r *reader) ready() bool {
	s, ok := r.source.(Prompt)
	return ok && s.Ready()
}

// noteNews adds the loss before p and a step of the wall clock to the batch of every shard.
func (r *reader) noteNews(p *capture.Packet) {
	if p.Step != 0 {
		r.flush()
		r.clock, r.drift = r.clock.Add(p.Step), r.drift+p.Step
		r.Domain.clock.Store(r.clock.UnixNano())
		if r.marked != nil { // it was of the old clock
			r.mark.Store(unsettled)
		}
	}
	lost := !p.MissedSince.IsZero() // also with Missed 0: the number may be unknown
	if !lost && p.Step == 0 {
		return
	}
	if lost {
		r.lastLoss.Store(p.Time.Unix())
	}
	for _, b := range r.batches {
		if lost {
			b.losses.Add(event.Window{From: p.MissedSince.UnixNano(), To: p.Time.UnixNano()}, 0)
		}
		b.stepped = b.stepped || p.Step != 0
	}
	r.pending++
}

// take puts m into the batch of its shard.
func (r *reader) take(m *sip.Message) {
	k := r.keyer.Of(m)
	b := r.batches[int(k.Shard[0])%len(r.batches)]
	b.messages.Add(m)
	b.keys = append(b.keys, k)
	b.clocks = append(b.clocks, r.clock)
	r.pending++
}

// flush hands its batch to every shard. The shards of a file get the clock even if there is nothing else, so that what
// they send does not depend on their number; those of live sources read their domain's.
func (r *reader) flush() {
	for i, s := range r.shards {
		b := r.batches[i]
		b.reader, b.clock, b.drift, b.dated, b.again = r.number, r.clock, r.drift, r.dated, r.cuts.again
		if r.blocking {
			s.in <- b
			r.batches[i] = s.spare()
			continue
		}
		if b.empty() {
			continue
		}
		select {
		case s.in <- b:
			r.batches[i] = s.spare()
		default:
			r.full.Add(uint64(len(b.keys)))
			b.drop()
		}
	}
	r.advanceClock()
	r.mark.settle(r.marked)
	r.pending = 0
}

// advanceClock moves the domain's clock to that of r, if that is later. r has handed over everything before it.
func (r *reader) advanceClock() {
	now := r.clock.UnixNano()
	for {
		clock := r.Domain.clock.Load()
		if now <= clock || r.Domain.clock.CompareAndSwap(clock, now) {
			return
		}
	}
}

// A batch is messages on their way from a reader to a shard, with their keys and the domain's clock at each.
type batch struct {
	messages sip.Batch
	keys     []event.Keys
	clocks   []time.Time
	losses   event.Windows // packet time, before the messages
	stepped  bool          // the wall clock was stepped before the messages
	dated    bool          // packets are stamped by a clock whose steps are reported
	drift    time.Duration // of the reader
	clock    time.Time
	reader   int // that filled it
	left     int // messages in a reorder buffer
	bytes    int // that they take there

	again   bool // was read before the restart
	resumed bool // nothing of what follows was
	cut     *Cut // behind the messages
}

func (b *batch) empty() bool { return len(b.keys) == 0 && len(b.losses) == 0 && !b.stepped }

func (b *batch) reset() {
	b.messages.Reset()
	b.keys, b.clocks, b.losses, b.stepped = b.keys[:0], b.clocks[:0], b.losses[:0], false
	b.resumed, b.cut = false, nil
}

// shift adds delta to the times of b.
func (b *batch) shift(delta time.Duration) {
	b.clock = b.clock.Add(delta)
	for i := range b.clocks {
		b.clocks[i] = b.clocks[i].Add(delta)
		b.messages.Messages[i].Time = b.messages.Messages[i].Time.Add(delta)
	}
	for i := range b.losses {
		b.losses[i].From += int64(delta)
		b.losses[i].To += int64(delta)
	}
}

// drop empties a batch whose shard queue is full, and keeps the time span of its messages as a loss.
func (b *batch) drop() {
	if n := len(b.clocks); n > 0 {
		b.losses.Add(event.Window{From: b.clocks[0].UnixNano(), To: b.clocks[n-1].UnixNano()}, 0)
	}
	losses, stepped := b.losses, b.stepped
	b.reset()
	b.losses, b.stepped = losses, stepped
}

// followResumable resumes the shards at the end of the packets that the Source gives again.
func (r *reader) followResumable() {
	if r.cuts.source == nil || !r.cuts.again || r.cuts.source.Again() {
		return
	}
	r.flush()
	counts := r.sip.Counts()
	r.base.Store(&counts)
	r.cuts.again = false
	for i := range r.shards {
		r.batches[i].resumed = true
	}
	r.flush()
}

// cut makes a cut in the batches of all shards, if saveEvery has passed since the last one, if no packet is at hand
// (idle) or if none follows (last).
func (r *reader) cut(idle, last bool) {
	if r.cuts.source == nil || r.cuts.again || !idle && !last && time.Since(r.cuts.last) < saveEvery {
		return
	}
	position, ok := r.cuts.source.Cut()
	if !ok {
		return
	}
	r.cuts.last = time.Now()
	r.cuts.made++
	c := &Cut{Position: position, Idle: idle, whole: r.cuts.made == 1, clock: r.clock}
	for i := range r.shards {
		r.batches[i].cut = c
	}
	r.flush()
}
