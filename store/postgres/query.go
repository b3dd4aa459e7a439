package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"sipsieve/store"
)

// pageLimit is how many rows one statement of a Query reads. No transaction is open between two of them: a reader that
// takes long keeps no partition from being dropped.
const pageLimit = 1000

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
		r := reader{db: s.pool, query: q, left: q.Limit, yield: func(i store.Item) bool { return yield(i, nil) }}
		if q.Limit <= 0 {
			r.left = -1
		}
		_, err := s.layout.version(ctx, s.pool)
		if err == nil && q.Stored {
			err = r.stored(ctx)
		} else if err == nil {
			err = r.byTime(ctx)
		}
		switch {
		case errors.Is(err, store.ErrAfter):
			yield(store.Item{}, err)
		case err != nil && !noTable(err):
			yield(store.Item{}, wrap("query", err))
		}
	}
}

// noTable reports whether err is that a purpose has no tables, and so no rows.
func noTable(err error) bool {
	var theirs *pgconn.PgError
	return errors.As(err, &theirs) && theirs.Code == "42P01"
}

// A reader is one Query under way.
type reader struct {
	db    querier
	query store.Query
	left  int // rows to yield, negative for all
	yield func(store.Item) bool
}

// byTime yields what the Query names in the order of time.
func (r *reader) byTime(ctx context.Context) error {
	var after store.Mark
	if r.query.After != "" {
		var err error
		if after, err = store.ParseMark(r.query.After); err != nil {
			return err
		}
	}
	for r.left != 0 {
		limit := r.page()
		items, err := r.pageByTime(ctx, &after, limit)
		if err != nil {
			return err
		}
		if !r.pass(items) || len(items) < limit {
			return nil
		}
	}
	return nil
}

// pageByTime reads the rows behind after, and moves it on.
func (r *reader) pageByTime(ctx context.Context, after *store.Mark, limit int) (items []store.Item, err error) {
	statement, args := r.selectByTime(*after, limit)
	rows, err := r.db.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var t pgtype.Timestamptz
		var item store.Item
		if err := rows.Scan(&t, &after.ID, &item.Body); err != nil {
			return nil, err
		}
		after.Known, after.Milli = t.InfinityModifier == pgtype.Finite, t.Time.UnixMilli()
		item.Next = after.String()
		items = append(items, item)
	}
	return items, rows.Err()
}

// selectByTime returns what reads the rows behind after, and the values of its parameters.
func (r *reader) selectByTime(after store.Mark, limit int) (statement string, args []any) {
	c := r.conditions()
	c.add("(moment, id) > (%s, %s)", moment(after), after.ID)
	return fmt.Sprintf("SELECT moment, id, body FROM %s.excerpt%s ORDER BY moment, id LIMIT %d",
		schemaOf(r.query.Purpose), c, limit), c.args
}

// page returns how many rows to read next.
func (r *reader) page() int {
	if r.left > 0 {
		return min(pageLimit, r.left)
	}
	return pageLimit
}

// pass yields items, and reports whether to go on.
func (r *reader) pass(items []store.Item) bool {
	for _, item := range items {
		if r.left > 0 {
			r.left--
		}
		if !r.yield(item) {
			return false
		}
	}
	return true
}

// conditions are those of a WHERE, and the values of their parameters.
type conditions struct {
	texts []string
	args  []any
}

// add adds a condition in which each %s is one of args.
func (c *conditions) add(text string, args ...any) {
	var places []any
	for _, arg := range args {
		c.args = append(c.args, arg)
		places = append(places, fmt.Sprintf("$%d", len(c.args)))
	}
	c.texts = append(c.texts, fmt.Sprintf(text, places...))
}

// String returns the WHERE.
func (c *conditions) String() string {
	if len(c.texts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.texts, " AND ")
}

// conditions returns the filters of r's Query, which are the same in each order.
func (r *reader) conditions() *conditions {
	c, q := &conditions{}, r.query
	for _, f := range []struct{ column, value string }{{"kind", q.Kind}, {"account", q.Account},
		{"disposition", q.Disposition}} {
		if f.value != "" {
			c.add(f.column+" = %s", f.value)
		}
	}
	if q.Trunk != "" {
		c.add("%s IN (trunk_in, trunk_out)", q.Trunk)
	}
	if !q.From.IsZero() {
		c.add("moment >= %s", q.From.Round(time.Millisecond))
	} else if !q.To.IsZero() {
		c.add("moment > %s", moment(store.Mark{}))
	}
	if !q.To.IsZero() {
		c.add("moment < %s", q.To.Round(time.Millisecond))
	}
	if len(q.Pseudonyms) > 0 {
		var any []string
		for _, one := range q.Pseudonyms {
			any = append(any, `"`+one+`"`)
		}
		c.add("EXISTS (SELECT FROM unnest(%s::text[]) AS one WHERE strpos(body::text, one) > 0)", any)
	}
	return c
}
