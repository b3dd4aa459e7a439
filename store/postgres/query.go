package postgres

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"sipsieve/store"
)

// pageLimit is how many rows one statement of a Query reads. No transaction is open between two of them: a reader that
// takes long keeps no partition from being dropped.
const pageLimit = 1000

// selectPage has the rows behind one of a day and an id, in their order.
const selectPage = ` WHERE expires >= $1 AND (expires, id) > ($1, $2) AND ($3 = '' OR kind = $3)
	AND ($4::timestamptz IS NULL OR moment >= $4) AND ($5::timestamptz IS NULL OR moment < $5)
	ORDER BY expires, id LIMIT $6`

// Query reads a page of rows after the other, so what a Put adds meanwhile may be seen or not, but never half.
func (s *Store) Query(ctx context.Context, q store.Query) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		if store.CheckName(q.Purpose) != nil {
			yield(store.Item{}, store.ErrNoPurpose)
			return
		}
		if s.closed.Load() {
			yield(store.Item{}, errClosed)
			return
		}
		_, err := s.layout.version(ctx, s.pool)
		r := reader{pool: s.pool, query: q, left: q.Limit}
		for err == nil && !r.done {
			var bodies [][]byte
			bodies, err = r.page(ctx)
			for _, body := range bodies {
				if !yield(store.Item{Body: body}, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(store.Item{}, wrap("query", err))
		}
	}
}

// A reader is one Query under way.
type reader struct {
	pool  querier
	query store.Query
	left  int // rows to read, 0 or less for all

	day  time.Time // of the last row
	id   string
	done bool
}

// page reads the next rows.
func (r *reader) page(ctx context.Context) (bodies [][]byte, err error) {
	limit := pageLimit
	if r.left > 0 {
		limit = min(limit, r.left)
	}
	q := r.query
	rows, err := r.pool.Query(ctx, "SELECT expires, id, body FROM "+schemaOf(q.Purpose)+".excerpt"+selectPage,
		r.day, r.id, q.Kind, bound(q.From), bound(q.To), limit)
	if err != nil {
		return nil, r.none(err)
	}
	defer rows.Close()
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&r.day, &r.id, &body); err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	r.left -= len(bodies)
	r.done = len(bodies) < limit || r.left == 0
	return bodies, r.none(rows.Err())
}

// none takes a purpose without tables for one without rows.
func (r *reader) none(err error) error {
	var theirs *pgconn.PgError
	if errors.As(err, &theirs) && theirs.Code == "42P01" {
		r.done = true
		return nil
	}
	return err
}

// bound returns t as the column moment has it: to the millisecond, nil for none.
func bound(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Round(time.Millisecond)
}
