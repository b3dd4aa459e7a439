// Package postgres keeps excerpts in a PostgreSQL database: a schema a purpose, a partition a day of expiry, and forgets
// by dropping partitions.
//
// # Who may read
//
// The schema of the purpose billing is sipsieve_billing. A role of that name may read it, and nothing of any other
// purpose. A person's login is made a member of it.
//
// # Durability
//
// When Put returns nil, the rows are in a committed transaction that the server has on disk, unless its administrator
// switched fsync off. Excerpts of one purpose and day are in one transaction, up to 4,000 of them.
//
// # Several writers
//
// The transactions of one purpose come one after another, whatever host they are from: each holds an advisory lock, so
// that two hosts that put parts of one call make one row of them.
//
// # Errors
//
// Every error of the server wraps store.ErrUnavailable: what is wrong with it may be mended. None has text of a row, of
// a URL or a password. Excerpts whose values the server does not take are refused alone (store.Refused).
package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// commitLimit is how many excerpts one transaction has.
const commitLimit = 4000

// A Config is where the database is, and what the store does beside keeping.
type Config struct {
	Login
	Policy *policy.Policy     // whose purposes say how a call that two sensors saw is put together; nil for none
	Today  func() policy.Date // what has expired by it is suppressed; nil suppresses nothing
}

// A Store is a database. It may be used by several goroutines, and by several processes at once.
type Store struct {
	pool   *pgxpool.Pool
	layout layout
	policy atomic.Pointer[policy.Policy]
	expiry *store.Expiry

	committed

	migrated, closed atomic.Bool
}

// Open returns the Store of a database. It does not wait for the server, which may come up later: an error is one of the
// settings.
func Open(c Config) (*Store, error) {
	settings, err := c.settings()
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), settings)
	if err != nil {
		return nil, wrap("open", err)
	}
	s := &Store{pool: pool, layout: current, expiry: store.NewExpiry(c.Today)}
	s.policy.Store(c.Policy)
	return s, nil
}

// Put joins xs with what is there. An error is a store.Fault, which may pass, and then a part of xs may be kept
// already, which a repeated Put finds; or it is store.Refused, of excerpts whose purpose is no name, or whose values the
// server does not take.
func (s *Store) Put(ctx context.Context, xs []policy.Excerpt) error {
	if len(xs) == 0 {
		return nil
	}
	if err := s.ready(ctx); err != nil {
		return s.fail(xs[0].Purpose, err)
	}
	alive, expired := s.expiry.Alive(xs)
	places, byPlace, refused := store.SortOut(alive)
	for _, p := range places {
		for part := range slices.Chunk(byPlace[p], commitLimit) {
			more, err := s.put(ctx, p, part)
			if err != nil {
				return s.fail(p.Purpose, err)
			}
			refused = append(refused, more...)
		}
	}
	s.expiry.Count(expired)
	if refused != nil {
		return refused
	}
	return nil
}

// fail returns the Fault of a Put, and has the next one find out anew what the database is. Connections to a server that
// takes no writes are closed: another host of the URL may, or the same one with other settings.
func (s *Store) fail(purpose string, err error) error {
	s.migrated.Store(false)
	if readOnly(err) {
		s.pool.Reset()
	}
	return fault(purpose, err)
}

// put puts excerpts of one partition in one transaction. If the server does not take the values of some, halves are
// put, until these are alone.
func (s *Store) put(ctx context.Context, p store.Place, xs []policy.Excerpt) (refused store.Refused, err error) {
	w := writer{layout: s.layout, purpose: s.purpose(p.Purpose), place: p}
	before := s.position(p.Purpose)
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		w.tx = tx
		return w.putAll(ctx, xs)
	})
	switch {
	case err == nil:
		s.reach(p.Purpose, before, w.reached, w.put)
		return nil, nil
	case !ofData(err):
		return nil, err
	case len(xs) == 1:
		return store.Refused{{Purpose: p.Purpose, Count: 1, Err: policy.ErrForeign, Excerpts: xs}}, nil
	}
	for _, half := range [][]policy.Excerpt{xs[:len(xs)/2], xs[len(xs)/2:]} {
		more, err := s.put(ctx, p, half)
		if err != nil {
			return nil, err
		}
		refused = append(refused, more...)
	}
	return refused, nil
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

// ready makes the database ready for writing, once.
func (s *Store) ready(ctx context.Context) error {
	if s.closed.Load() {
		return errClosed
	}
	if s.migrated.Load() {
		return nil
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return s.layout.migrate(ctx, tx) })
	if err != nil {
		return err
	}
	s.migrated.Store(true)
	return nil
}

// Sweep drops whole partitions, one a transaction. One that cannot be dropped, such as one that somebody reads for long,
// keeps none of the others from going.
func (s *Store) Sweep(ctx context.Context, day policy.Date) (gone int, err error) {
	if err := s.ready(ctx); err != nil {
		return 0, wrap("sweep", err)
	}
	names, err := purposes(ctx, s.pool)
	if err != nil {
		return 0, wrap("sweep", err)
	}
	var errs []error
	for _, purpose := range names {
		all, err := days(ctx, s.pool, purpose, nil)
		errs = append(errs, err)
		for _, d := range all {
			if d.Compare(day) <= 0 {
				n, err := s.drop(ctx, store.Place{Purpose: purpose, Expires: d})
				gone += n
				errs = append(errs, err)
			}
		}
	}
	return gone, wrap("sweep", errors.Join(errs...))
}

// drop drops a partition, and returns how many rows it had.
func (s *Store) drop(ctx context.Context, p store.Place) (rows int, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		w := writer{tx: tx, layout: s.layout, place: p}
		if err := w.lock(ctx); err != nil {
			return err
		}
		rows, err = forget(ctx, tx, p)
		return err
	})
	if err != nil {
		return 0, err
	}
	return rows, nil
}

// Count reads the manifest, not the rows.
func (s *Store) Count(ctx context.Context) (map[string]int, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	if err := s.layout.readable(ctx, s.pool); err != nil {
		return nil, wrap("count", err)
	}
	names, err := purposes(ctx, s.pool)
	if err != nil {
		return nil, wrap("count", err)
	}
	counts := map[string]int{}
	for _, purpose := range names {
		n, err := rowsOf(ctx, s.pool, purpose, nil)
		if err != nil {
			return nil, wrap("count", err)
		}
		counts[purpose] = n
	}
	return counts, nil
}

// Rows returns how many rows a partition has, 0 if there is none.
func (s *Store) Rows(ctx context.Context, p store.Place) (n int, err error) {
	n, err = rowsOf(ctx, s.pool, p.Purpose, &p.Expires)
	if noTable(err) {
		return 0, nil
	}
	return n, wrap("count", err)
}

// Missing returns those of xs, excerpts of one partition, of whose id and dialog there is no row in the partitions where
// Put would have joined them.
func (s *Store) Missing(ctx context.Context, p store.Place, xs []policy.Excerpt) (missing []policy.Excerpt, err error) {
	w := writer{layout: s.layout, purpose: s.purpose(p.Purpose), place: p}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		w.tx = tx
		near, err := w.near(ctx)
		if err != nil {
			return err
		}
		rows, err := w.lookUp(ctx, near, store.Gather(xs))
		there := map[string]bool{}
		for _, row := range rows {
			there["id "+row.ID], there["dialog "+row.Dialog] = true, true
		}
		for _, x := range xs {
			if !there["id "+x.ID] && (x.Dialog == "" || !there["dialog "+x.Dialog]) {
				missing = append(missing, x)
			}
		}
		return err
	})
	return missing, wrap("compare", err)
}

// Reached returns how far each sensor's stream of a purpose was put by what the database has.
func (s *Store) Reached(ctx context.Context, purpose string) (store.Cursor, error) {
	c, err := reached(ctx, s.pool, purpose)
	return c, wrap("reach", err)
}

// Lacking returns the first publication of each sensor that was put and that the database lacks, or lacked when a later
// one was put. It is empty unless the database went back in time since SetCommitted.
func (s *Store) Lacking(ctx context.Context, purpose string) (lost store.Cursor, err error) {
	put := s.Committed(purpose) // first: the database has it by now
	has, err := s.Reached(ctx, purpose)
	if err != nil {
		return nil, err
	}
	lost = lacking(put, has)
	merge(lost, s.lackedBefore(purpose))
	return lost, nil
}

// Suppressed returns how many excerpts of each purpose had expired when they came.
func (s *Store) Suppressed() map[string]uint64 { return s.expiry.Suppressed() }

// Close waits for what is under way and closes the connections.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.pool.Close()
	return nil
}

// errClosed is final for this Store, but not for what is put: another may take it.
var errClosed = fmt.Errorf("postgres: closed: %w", store.ErrUnavailable)
