package coverage

import (
	"slices"
	"sync"
	"time"

	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/store"
	"sipsieve/store/cpni"
)

// windows are the losses that are not over: one for each purpose and reason.
type windows struct {
	mu   sync.Mutex
	open []store.OpsRecord // under mu

	seen   time.Time         // when unread was counted
	unread map[string]uint64 // packets and messages that were not read, by reason
}

// add joins a loss with those of the same purpose and reason.
func (w *windows) add(purpose string, one cpni.Loss) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.open, func(r store.OpsRecord) bool { return r.Purpose == purpose && r.Reason == one.Reason })
	if i < 0 {
		w.open = append(w.open, windowOf(purpose, one))
		return
	}
	have := &w.open[i]
	have.To, have.Count = later(have.To, one.To), have.Count+one.Count
	if one.From.Before(have.From) {
		have.From = one.From
	}
}

// windowOf returns the record of a loss.
func windowOf(purpose string, one cpni.Loss) store.OpsRecord {
	return store.OpsRecord{Kind: store.LossWindow, From: one.From, To: one.To, Count: one.Count, Purpose: purpose,
		Reason: one.Reason, Event: store.OpsEvent(one.Event)}
}

// compare adds what live sources did not read since it was called last.
func (w *windows) compare(now time.Time, l *ledger.Ledger) {
	unread := map[string]uint64{"kernel_dropped": l.Packets.KernelDropped, "shard_full": l.Messages.Dropped}
	for _, s := range l.Sources {
		unread["queue_full"] += s.QueueFull
	}
	before, since := w.unread, w.seen
	w.unread, w.seen = unread, now
	if since.IsZero() {
		since = now.Add(-lifeEvery)
	}
	for reason, n := range unread {
		if n > before[reason] {
			w.add("", cpni.Loss{From: since, To: now, Count: n - before[reason], Reason: reason})
		}
	}
}

// over removes and returns the losses to which nothing was added for lossQuiet.
func (w *windows) over(now time.Time) (list []store.OpsRecord) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = slices.DeleteFunc(w.open, func(r store.OpsRecord) bool {
		if now.Sub(r.To) < lossQuiet {
			return false
		}
		list = append(list, r)
		return true
	})
	return list
}

// take removes and returns all.
func (w *windows) take() []store.OpsRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.open
	w.open = nil
	return list
}

// list returns a copy of all.
func (w *windows) list() []store.OpsRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.open)
}
