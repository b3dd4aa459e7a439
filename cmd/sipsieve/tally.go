package main

import (
	"sync"
	"sync/atomic"

	"sipsieve/store/policy"
)

// A tally counts the excerpts of every purpose, in the order of the purposes. It may be read while it grows.
type tally struct {
	names                   []string
	made, put, acknowledged []atomic.Uint64
	mu                      sync.Mutex
	suppressed              []map[string]uint64 // by reason; under mu
}

func newTally(purposes []*policy.Purpose) *tally {
	n := len(purposes)
	t := &tally{made: make([]atomic.Uint64, n), put: make([]atomic.Uint64, n), acknowledged: make([]atomic.Uint64, n)}
	for _, p := range purposes {
		t.names = append(t.names, p.Name)
		t.suppressed = append(t.suppressed, sums{})
	}
	return t
}

// suppress counts n excerpts of the i-th purpose that were made and are not put.
func (t *tally) suppress(i int, reason string, n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.suppressed[i][reason] += n
}

// addTo adds t to l. What is made but neither put nor suppressed yet waits for its batch: it counts as put and pending.
func (t *tally) addTo(l *ledger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, name := range t.names {
		x := excerptLedger{Acknowledged: t.acknowledged[i].Load(), Suppressed: sums{}}
		for reason, n := range t.suppressed[i] {
			x.Suppressed[reason] = n
		}
		x.Made = t.made[i].Load()
		x.Put = x.Made - x.Suppressed.total()
		x.Pending = x.Put - x.Acknowledged
		l.Excerpts[name] = x
	}
}
