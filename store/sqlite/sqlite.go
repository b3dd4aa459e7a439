// Package sqlite keeps excerpts of one site in files, one a purpose and day of expiry, and forgets by unlinking them.
//
// # Durability
//
// When Put returns nil, the rows are in a committed transaction that outlives a crash of the host
// (journal_mode=WAL, synchronous=FULL). A join over two files is atomic but for a crash of the host between the two
// commits; then a row is there twice until the Put is repeated.
//
// # Errors
//
// Every error of a file or of the database wraps store.ErrUnavailable: what is wrong with it may be mended. None holds
// text of a row.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	driver "modernc.org/sqlite" // registers the driver sqlite

	"sipsieve/store"
	"sipsieve/store/policy"
)

const (
	busyLimit   = 5 * time.Second // longest wait for the lock of another connection
	commitLimit = 1000            // excerpts in one transaction
	openLimit   = 16              // partitions kept open for writing
)

// A Config is where the files are, and what the store does beside keeping.
type Config struct {
	Dir    string             // its own; <Dir>/<purpose>/<expires>.db
	Policy *policy.Policy     // whose purposes say how a call that two sensors saw is put together; nil for none
	Today  func() policy.Date // what has expired by it is suppressed; nil suppresses nothing
}

// A Store is a directory of partitions. It may be used by several goroutines; Puts come one after the other.
type Store struct {
	dir     directory
	policy  *policy.Policy
	expiry  *store.Expiry
	release func() error // gives the directory back

	writing sync.Mutex // around all that writes or forgets
	open    handles
	closed  bool
}

// Open takes the directory for this process; if another has it, the error wraps store.ErrOwned.
func Open(c Config) (*Store, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	release, err := store.Own(dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	s := &Store{dir: directory(dir), policy: c.Policy, expiry: store.NewExpiry(c.Today), release: release}
	s.open.dir, s.open.limit = s.dir, openLimit
	return s, nil
}

// Put joins xs with what is there. Excerpts of one partition are in one transaction, up to 1,000 of them.
// An error wraps store.ErrUnavailable, and then a part of xs may be kept already, which a repeated Put finds;
// or it is store.Refused, of excerpts whose purpose is no name.
func (s *Store) Put(ctx context.Context, xs []policy.Excerpt) error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.writing.Unlock()
	alive, expired := s.expiry.Alive(xs)
	places, byPlace, refused := store.SortOut(alive)
	for _, p := range places {
		j := joiner{open: &s.open, dir: s.dir, purpose: s.purpose(p.Purpose), place: p}
		for part := range slices.Chunk(byPlace[p], commitLimit) {
			if err := j.join(ctx, part); err != nil {
				return err
			}
		}
	}
	s.expiry.Count(expired)
	if refused != nil {
		return refused
	}
	return nil
}

// purpose returns the purpose of that name in the store's policy, nil if there is none.
func (s *Store) purpose(name string) *policy.Purpose {
	if s.policy == nil {
		return nil
	}
	u, _ := s.policy.Purpose(name)
	return u
}

// Query opens one partition after the other, so what a Put adds meanwhile may be seen or not, but never half.
func (s *Store) Query(ctx context.Context, q store.Query) iter.Seq2[store.Item, error] {
	return s.dir.query(ctx, q, func() ([]place, error) {
		if err := s.lock(); err != nil {
			return nil, err
		}
		defer s.writing.Unlock()
		return s.dir.places(q.Purpose, ending)
	})
}

// Sweep unlinks whole files. A partition that cannot be read goes too, and its rows are not in gone; one that cannot
// be unlinked keeps none of the others from going.
func (s *Store) Sweep(ctx context.Context, day policy.Date) (gone int, err error) {
	if err := s.lock(); err != nil {
		return 0, err
	}
	defer s.writing.Unlock()
	purposes, err := s.dir.purposes()
	if err != nil {
		return 0, err
	}
	w := sweeper{open: &s.open, dir: s.dir, day: day}
	for _, purpose := range purposes {
		w.sweep(ctx, purpose)
	}
	return w.gone, wrap("sweep", errors.Join(w.errs...))
}

// Count reads every partition.
func (s *Store) Count(ctx context.Context) (map[string]int, error) {
	if err := s.lock(); err != nil {
		return nil, err
	}
	defer s.writing.Unlock()
	return s.dir.count(ctx)
}

// Suppressed returns how many excerpts of each purpose had expired when they came.
func (s *Store) Suppressed() map[string]uint64 { return s.expiry.Suppressed() }

// Close waits for the Put that is under way and gives the directory back.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(wrap("close", s.open.closeAll()), s.release())
}

// lock waits for the writer's turn. The caller unlocks s.writing unless there is an error.
func (s *Store) lock() error {
	s.writing.Lock()
	if s.closed {
		s.writing.Unlock()
		return errClosed
	}
	return nil
}

// errClosed is final for this Store, but not for what is put: another may take it.
var errClosed = fmt.Errorf("sqlite: closed: %w", store.ErrUnavailable)

// wrap returns err with what was done. What is wrong with a file may be mended, so it is always store.ErrUnavailable.
// The database's own words are left out: they may quote a row.
func wrap(doing string, err error) error {
	var theirs *driver.Error
	switch {
	case err == nil || errors.Is(err, store.ErrUnavailable):
		return err
	case errors.As(err, &theirs):
		return fmt.Errorf("sqlite: %s: %w: code %d", doing, store.ErrUnavailable, theirs.Code())
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("sqlite: %s: %w: %w", doing, store.ErrUnavailable, err)
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("sqlite: %s: %w: %w", doing, store.ErrUnavailable, path.Err)
	}
	return fmt.Errorf("sqlite: %s: %w: %T", doing, store.ErrUnavailable, err)
}
