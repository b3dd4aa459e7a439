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

	refusing map[string]bool        // what was logged since a Put was taken whole: purpose and reason
	last     atomic.Pointer[string] // why the last one was refused; nil without any
}

// Put returns what the Sink does, or why the record of a loss cannot be put for now.
func (r *recorder) Put(ctx context.Context, xs []policy.Excerpt) error {
	err := r.Sink.Put(ctx, xs)
	var refused store.Refused
	if !errors.As(err, &refused) || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrFull) {
		if err == nil {
			clear(r.refusing)
		}
		return err
	}
	for _, one := range lossesOfRefused(refused, xs) {
		if err := r.record(ctx, one); err != nil {
			return err
		}
		text := fmt.Sprintf("%s: %v", one.Loss.Reason, one.err)
		r.last.Store(&text)
		if key := one.purpose + " " + one.Loss.Reason; !r.refusing[key] {
			r.refusing[key] = true
			r.log.Error("records were refused for good", "to", r.place, "purpose", one.purpose, "count", one.Loss.Count,
				"reason", one.Loss.Reason, "err", one.err)
		}
	}
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

// lossesOfRefused returns what each purpose lost of xs: each excerpt by itself, so that a delivery that comes again in other
// parts counts none twice. Where it is not known which were refused, it is one loss by reason, at the time of the Put, and
// the first of xs names it.
func lossesOfRefused(refused store.Refused, xs []policy.Excerpt) (losses []*refusedLoss) {
	now := time.Now()
	for i := range refused {
		one := &refused[i]
		for _, x := range one.Excerpts {
			losses = append(losses, lossOf(one, x, timeOf(x, now), 1))
		}
		if rest := one.Count - len(one.Excerpts); rest > 0 {
			losses = addLoss(losses, lossOf(one, xs[0], now, uint64(rest)))
		}
	}
	return losses
}

// lossOf returns the loss of count excerpts that were refused, named by x.
func lossOf(one *store.Refusal, x policy.Excerpt, seen time.Time, count uint64) *refusedLoss {
	p := x.Published
	return &refusedLoss{purpose: one.Purpose, err: one.Err, Loss: cpni.Loss{From: seen, To: seen, Count: count,
		Reason: one.Reason(), Event: fmt.Sprintf("refused %s %d.%d %s.%d", x.Sensor, p.Stream, p.Number, x.ID, x.Revision)}}
}

// addLoss adds one to losses, or to that of its purpose, reason and name.
func addLoss(losses []*refusedLoss, one *refusedLoss) []*refusedLoss {
	for _, l := range losses {
		if l.purpose == one.purpose && l.Reason == one.Reason && l.Event == one.Event {
			l.Count += one.Count
			return losses
		}
	}
	return append(losses, one)
}

// timeOf returns the time that x shows, now if it shows none.
func timeOf(x policy.Excerpt, now time.Time) time.Time {
	if t, known := x.Time(); known {
		return t
	}
	return now
}
