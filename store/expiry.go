package store

import (
	"sync"
	"sync/atomic"

	"sipsieve/store/policy"
)

// An Expiry keeps excerpts that have expired from being put, and counts them by purpose.
// The nil Expiry suppresses nothing.
type Expiry struct {
	today      func() policy.Date
	suppressed sync.Map // purpose to *atomic.Uint64
}

// NewExpiry returns the Expiry that calls today for the day of each Put; nil if today is nil.
func NewExpiry(today func() policy.Date) *Expiry {
	if today == nil {
		return nil
	}
	return &Expiry{today: today}
}

// Alive returns those of xs that have not expired, and the number of the others by purpose. It does not change xs.
func (e *Expiry) Alive(xs []policy.Excerpt) (alive []policy.Excerpt, expired map[string]int) {
	if e == nil {
		return xs, nil
	}
	day := e.today()
	for i, x := range xs {
		switch {
		case !x.Expired(day) && expired != nil:
			alive = append(alive, x)
		case !x.Expired(day):
		case expired == nil:
			alive, expired = append(alive, xs[:i]...), map[string]int{x.Purpose: 1}
		default:
			expired[x.Purpose]++
		}
	}
	if expired == nil {
		return xs, nil
	}
	return alive, expired
}

// Over reports whether what expires on day has expired by now.
func (e *Expiry) Over(day policy.Date) bool { return e != nil && day.Compare(e.today()) <= 0 }

// Count adds what Alive left out, once the others are put: a Put that is repeated counts once.
func (e *Expiry) Count(expired map[string]int) {
	for purpose, n := range expired {
		counter, _ := e.suppressed.LoadOrStore(purpose, new(atomic.Uint64))
		counter.(*atomic.Uint64).Add(uint64(n))
	}
}

// Suppressed returns how many expired excerpts of each purpose were not put.
func (e *Expiry) Suppressed() map[string]uint64 {
	counts := map[string]uint64{}
	if e == nil {
		return counts
	}
	e.suppressed.Range(func(purpose, counter any) bool {
		counts[purpose.(string)] = counter.(*atomic.Uint64).Load()
		return true
	})
	return counts
}
