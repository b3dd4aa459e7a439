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

// flushEvery is how many messages a reader gathers for all shards together before it hands them over.
// It counts messages of all shards, so that what is handed over when does not depend on how many there are.
const flushEvery = 256

// A reader reads one source and gives every message to the shard of its key.
type reader struct {
	*Domain
	number  int
	key     string // of the source in the configuration; "" without one
	source  capture.Source
	marked  capture.Watermarked // source, if the Domain is live and source has a watermark; else nil
	mark    watermark           // of what was handed over
	sip     *sip.Reader
	keyer   event.Keyer
	filling []*batch // by shard
	clock   time.Time
	drift   time.Duration // by which the source has seen the wall clock set, in all
	dated   bool          // it is this host's clock that dates what comes, and the source looks whether it is set
	pending int
	cuts    cutting
	base    atomic.Pointer[sip.Counts] // what was counted of what was given again; nil before all of that came

	lastLoss atomic.Int64 // when the source last said that packets are missing, packet time in Unix seconds; 0 for never
	over     atomic.Bool
}

// run is the only goroutine that touches r. It returns what ended the source, nil at its end.
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
		r.note(&p)
		if p.Time.After(r.clock) {
			r.clock = p.Time
		}
		if p.Flow.Src.IsValid() { // else there is nothing but news
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

// A Prompt Source knows whether another packet is at hand. One that does not is taken for having none.
type Prompt interface{ Ready() bool }

// ready reports whether a live source has another packet at hand, so that messages may wait for its messages.
func (r *reader) ready() bool {
	s, ok := r.source.(Prompt)
	return ok && s.Ready()
}

// note passes on to every shard what p says of packets that are missing before it, and of the wall clock.
func (r *reader) note(p *capture.Packet) {
	if p.Step != 0 {
		r.flush()
		r.clock, r.drift = r.clock.Add(p.Step), r.drift+p.Step
		r.Domain.clock.Store(r.clock.UnixNano())
		if r.marked != nil { // what it was is by the old clock
			r.mark.Store(unsettled)
		}
	}
	blind := !p.MissedSince.IsZero() // with Missed 0 too: nobody knows how much
	if !blind && p.Step == 0 {
		return
	}
	if blind {
		r.lastLoss.Store(p.Time.Unix())
	}
	for _, b := range r.filling {
		if blind {
			b.losses.Add(event.Window{From: p.MissedSince.UnixNano(), To: p.Time.UnixNano()}, 0)
		}
		b.stepped = b.stepped || p.Step != 0
	}
	r.pending++
}

// take puts m into the batch of its shard.
func (r *reader) take(m *sip.Message) {
	k := r.keyer.Of(m)
	b := r.filling[int(k.Shard[0])%len(r.filling)]
	b.messages.Add(m)
	b.keys = append(b.keys, k)
	b.clocks = append(b.clocks, r.clock)
	r.pending++
}

// flush hands every shard what was gathered for it. A file's shards get the clock even if there is nothing else,
// so that what they send does not depend on how many there are; a wire's look at their domain's.
func (r *reader) flush() {
	for i, s := range r.shards {
		b := r.filling[i]
		b.reader, b.clock, b.drift, b.dated, b.again = r.number, r.clock, r.drift, r.dated, r.cuts.again
		if r.waits {
			s.in <- b
			r.filling[i] = s.spare()
			continue
		}
		if b.empty() {
			continue
		}
		select {
		case s.in <- b:
			r.filling[i] = s.spare()
		default:
			r.full.Add(uint64(len(b.keys)))
			b.drop()
		}
	}
	r.reach()
	r.mark.settle(r.marked)
	r.pending = 0
}

// reach moves the domain's clock to r's, if that is later. What bears an earlier time has been handed over by r.
func (r *reader) reach() {
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
	stepped  bool          // likewise: the wall clock was set
	dated    bool          // by a clock whose drift is known
	drift    time.Duration // by how much the reader has seen the wall clock set, in all
	clock    time.Time
	reader   int // that filled it
	left     int // messages in a reorder buffer
	bytes    int // that they take there

	again    bool // was given before the restart
	caughtUp bool // nothing of what follows was
	cut      *Cut // an instant, behind the messages
}

func (b *batch) empty() bool { return len(b.keys) == 0 && len(b.losses) == 0 && !b.stepped }

func (b *batch) reset() {
	b.messages.Reset()
	b.keys, b.clocks, b.losses, b.stepped = b.keys[:0], b.clocks[:0], b.losses[:0], false
	b.caughtUp, b.cut = false, nil
}

// shift moves the times of b.
func (b *batch) shift(by time.Duration) {
	b.clock = b.clock.Add(by)
	for i := range b.clocks {
		b.clocks[i] = b.clocks[i].Add(by)
		b.messages.Messages[i].Time = b.messages.Messages[i].Time.Add(by)
	}
	for i := range b.losses {
		b.losses[i].From += int64(by)
		b.losses[i].To += int64(by)
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
