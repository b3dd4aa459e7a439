// Package store is what every bus and store of excerpts has to do: keep them for as long as their purpose allows, and no
// longer.
//
// # Durability
//
// A Sink's Put returns nil when the excerpts outlive a crash of the host. Whoever puts may put again: Replaces and Rows
// make the same rows of whatever arrives, how often and in whatever order.
//
// # Clock
//
// Nothing here reads a clock: an Expiry is given the day.
package store

import (
	"context"
	"errors"
	"iter"

	"sipsieve/store/policy"
)

// A Sink takes excerpts. When Put returns nil, all of xs outlive a crash of this process and of the host.
// An error that wraps ErrUnavailable may pass: the caller puts the same xs again. Any other is final for xs:
// if it is Refused, what Refused does not count was kept.
type Sink interface {
	Put(ctx context.Context, xs []policy.Excerpt) error
}

// ErrUnavailable is the cause that may pass: a bus or database cannot be reached, or takes nothing now.
var ErrUnavailable = errors.New("unavailable")

// A Store keeps excerpts in partitions by purpose and day of expiry, one row for each id.
type Store interface {
	Sink
	// Query yields the records that q names, in the order that q asks for, and reads as many as it yields: a reader
	// that stops has not read the rest. No purpose, no answer. After an error nothing more is yielded, but for a
	// DamageError: what is intact is yielded all the same, and the error last.
	Query(ctx context.Context, q Query) iter.Seq2[Item, error]
	// Sweep forgets every partition whose day of expiry is day or earlier, frees its space, and returns how many
	// rows went.
	Sweep(ctx context.Context, day policy.Date) (gone int, err error)
	// Count returns how many rows each purpose has.
	Count(ctx context.Context) (map[string]int, error)
	Close() error
}
