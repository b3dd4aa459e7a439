package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"sipsieve/store"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// A recorder is a Sink that puts a record of the loss in place of excerpts that the Sink below refuses for good, such as one
// that is larger than the messages of a hub may be. The record is put before Put returns, and so before the excerpts are
// acknowledged: a kill in between has both repeated, with one id.
type recorder struct {
	store.Sink
	place   string
	records *lossRecords
	log     *slog.Logger
	lose    func(purpose string, lost cpni.Loss) // has the loss put on the stream OPS; nil on a host without sources

	refusing atomic.Bool            // the last Put was refused in part
	last     atomic.Pointer[string] // why the last one was refused; nil without any
}

// Put returns what the Sink does, or why the record of a loss cannot be put for now.
func (r *recorder) Put(ctx context.Context, xs []policy.Excerpt) error {
	err := r.Sink.Put(ctx, xs)
	var refused store.Refused
	if !errors.As(err, &refused) || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrFull) {
		if err == nil {
			r.refusing.Store(false)
		}
		return err
	}
	quiet := r.refusing.Load()
	for _, one := range lossesOfRefused(refused, xs) {
		if err := r.record(ctx, one); err != nil {
			return err
		}
		text := fmt.Sprintf("%s: %v", one.Loss.Reason, one.err)
		r.last.Store(&text)
		if !quiet {
			r.log.Error("records were refused for good", "to", r.place, "purpose", one.purpose, "count", one.Loss.Count,
				"reason", one.Loss.Reason, "err", one.err)
		}
	}
	r.refusing.Store(true)
	return err
}

// record puts the record of one loss. One that is refused itself was logged with what it is of.
func (r *recorder) record(ctx context.Context, one *refusedLoss) error {
	var xs []policy.Excerpt
	if r.place == PlaceStore {
		xs = r.records.ofStore(one.purpose, one.Loss)
	} else { // the hub gives it a place in its stream
		xs = r.records.of(r.place, one.purpose, one.Loss)
	}
	err := r.Sink.Put(ctx, xs)
	if errors.As(err, new(store.Refused)) && !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrFull) {
		err = nil
	}
	if err == nil && r.place != PlaceStore && r.lose != nil { // once, however often the record was tried
		r.lose(one.purpose, one.Loss)
	}
	return err
}

// why returns why the last excerpts were refused, "" if none were.
func (r *recorder) why() string {
	if text := r.last.Load(); text != nil {
		return *text
	}
	return ""
}

// A refusedLoss is what one purpose lost for one reason, by a Put that was refused in part.
type refusedLoss struct {
	cpni.Loss
	purpose string
	err     error // of the first
}

// lossesOfRefused returns what each purpose lost of xs, by reason. Where it is not known which were refused, it is the
// time of the Put, and the first of xs that names the loss.
func lossesOfRefused(refused store.Refused, xs []policy.Excerpt) (losses []*refusedLoss) {
	find := func(purpose, reason string) *refusedLoss {
		for _, l := range losses {
			if l.purpose == purpose && l.Reason == reason {
				return l
			}
		}
		return nil
	}
	now := time.Now()
	for i := range refused {
		one := &refused[i]
		l := find(one.Purpose, one.Reason())
		if l == nil {
			l = &refusedLoss{purpose: one.Purpose, err: one.Err, Loss: cpni.Loss{From: now, To: now, Reason: one.Reason()}}
			first := xs[:1]
			if len(one.Excerpts) > 0 {
				first = one.Excerpts[:1]
				l.From, l.To = timeOf(first[0], now), timeOf(first[0], now)
			}
			p := first[0].Published
			l.Event = fmt.Sprintf("refused %s %d.%d %s.%d", first[0].Sensor, p.Stream, p.Number, first[0].ID, first[0].Revision)
			losses = append(losses, l)
		}
		l.Count += uint64(one.Count)
		for _, x := range one.Excerpts {
			if t := timeOf(x, now); t.Before(l.From) {
				l.From = t
			} else if t.After(l.To) {
				l.To = t
			}
		}
	}
	return losses
}

// timeOf returns the time that x shows, now if it shows none.
func timeOf(x policy.Excerpt, now time.Time) time.Time {
	if t, known := x.Time(); known {
		return t
	}
	return now
}
