package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"sipsieve/store"
	"sipsieve/store/cpni"
)

// selectBodies has the bodies of one partition in the order of their ids, by the first time of their kind that is not
// null: cpni.Kind.Times.
var selectBodies = `SELECT body FROM excerpt
	WHERE (?1 = '' OR kind = ?1)
	AND (?2 IS NULL OR ` + milliseconds() + ` >= ?2)
	AND (?3 IS NULL OR ` + milliseconds() + ` < ?3)
	ORDER BY id LIMIT ?4`

// milliseconds returns the expression of that time in Unix milliseconds. No key is one of two kinds.
func milliseconds() string {
	var keys []string
	for _, k := range cpni.Kinds() {
		for _, key := range k.Times() {
			if key = "body ->> '$." + key + "'"; !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return "CAST(round(1000 * unixepoch(coalesce(" + strings.Join(keys, ", ") + "), 'subsec')) AS INTEGER)"
}

// Query opens one partition after the other, so what a Put adds meanwhile may be seen or not, but never half.
func (s *Store) Query(ctx context.Context, q store.Query) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		err := s.query(ctx, q, func(body []byte) bool { return yield(body, nil) })
		if err != nil {
			yield(nil, err)
		}
	}
}

func (s *Store) query(ctx context.Context, q store.Query, yield func([]byte) bool) error {
	if store.CheckName(q.Purpose) != nil {
		return store.ErrNoPurpose
	}
	places, err := s.readable(q.Purpose)
	if err != nil {
		return err
	}
	bounded := q.Limit > 0
	for _, p := range places {
		n, more, err := s.read(ctx, p, q, yield)
		if err != nil || !more {
			return err
		}
		if !bounded {
			continue
		}
		if q.Limit -= n; q.Limit == 0 {
			return nil
		}
	}
	return nil
}

// readable returns the partitions of a purpose, if the store is open.
func (s *Store) readable(purpose string) ([]place, error) {
	if err := s.take(); err != nil {
		return nil, err
	}
	defer s.writing.Unlock()
	return s.places(purpose)
}

// read yields what q names of one partition, and returns how many, and whether more are wanted.
func (s *Store) read(
	ctx context.Context, p place, q store.Query, yield func([]byte) bool,
) (n int, more bool, err error) {
	more = true
	limit := q.Limit
	if limit <= 0 {
		limit = -1
	}
	err = s.look(ctx, p, func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, selectBodies, q.Kind, bound(q.From), bound(q.To), limit)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for more && rows.Next() {
			var body []byte
			if err := rows.Scan(&body); err != nil {
				return err
			}
			n++
			more = yield(body)
		}
		return rows.Err()
	})
	return n, more, err
}

// bound returns t as selectBodies compares it: to the millisecond, nil for none.
func bound(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Round(time.Millisecond).UnixMilli()
}

// look opens a partition for reading alone. One that is swept meanwhile is empty.
func (s *Store) look(ctx context.Context, p place, do func(*sql.DB) error) error {
	db, err := sql.Open("sqlite", dataSource(s.path(p), true))
	if err != nil {
		return wrap("read", err)
	}
	db.SetMaxOpenConns(1)
	var tables int // none if the host crashed just after the file was made
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'excerpt'").Scan(&tables)
	if err == nil && tables > 0 {
		err = do(db)
	}
	err = errors.Join(err, db.Close())
	if _, gone := os.Stat(s.path(p)); errors.Is(gone, os.ErrNotExist) && ctx.Err() == nil {
		return nil
	}
	return wrap("read", err)
}

// Count reads every partition.
func (s *Store) Count(ctx context.Context) (map[string]int, error) {
	if err := s.take(); err != nil {
		return nil, err
	}
	defer s.writing.Unlock()
	purposes, err := s.purposes()
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, purpose := range purposes {
		places, err := s.places(purpose)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			n, err := s.rows(ctx, p)
			if err != nil {
				return nil, err
			}
			counts[purpose] += n
		}
	}
	return counts, nil
}

// rows returns how many rows a partition has.
func (s *Store) rows(ctx context.Context, p place) (n int, err error) {
	err = s.look(ctx, p, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT count(*) FROM excerpt").Scan(&n)
	})
	return n, err
}
