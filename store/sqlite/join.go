package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// A joiner joins excerpts of one partition with what is there.
type joiner struct {
	open    *handles
	dir     directory
	purpose *policy.Purpose // nil if the store's policy has none of that name
	place   place
}

// join puts xs, whose own partition is j.place, or less where what is there already wins.
func (j *joiner) join(ctx context.Context, xs []policy.Excerpt) error {
	near, err := j.near()
	if err != nil {
		return err
	}
	g := store.Gather(xs)
	for _, q := range near {
		rows, err := j.lookUp(ctx, q, g)
		if err != nil {
			return err
		}
		g.Add(rows)
	}
	c, err := g.Join(j.purpose, j.place, func(rows []*store.Found) error {
		for _, f := range rows {
			if err := j.load(ctx, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return wrap("join", err)
	}
	return (&writer{j.open}).apply(ctx, c)
}

// near returns the partitions where an id or a dialog of j.place may lie: its own and the days beside it, or all of the
// purpose if that counts from receipt.
func (j *joiner) near() ([]place, error) {
	p, days := j.place, j.purpose.DaysApart()
	anyDay := j.purpose != nil && j.purpose.FromReceipt
	if !anyDay && days == 1 {
		return slices.DeleteFunc([]place{p.Next(-1), p, p.Next(1)}, func(q place) bool { return !j.dir.exists(q) }), nil
	}
	all, err := j.dir.places(p.Purpose, ending)
	if anyDay {
		return all, err
	}
	from, to := p.Next(-days).Expires, p.Next(days).Expires
	return slices.DeleteFunc(all, func(q place) bool {
		return q.Expires.Compare(from) < 0 || q.Expires.Compare(to) > 0
	}), err
}

// selectFound finds rows by their ids and by their dialogs, those with both once.
const selectFound = `SELECT id, sensor, stage, revision, status, completeness, coalesce(dialog, ''),
	coalesce(unseen, 0), coalesce(spool, 0), coalesce(seq, 0), parts IS NOT NULL FROM excerpt WHERE rowid IN (
		SELECT e.rowid FROM json_each(?) AS wanted CROSS JOIN excerpt AS e ON e.id = wanted.value
		UNION SELECT e.rowid FROM json_each(?) AS wanted CROSS JOIN excerpt AS e ON e.dialog = wanted.value)`

// lookUp returns the rows of q that have to do with g.
func (j *joiner) lookUp(ctx context.Context, q place, g *store.Groups) (rows []store.Found, err error) {
	db, err := j.open.partition(ctx, q)
	if err != nil {
		return nil, err
	}
	ids, dialogs := g.Keys()
	result, err := db.QueryContext(ctx, selectFound, list(ids), list(dialogs))
	if err != nil {
		return nil, wrap("look up", err)
	}
	defer func() { _ = result.Close() }()
	for result.Next() {
		f := store.Found{In: q}
		err := result.Scan(&f.ID, &f.Sensor, &f.Stage, &f.Revision, &f.Status, &f.Completeness, &f.Dialog, &f.Missing,
			&f.Published.Stream, &f.Published.Number, &f.Joined)
		if err != nil {
			return nil, wrap("look up", err)
		}
		rows = append(rows, f)
	}
	return rows, wrap("look up", result.Err())
}

// list returns names as a list in JSON.
func list(names []string) string {
	text, _ := json.Marshal(names)
	return string(text)
}

// load reads the body of a row, and its parts.
func (j *joiner) load(ctx context.Context, f *store.Found) error {
	db, err := j.open.partition(ctx, f.In)
	if err != nil {
		return err
	}
	var text sql.Null[[]byte]
	err = db.QueryRowContext(ctx, "SELECT body, parts FROM excerpt WHERE id = ?", f.ID).Scan(&f.Body, &text)
	f.Parts = text.V
	return wrap("look up", err)
}
