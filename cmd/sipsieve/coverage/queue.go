package coverage

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/store"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// A queue is the records that are to be put, in their order.
type queue struct {
	sink store.Sink
	log  *slog.Logger
	wake chan struct{} // has room for one

	mu      sync.Mutex
	waiting []store.OpsRecord
	fresh   []store.OpsRecord // behind waiting: not released
	bytes   int               // of both
	counts  ledger.Ops
	dropped cpni.Loss // since takeDropped
	err     error     // of the last Put; nil if it was taken
}

func newQueue(sink store.Sink, log *slog.Logger) *queue {
	return &queue{sink: sink, log: log, wake: make(chan struct{}, 1)}
}

// add puts r behind the others, where it waits for release. Without room it is dropped, and the result is false.
func (q *queue) add(r store.OpsRecord) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.counts.Made++
	size := sizeOf(&r)
	announces := r.Kind == store.LossWindow && r.Purpose == store.Ops // one at a time
	if q.bytes+size > waitingLimit && !announces {
		if q.dropped.Count == 0 {
			q.log.Error("records about this sensor are lost: there is no room for more", "stream", store.StreamName(store.Ops))
		}
		q.drop(&r)
		return false
	}
	q.fresh, q.bytes = append(q.fresh, r), q.bytes+size
	return true
}

// sizeOf is about how many bytes the body of r has.
func sizeOf(r *store.OpsRecord) int { return len(r.Ledger) + len(r.Text) + 600 }

// drop counts a record that is lost.
func (q *queue) drop(r *store.OpsRecord) {
	d := &q.dropped
	if d.Count == 0 {
		*d = cpni.Loss{From: r.From, To: r.To, Reason: "full"}
	}
	if r.From.Before(d.From) {
		d.From = r.From
	}
	d.To, d.Count = later(d.To, r.To), d.Count+1
	q.counts.Lost++
}

// release has everything put that was added.
func (q *queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting, q.fresh = append(q.waiting, q.fresh...), nil
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// hasRoom reports whether half of the room is free.
func (q *queue) hasRoom() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes <= waitingLimit/2
}

// lost returns which records were dropped since takeDropped was called last.
func (q *queue) lost() cpni.Loss {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// takeDropped returns that once.
func (q *queue) takeDropped() cpni.Loss {
	q.mu.Lock()
	defer q.mu.Unlock()
	lost := q.dropped
	q.dropped = cpni.Loss{}
	return lost
}

// list returns a copy of what waits.
func (q *queue) list() []store.OpsRecord {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Concat(q.waiting, q.fresh)
}

// run puts what waits until ctx ends.
func (q *queue) run(ctx context.Context) {
	backoff := store.NewBackoff()
	for {
		if q.drainOnce(ctx) {
			backoff.Reset()
			select {
			case <-q.wake:
			case <-ctx.Done():
				return
			}
			continue
		}
		select {
		case <-time.After(backoff.Next()):
		case <-ctx.Done():
			return
		}
	}
}

// drain puts what waits until nothing does, or ctx ends.
func (q *queue) drain(ctx context.Context) {
	for backoff := store.NewBackoff(); !q.drainOnce(ctx) && ctx.Err() == nil; {
		select {
		case <-time.After(backoff.Next()):
		case <-ctx.Done():
		}
	}
}

// drainOnce puts one record after the other. It reports whether all were put: what is not is put again later, in the same
// order.
func (q *queue) drainOnce(ctx context.Context) bool {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.mu.Unlock()
			return true
		}
		r := q.waiting[0]
		q.mu.Unlock()
		x, err := r.Excerpt()
		if err == nil {
			err = q.sink.Put(ctx, []policy.Excerpt{x})
		}
		again := errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrFull) || ctx.Err() != nil
		q.settle(&r, err, again)
		if err != nil && again {
			return false
		}
	}
}

// settle notes what became of the first record: it is put, or is to be put again, or is lost.
func (q *queue) settle(r *store.OpsRecord, err error, again bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case err != nil && again:
		if q.err == nil || store.CauseOf(q.err) != store.CauseOf(err) {
			q.log.Warn("records about this sensor wait", "stream", store.StreamName(store.Ops), "cause", store.CauseOf(err), "err", err)
		}
		q.err = err
		return
	case err != nil:
		q.log.Error("a record about this sensor is refused", "stream", store.StreamName(store.Ops), "err", err)
		q.drop(r)
	default:
		q.counts.Acknowledged++
		if q.err != nil {
			q.log.Info("records about this sensor are taken again", "stream", store.StreamName(store.Ops))
		}
		q.err = nil
	}
	q.bytes -= sizeOf(r)
	q.waiting = q.waiting[1:]
}

// failed returns the error of the last Put, nil if it was taken.
func (q *queue) failed() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// addTo adds what was counted to c.
func (q *queue) addTo(c *ledger.Ops) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c.Made += q.counts.Made
	c.Acknowledged += q.counts.Acknowledged
	c.Lost += q.counts.Lost
	c.Pending += uint64(len(q.waiting) + len(q.fresh))
}
