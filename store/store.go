// Package store keeps excerpts for as long as their purpose allows, and no longer.
package store

import (
	"context"
	"errors"
	"iter"
	"time"

	"sipsieve/store/policy"
)

// A Sink takes excerpts. When Put returns nil, all of xs outlive a crash of this process and of the host.
// An error that wraps ErrUnavailable may pass: the caller puts the same xs again. Any other is final for xs.
type Sink interface {
	Put(ctx context.Context, xs []policy.Excerpt) error
}

// ErrUnavailable says that a bus or database cannot be reached or takes nothing now.
var ErrUnavailable = errors.New("unavailable")

// A Query names what a reader may see: one purpose, always, and the request that the reading answers.
type Query struct {
	Purpose  string
	Kind     string    // "" for every kind
	From, To time.Time // of the time that expiry is counted from; zero for no bound
	Limit    int       // 0 for all
}

// A Store keeps excerpts in partitions by purpose and day of expiry, one row for each id.
type Store interface {
	Sink
	// Query yields the bodies of the excerpts that q names, ordered by expiry and id. No purpose, no answer.
	Query(ctx context.Context, q Query) iter.Seq2[[]byte, error]
	// Sweep forgets every partition that expired before day, frees its space, and returns how many rows went.
	Sweep(ctx context.Context, day policy.Date) (gone int, err error)
	// Count returns how many rows each purpose has.
	Count(ctx context.Context) (map[string]int, error)
	Close() error
}
