package store

import (
	"math/rand/v2"
	"time"
)

// A Backoff is how long to wait before the next attempt: First, then twice the time before, at most Last, and of that at
// random between a half and all: what lost the same server, disk or stream at once does not come back at once. It reads
// no clock.
type Backoff struct {
	First, Last time.Duration
	next        time.Duration // 0 is First
}

// NewBackoff returns the Backoff of what is tried again while the daemon runs: from 100 ms to 5 s.
func NewBackoff() *Backoff { return &Backoff{First: 100 * time.Millisecond, Last: 5 * time.Second} }

// Next returns the time to wait now.
func (b *Backoff) Next() time.Duration {
	wait := max(b.next, b.First)
	b.next = min(2*wait, b.Last)
	return wait/2 + rand.N(wait/2+1)
}

// Reset begins again at First: an attempt succeeded.
func (b *Backoff) Reset() { b.next = 0 }
