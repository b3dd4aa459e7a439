package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/store"
	"sipsieve/store/policy"
)

// A publisher puts the batches of one purpose on the Sink, one after the other. It is a goroutine of its own.
type publisher struct {
	sink     store.Sink
	log      *slog.Logger
	disk     func(error) error
	show     func([]policy.Excerpt)
	counters *ledger.Counters
	purpose  string
	number   int

	batches    chan []policy.Excerpt // one at a time
	results    chan<- result         // has room for one of each publisher
	standstill atomic.Pointer[Standstill]
	refusing   bool // the last batch was not taken in full
}

// A result is what became of a batch.
type result struct {
	number int    // of the publisher
	lost   []loss // what was refused
	tail   int    // how many excerpts of its end were refused, for want of room
	err    error  // the batch was given up, and so is what follows
}

// newPublisher returns the publisher of purpose number i, which sends results.
func newPublisher(c *Config, i int, counters *ledger.Counters, results chan<- result) *publisher {
	return &publisher{sink: c.Sink, log: c.Log.With("purpose", c.Purposes[i].Name), disk: c.Disk, show: c.Show,
		counters: counters, purpose: c.Purposes[i].Name, number: i, batches: make(chan []policy.Excerpt, 1),
		results: results}
}

// run puts every batch until batches is closed. After one that it gave up it gives up all.
func (p *publisher) run(ctx context.Context) {
	for xs := range p.batches {
		r := p.put(ctx, xs)
		clear(xs) // the array lives as long as others of the queue wait
		p.results <- r
	}
}

// put puts xs, as often as it takes until ctx ends.
func (p *publisher) put(ctx context.Context, xs []policy.Excerpt) result {
	for wait := store.NewBackoff(); ; {
		err := p.sink.Put(ctx, xs)
		var refused store.Refused
		switch {
		case errors.As(err, &refused):
			p.note(len(xs), nil)
			return p.refuse(xs, refused)
		case errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil:
			p.note(len(xs), err)
			select {
			case <-time.After(wait.Next()):
			case <-ctx.Done():
			}
			continue
		case err != nil && ctx.Err() == nil: // final for xs, and for nothing else
			return p.refuse(xs, store.Refused{{Purpose: p.purpose, Count: len(xs), Err: err}})
		case err != nil:
			return result{number: p.number, err: fmt.Errorf("%s: %w", p.purpose, err)}
		}
		p.note(len(xs), nil)
		p.acknowledge(xs, 0)
		return result{number: p.number}
	}
}

// note keeps why the stream takes nothing, nil if it takes what is put. It logs when that begins, when the cause
// changes, and when it is over.
func (p *publisher) note(held int, err error) {
	if err == nil {
		if p.standstill.Swap(nil) != nil {
			p.log.Info("stream takes excerpts again")
		}
		return
	}
	now := NewStandstill(p.purpose, err, p.disk)
	if before := p.standstill.Swap(now); before == nil || before.String() != now.String() {
		p.log.Warn("stream takes nothing, its excerpts are held", "held", held, "cause", now.Cause, "err", now.Err)
	}
}

// acknowledge counts that xs are durable, but for refused of them.
func (p *publisher) acknowledge(xs []policy.Excerpt, refused uint64) {
	p.counters.Acknowledge(p.number, uint64(len(xs))-refused)
	if refused == 0 && p.show != nil {
		p.show(xs)
	}
	if refused == 0 && p.refusing {
		p.refusing = false
		p.log.Info("stream takes all excerpts again")
	}
}

// refuse counts what the Sink did not take. It logs the first of several batches.
func (p *publisher) refuse(xs []policy.Excerpt, refused store.Refused) result {
	r := result{number: p.number}
	sum := uint64(0)
	for _, one := range refused {
		n, reason := uint64(one.Count), one.Reason()
		if errors.Is(one.Err, store.ErrFull) {
			r.tail += one.Count
		}
		sum += n
		p.counters.Suppress(p.number, reason, n)
		r.lost = append(r.lost, loss{count: n, reason: reason})
		if !p.refusing {
			p.log.Error("stream took no more", "count", n, "reason", reason, "err", one.Err)
		}
	}
	p.acknowledge(xs, sum)
	p.refusing = true
	return r
}
