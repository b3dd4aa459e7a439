package sqlite

import (
	"context"
	"database/sql"
	"slices"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// A joiner joins excerpts of one partition with what is there.
type joiner struct {
	writer
	purpose *policy.Purpose // nil if the store's policy has none of that name
	place   place
}

// join puts xs, whose own partition is j.place, or less where what is there already wins.
func (j *joiner) join(ctx context.Context, xs []policy.Excerpt) error {
	g := store.Gather(xs)
	j.rows = map[place]bool{}
	for _, q := range j.near() {
		rows, err := j.lookUp(ctx, q, g)
		if err != nil {
			return err
		}
		j.rows[q] = len(rows) > 0
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
	return j.apply(ctx, c)
}

// near returns the partitions that are there and where an id or a dialog of j.place may lie: its own and the days beside
// it, or all of the purpose if that counts from receipt.
func (j *joiner) near() []place {
	all := j.open.catalogue.of(j.place.Purpose)
	if j.purpose != nil && j.purpose.FromReceipt {
		return all
	}
	days := j.purpose.DaysApart()
	first, last := j.place.Next(-days).Expires, j.place.Next(days).Expires
	return slices.DeleteFunc(all, func(q place) bool {
		return q.Expires.Compare(first) < 0 || q.Expires.Compare(last) > 0
	})
}

// selectFound finds rows by their ids and by their dialogs, those with both once.
const selectFound = `SELECT id, sensor, stage, revision, status, completeness, coalesce(dialog, ''),
	unseen, spool, seq, parts IS NOT NULL FROM excerpt WHERE rowid IN (
		SELECT e.rowid FROM json_each(?) AS wanted CROSS JOIN excerpt AS e ON e.id = wanted.value
		UNION SELECT e.rowid FROM json_each(?) AS wanted CROSS JOIN excerpt AS e ON e.dialog = wanted.value)`

// lookUp returns the rows of q that have to do with g.
func (j *joiner) lookUp(ctx context.Context, q place, g *store.Groups) (rows []store.Found, err error) {
	db, err := j.open.partition(ctx, q)
	if err != nil || db.manifest.Rows == 0 {
		return nil, err
	}
	ids, dialogs := g.Keys()
	result, err := db.lookUp.QueryContext(ctx, list(ids), list(dialogs))
	if err != nil {
		return nil, j.open.damagedBy(ctx, q, wrap("look up", err))
	}
	defer func() { _ = result.Close() }()
	for result.Next() {
		f := store.Found{In: q}
		err := result.Scan(&f.ID, &f.Sensor, &f.Stage, &f.Revision, &f.Status, &f.Completeness, &f.Dialog, &f.Missing,
			&f.Published.Stream, &f.Published.Number, &f.Joined)
		if err != nil {
			return nil, j.open.damagedBy(ctx, q, wrap("look up", err))
		}
		rows = append(rows, f)
	}
	return rows, j.open.damagedBy(ctx, q, wrap("look up", result.Err()))
}

// load reads the body of a row, and its parts.
func (j *joiner) load(ctx context.Context, f *store.Found) error {
	p, err := j.open.partition(ctx, f.In)
	if err != nil {
		return err
	}
	var text sql.Null[[]byte]
	err = p.db.QueryRowContext(ctx, "SELECT body, parts FROM excerpt WHERE id = ?", f.ID).Scan(&f.Body, &text)
	f.Parts = text.V
	return j.open.damagedBy(ctx, f.In, wrap("look up", err))
}
