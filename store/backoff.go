package store

import "time"

// A Backoff is how long to wait before the next attempt: First, then twice the time before, at most Last. It reads no
// clock.
type Backoff struct {
	First, Last time.Duration
	next        time.Duration // 0 is First
}

// Next returns the time to wait now.
func (b *Backoff) Next() time.Duration {
	wait := max(b.next, b.First)
	b.next = min(2*wait, b.Last)
	return wait
}

// Reset begins again at First: an attempt succeeded.
func (b *Backoff) Reset() { b.next = 0 }
