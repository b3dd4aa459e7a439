package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
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
		err := s.layout.readable(ctx, s.pool)
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
	first, end := moment(after), pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	if from := r.query.From; !from.IsZero() && (!after.Known || first.Time.Before(from)) {
		first = moment(store.Mark{Known: true, Milli: from.Round(time.Millisecond).UnixMilli()})
	}
	if to := r.query.To; !to.IsZero() {
		end = pgtype.Timestamptz{Time: to.Round(time.Millisecond), Valid: true}
	}
	all, err := spans(ctx, r.db, r.query.Purpose, first, end)
	if err != nil {
		return err
	}
	for width := fewestSpans; r.left != 0; {
		some, horizon, more := ahead(all, after, width)
		if len(r.query.Pseudonyms) > 0 {
			some, more = all, false
		}
		limit := r.page()
		items, err := r.pageByTime(ctx, part{some, &after, horizon, more}, limit)
		if err != nil || !r.pass(items) {
			return err
		}
		if len(items) < limit {
			if !more {
				return nil
			}
			after, width = store.Mark{Known: true, Milli: horizon}, min(2*width, mostSpans)
		}
	}
	return nil
}

// A part is what a page is read of: rows of partitions, behind after and, if bounded, before the moment horizon.
type part struct {
	spans   []span
	after   *store.Mark
	horizon int64
	bounded bool
}

// pageByTime reads rows of a part, and moves its after on.
func (r *reader) pageByTime(ctx context.Context, p part, limit int) (items []store.Item, err error) {
	if len(p.spans) == 0 {
		return nil, nil
	}
	statement, args := r.selectByTime(p, limit)
	rows, err := r.db.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var t pgtype.Timestamptz
		var item store.Item
		if err := rows.Scan(&t, &p.after.ID, &item.Body); err != nil {
			return nil, err
		}
		p.after.Known, p.after.Milli = t.InfinityModifier == pgtype.Finite, t.Time.UnixMilli()
		item.Next = p.after.String()
		items = append(items, item)
	}
	return items, rows.Err()
}

// selectByTime returns what reads the first rows of a part, and the values of its parameters.
func (r *reader) selectByTime(p part, limit int) (statement string, args []any) {
	c := &conditions{}
	var days []time.Time
	for _, one := range p.spans {
		days = append(days, one.expires)
	}
	c.add("expires = ANY(%s)", days)
	c.add("(moment, id) > (%s, %s)", moment(*p.after), p.after.ID)
	if p.bounded {
		c.add("moment < %s", moment(store.Mark{Known: true, Milli: p.horizon}))
	}
	lead := r.lead(p.spans)
	r.filter(c, lead.name)
	rows := "SELECT moment, id, body FROM " + schemaOf(r.query.Purpose) + ".excerpt" + c.String() + " AND "
	var arms []string
	for _, one := range lead.arms {
		arms = append(arms, rows+c.parameters(one.condition, one.value)+" ORDER BY moment, id")
	}
	if len(arms) > 1 { // each in order, so that the server merges them and reads no further than the page needs
		arms = []string{"SELECT moment, id, body FROM ((" + strings.Join(arms, ") UNION ALL (") + ")) AS arm ORDER BY moment, id"}
	}
	return fmt.Sprintf("%s LIMIT %d", arms[0], limit), c.args
}

// A lead is the filter whose index a page is read by. Each arm reads one value of the index in the order of time, and
// none reads a row of another. The arm of call_id alone is not in that order: all of it is read for each page.
type lead struct {
	name string
	arms []arm
}

// An arm is a condition on a column that has an index, and its value.
type arm struct {
	condition string
	value     any
}

// lead returns the lead of r's Query, the filter that most often leaves the fewest rows.
func (r *reader) lead(spans []span) lead {
	q := r.query
	switch {
	case len(q.Pseudonyms) > 0:
		return lead{"call_id", []arm{{"call_id = ANY(%s)", q.Pseudonyms}}}
	case q.Account != "":
		return lead{"account", []arm{{"account = %s", q.Account}}}
	case q.Trunk != "":
		return lead{"trunk", []arm{{"trunk_in = %s", q.Trunk},
			{"trunk_out = %s AND trunk_out IS NOT NULL AND trunk_out IS DISTINCT FROM trunk_in", q.Trunk}}}
	case q.Disposition != "":
		return lead{"disposition", []arm{{"disposition = %s", q.Disposition}}}
	}
	kinds := []string{q.Kind}
	if q.Kind == "" {
		kinds = nil
		for _, one := range spans {
			kinds = append(kinds, one.kinds...)
		}
		slices.Sort(kinds)
	}
	byKind := lead{name: "kind"}
	for _, kind := range slices.Compact(kinds) {
		byKind.arms = append(byKind.arms, arm{"kind = %s", kind})
	}
	return byKind
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
	c.texts = append(c.texts, c.parameters(text, args...))
}

// parameters returns text with a parameter for each %s in it.
func (c *conditions) parameters(text string, args ...any) string {
	var places []any
	for _, arg := range args {
		c.args = append(c.args, arg)
		places = append(places, fmt.Sprintf("$%d", len(c.args)))
	}
	return fmt.Sprintf(text, places...)
}

// String returns the WHERE.
func (c *conditions) String() string { return " WHERE " + strings.Join(c.texts, " AND ") }

// filter adds the filters of r's Query to c, but for the one named lead, in a form for which no index is used.
func (r *reader) filter(c *conditions, lead string) {
	q := r.query
	for _, f := range []struct{ column, value string }{{"kind", q.Kind}, {"account", q.Account},
		{"disposition", q.Disposition}} {
		if f.value != "" && f.column != lead {
			c.add(f.column+" || '' = %s", f.value)
		}
	}
	if q.Trunk != "" && lead != "trunk" {
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
	if len(q.Pseudonyms) > 0 && lead != "call_id" {
		c.add("call_id = ANY(%s)", q.Pseudonyms)
	}
}
