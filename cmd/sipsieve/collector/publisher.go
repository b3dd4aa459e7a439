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

// A publisher puts batch after batch on the Sink, those of live domains first. It is a goroutine of its own.
type publisher struct {
	sink        store.Sink
	log         *slog.Logger
	disk        func() error
	show        func([]policy.Excerpt)
	counters    *ledger.Counters
	purposes    []*policy.Purpose
	live, files <-chan batch
	lost        chan loss // what was refused, for the collector to announce
	standstill  atomic.Pointer[Standstill]
}

// A Standstill is why the Sink takes nothing.
type Standstill struct {
	Err  error // of the last Put; it wraps disk, if there is one
	disk error // why the Sink's disk cannot be written; nil if it can
}

// String returns the cause without the error of the Sink.
func (s *Standstill) String() string {
	if s.disk != nil {
		return "the bus takes nothing: " + s.disk.Error()
	}
	return "the bus takes nothing"
}

// run puts what comes until both ways in are closed; what cannot be put now is put again. After what it gives up nothing
// is done that relies on it: a file is read again, and calls are restored as they were.
func (p *publisher) run(ctx context.Context) (err error) {
	gone := 0
	for b, open := p.next(); open; b, open = p.next() {
		switch {
		case b.done == nil:
			if err == nil {
				err = p.putAll(ctx, b.excerpts)
			}
			if err != nil {
				gone += p.giveUp(b.excerpts)
			}
		case err == nil:
			if err := b.done(); err != nil {
				p.log.Error("checkpoint", "err", err)
			}
		}
	}
	if err != nil {
		p.log.Error("excerpts given up", "count", gone, "err", err)
	}
	return err
}

// next returns the batch that is put next, of live domains first; false when there will be none.
func (p *publisher) next() (b batch, open bool) {
	select {
	case b, open = <-p.live:
		if open {
			return b, true
		}
		b, open = <-p.files
		return b, open
	default:
	}
	select {
	case b, open = <-p.live:
		if open {
			return b, true
		}
		b, open = <-p.files
	case b, open = <-p.files:
		if open {
			return b, true
		}
		b, open = <-p.live
	}
	return b, open
}

// putAll puts xs, as often as it takes until ctx ends.
func (p *publisher) putAll(ctx context.Context, xs []policy.Excerpt) error {
	for wait := store.NewBackoff(); ; {
		err := p.sink.Put(ctx, xs)
		p.note(len(xs), err)
		var refused store.Refused
		switch {
		case errors.As(err, &refused):
			p.refuse(xs, refused)
			return nil
		case errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil:
			select {
			case <-time.After(wait.Next()):
			case <-ctx.Done():
			}
			continue
		case err != nil:
			return err
		}
		p.acknowledge(xs, nil)
		return nil
	}
}

// note keeps the result of putting held excerpts. It logs when the Sink begins to take nothing, once more when the
// reason changes, and when it takes excerpts again. An embedded bus that cannot write returns that a batch is
// incomplete: its disk is tried for the reason.
func (p *publisher) note(held int, err error) {
	if !errors.Is(err, store.ErrUnavailable) {
		if p.standstill.Swap(nil) != nil {
			p.log.Info("bus takes excerpts again")
		}
		return
	}
	now := &Standstill{Err: err}
	if p.disk != nil {
		if now.disk = p.disk(); now.disk != nil {
			now.Err = fmt.Errorf("%w: %w", now.disk, err)
		}
	}
	if before := p.standstill.Swap(now); before == nil || before.String() != now.String() {
		p.log.Warn("bus unavailable, holding excerpts", "held", held, "err", now.Err)
	}
}

// giveUp counts what is not put because the daemon has to end, and returns how many excerpts that are.
func (p *publisher) giveUp(xs []policy.Excerpt) int {
	for i := range xs {
		p.counters.Suppress(purposeNumber(p.purposes, xs[i].Purpose), "unavailable", 1)
	}
	return len(xs)
}

// acknowledge counts what is durable now: all of xs but the refused ones of each purpose.
func (p *publisher) acknowledge(xs []policy.Excerpt, refused map[int]uint64) {
	counts := make([]uint64, len(p.purposes))
	for i := range xs {
		counts[purposeNumber(p.purposes, xs[i].Purpose)]++
	}
	for i, n := range counts {
		p.counters.Acknowledge(i, n-refused[i])
	}
	if len(refused) == 0 && p.show != nil {
		p.show(xs)
	}
}

// refuse counts what the Sink did not take, and has it announced.
func (p *publisher) refuse(xs []policy.Excerpt, refused store.Refused) {
	gone := map[int]uint64{}
	for _, r := range refused {
		i, n := purposeNumber(p.purposes, r.Purpose), uint64(r.Count)
		reason := "refused"
		switch {
		case errors.Is(r.Err, store.ErrFull):
			reason = "full"
		case errors.Is(r.Err, store.ErrTooLarge):
			reason = "too_large"
		}
		gone[i] += n
		p.counters.Suppress(i, reason, n)
		p.log.Error("bus took no more", "purpose", r.Purpose, "count", n, "reason", reason)
		select {
		case p.lost <- loss{purpose: i, count: n, seen: time.Now(), reason: reason}:
		default: // it stands in the ledger all the same
		}
	}
	p.acknowledge(xs, gone)
}
