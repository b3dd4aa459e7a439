package sqlite

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"

	"sipsieve/store"
)

// A Reader reads the directory of a Store, whether a process keeps it or none. It takes nothing that a Store needs to
// open, to put or to sweep, however long it reads: SQLite's log lets one writer and any number of readers work at once.
type Reader struct{ store *Store }

// Read returns a Reader of dir. One that is not there has no rows.
func Read(dir string) (*Reader, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	return &Reader{&Store{config: Config{Dir: dir}}}, nil
}

// Query is as a Store's. What is swept meanwhile may be left out.
func (r *Reader) Query(ctx context.Context, q store.Query) iter.Seq2[[]byte, error] {
	return r.store.Query(ctx, q)
}
