// Package sqlite keeps excerpts of one site in files, one a purpose and day of expiry, and forgets by unlinking them.
//
// # Durability
//
// When Put returns nil, the rows are in a committed transaction that outlives a crash of the host
// (journal_mode=WAL, synchronous=FULL). A join over two files is atomic but for a crash of the host between the two
// commits; then a row is there twice until the Put is repeated.
//
// # Damage
//
// Each row has a checksum, each partition a manifest, and the directory a catalogue of the partitions and their
// manifests. A partition that has less than the catalogue, or that SQLite finds malformed, is set aside as
// <expires>.damaged-<n>, and another takes its place with the rows that are intact. How many are missing stands in the
// catalogue until they have come again. What is set aside goes on its day like the others. An error that a fault of
// this program gives as well sets nothing aside, unless the partition shows to be damaged when it is read whole.
//
// # Errors
//
// Every error of a file or of the database wraps store.ErrUnavailable: what is wrong with it may be mended. None holds
// text of a row.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
)

const (
	busyLimit   = 5 * time.Second // longest wait for the lock of another connection
	commitLimit = 2000            // excerpts in one transaction
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
	dir       directory
	policy    atomic.Pointer[policy.Policy]
	expiry    *store.Expiry
	catalogue *catalogue
	release   func() error // gives the directory back
	closed    atomic.Bool

	writing sync.Mutex // around all that writes or forgets
	open    handles
	mended  map[place]int // files that were set aside since the last Check
}

// Open takes the directory for this process; if another has it, the error wraps store.ErrOwned. Files of an older
// version are brought to this one; of a newer, the error wraps ErrNewer. Every partition is compared with the catalogue;
// what is missing is in Damaged.
func Open(c Config) (*Store, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	release, err := store.Own(dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	s := &Store{dir: directory(dir), expiry: store.NewExpiry(c.Today), release: release,
		mended: map[place]int{}}
	s.policy.Store(c.Policy)
	s.catalogue, err = readCatalogue(s.dir)
	if err == nil {
		err = s.catalogue.begin()
	}
	if err == nil {
		s.open = handles{dir: s.dir, catalogue: s.catalogue, limit: openLimit}
		err = s.start(context.Background())
	}
	if err != nil {
		return nil, errors.Join(err, s.open.closeAll(), release())
	}
	return s, nil
}

// start opens each partition once that has not expired. One that cannot be opened now keeps none of the others from
// taking and giving rows, unless it is of a newer version: Check says what is wrong with it.
func (s *Store) start(ctx context.Context) error {
	there, err := s.dir.partitions()
	if err != nil {
		return err
	}
	for _, p := range append(s.catalogue.of(""), there...) {
		if s.expiry.Over(p.Expires) { // the next Sweep removes it: a crash in one may have left a part of it
			continue
		}
		err := s.mending(ctx, func(*writer) error {
			_, err := s.open.partition(ctx, p)
			return err
		})
		if e, _ := s.catalogue.get(p); err == nil && e.Damage != nil && e.Damage.Pending {
			err = s.salvage(ctx, p)
		}
		if errors.Is(err, ErrNewer) {
			return err
		}
	}
	reached := map[string]store.Cursor{}
	for _, p := range s.catalogue.of("") { // a catalogue that was lost is made anew of the partitions
		if reached[p.Purpose] == nil {
			if reached[p.Purpose] = s.catalogue.head(p.Purpose); reached[p.Purpose] == nil {
				reached[p.Purpose] = store.Cursor{}
			}
		}
		e, _ := s.catalogue.get(p)
		e.reached(reached[p.Purpose])
	}
	return s.catalogue.put(nil, reached)
}

// Put joins xs with what is there. Excerpts of one partition are in one transaction, up to 2,000 of them.
// An error wraps store.ErrUnavailable, and then a part of xs may be kept already, which a repeated Put finds: it is
// store.Faults if it is of partitions. Or it is store.Refused, of excerpts whose purpose is no name.
func (s *Store) Put(ctx context.Context, xs []policy.Excerpt) error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.writing.Unlock()
	alive, expired := s.expiry.Alive(xs)
	refused, err := s.keep(ctx, alive, false)
	if err != nil {
		return err
	}
	reached := map[string]store.Cursor{}
	for _, x := range xs {
		if store.CheckName(x.Purpose) != nil || store.CheckName(x.Sensor) != nil {
			continue
		}
		if reached[x.Purpose] == nil {
			if reached[x.Purpose] = s.catalogue.head(x.Purpose); reached[x.Purpose] == nil {
				reached[x.Purpose] = store.Cursor{}
			}
		}
		reached[x.Purpose].Reach(x.Sensor, x.Published)
	}
	if err := errors.Join(s.catalogue.put(nil, reached), s.catalogue.sync()); err != nil {
		return err
	}
	s.expiry.Count(expired)
	if refused != nil {
		return refused
	}
	return nil
}

// keep puts xs, of which salvage says that they were read of damaged files. A partition that is damaged or unreadable
// keeps none of the others from being written. An error is store.Faults, one for each purpose.
func (s *Store) keep(ctx context.Context, xs []policy.Excerpt, salvage bool) (store.Refused, error) {
	places, byPlace, refused := store.SortOut(xs)
	failed := map[string]error{}
	for _, p := range places {
		for part := range slices.Chunk(byPlace[p], commitLimit) {
			err := s.mending(ctx, func(w *writer) error {
				w.salvage = salvage
				j := joiner{writer: *w, purpose: s.purpose(p.Purpose), place: p}
				return j.join(ctx, part)
			})
			if err != nil && failed[p.Purpose] == nil {
				failed[p.Purpose] = err
			}
			if err != nil && !isOfPlace(err) {
				return nil, s.dir.faults(failed)
			}
		}
	}
	if len(failed) > 0 {
		return nil, s.dir.faults(failed)
	}
	return refused, nil
}

// mending does what reads and writes partitions, and again when one that turned out to be damaged is set aside.
func (s *Store) mending(ctx context.Context, do func(*writer) error) error {
	for {
		w := writer{open: &s.open, done: map[place]entry{}}
		err := errors.Join(do(&w), s.catalogue.put(w.done, nil))
		var damaged damageError
		if !errors.As(err, &damaged) {
			return err
		}
		if err := s.setAside(ctx, damaged.place); err != nil {
			return err
		}
	}
}

// purpose returns the purpose of that name in the store's policy, nil if there is none.
func (s *Store) purpose(name string) *policy.Purpose {
	p := s.policy.Load()
	if p == nil {
		return nil
	}
	u, _ := p.Purpose(name)
	return u
}

// Replace has p say from the next Put on how calls are put together.
func (s *Store) Replace(p *policy.Policy) { s.policy.Store(p) }

// Query opens partitions as it comes to them, so what a Put adds meanwhile may be seen or not, but never half.
func (s *Store) Query(ctx context.Context, q store.Query) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		if s.closed.Load() {
			yield(store.Item{}, errClosed)
			return
		}
		query(ctx, s.dir, s.catalogue, q)(yield)
	}
}

// Sweep unlinks whole files, also of partitions that cannot be read; one that cannot be unlinked keeps none of the
// others from going.
func (s *Store) Sweep(_ context.Context, day policy.Date) (gone int, err error) {
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
		w.sweep(purpose)
	}
	err = errors.Join(append(w.errs, s.catalogue.remove(w.swept))...)
	return w.gone, wrap("sweep", err)
}

// Count takes the rows from the catalogue and waits for no Put.
func (s *Store) Count(context.Context) (map[string]int, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	counts := map[string]int{}
	for _, p := range s.catalogue.of("") {
		e, _ := s.catalogue.get(p)
		counts[p.Purpose] += e.Rows
	}
	return counts, nil
}

// Suppressed returns how many excerpts of each purpose had expired when they came.
func (s *Store) Suppressed() map[string]uint64 { return s.expiry.Suppressed() }

// Close waits for the Put that is under way and gives the directory back.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed.Swap(true) {
		return nil
	}
	return errors.Join(wrap("close", s.open.closeAll()), s.catalogue.close(), s.release())
}

// lock waits for the writer's turn. The caller unlocks s.writing unless there is an error.
func (s *Store) lock() error {
	s.writing.Lock()
	if s.closed.Load() {
		s.writing.Unlock()
		return errClosed
	}
	return nil
}

// milli returns t in Unix milliseconds.
func milli(t time.Time) int64 { return t.Round(time.Millisecond).UnixMilli() }
