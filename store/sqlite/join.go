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
	g := gather(xs)
	for _, q := range near {
		rows, err := j.lookUp(ctx, q, g)
		if err != nil {
			return err
		}
		g.add(rows)
	}
	c := change{write: map[place][]store.Row{}, out: map[place][]string{}}
	for _, one := range g.list() {
		if one.plain() {
			c.settle(j.place, one)
			continue
		}
		if err := j.rejoin(ctx, one, &c); err != nil {
			return err
		}
	}
	return (&writer{j.open}).apply(ctx, c)
}

// near returns the partitions where an id or a dialog of j.place may lie: its own and the days beside it, or all of the
// purpose if that counts from receipt.
func (j *joiner) near() ([]place, error) {
	p, days := j.place, j.purpose.DaysApart()
	anyDay := j.purpose != nil && j.purpose.FromReceipt
	if !anyDay && days == 1 {
		return slices.DeleteFunc([]place{p.next(-1), p, p.next(1)}, func(q place) bool { return !j.dir.exists(q) }), nil
	}
	all, err := j.dir.places(p.purpose, ending)
	if anyDay {
		return all, err
	}
	from, to := p.next(-days).expires, p.next(days).expires
	return slices.DeleteFunc(all, func(q place) bool {
		return q.expires.Compare(from) < 0 || q.expires.Compare(to) > 0
	}), err
}

// rejoin makes the rows of one group anew, of all that was published of it.
func (j *joiner) rejoin(ctx context.Context, g *group, c *change) error {
	var xs []policy.Excerpt
	for i := range g.rows {
		parts, err := j.load(ctx, &g.rows[i])
		if err != nil {
			return err
		}
		xs = append(xs, parts...)
	}
	xs = append(xs, g.xs...)
	there := map[place][]string{} // ids that are as they should be
	for _, row := range store.Rows(j.purpose, xs) {
		q := place{row.Purpose, row.Expires}
		there[q] = append(there[q], row.ID)
		same := func(f found) bool {
			return f.in == q && f.ID == row.ID && string(f.body) == string(row.Body()) &&
				string(f.parts) == string(row.PartsText())
		}
		if !slices.ContainsFunc(g.rows, same) {
			c.write[q] = append(c.write[q], row)
		}
	}
	for _, f := range g.rows {
		if !slices.Contains(there[f.in], f.ID) {
			c.out[f.in] = append(c.out[f.in], f.ID)
		}
	}
	return nil
}

// selectFound finds rows by their ids and by their dialogs, those with both once.
const selectFound = `SELECT id, sensor, stage, revision, status, completeness, coalesce(dialog, ''),
	coalesce(unseen, 0), coalesce(spool, 0), coalesce(seq, 0), parts IS NOT NULL FROM excerpt WHERE rowid IN (
		SELECT e.rowid FROM json_each(?) AS wanted CROSS JOIN excerpt AS e ON e.id = wanted.value
		UNION SELECT e.rowid FROM json_each(?) AS wanted CROSS JOIN excerpt AS e ON e.dialog = wanted.value)`

// lookUp returns the rows of q that have to do with g.
func (j *joiner) lookUp(ctx context.Context, q place, g *groups) (rows []found, err error) {
	db, err := j.open.partition(ctx, q)
	if err != nil {
		return nil, err
	}
	ids, dialogs := g.keys()
	result, err := db.QueryContext(ctx, selectFound, ids, dialogs)
	if err != nil {
		return nil, wrap("look up", err)
	}
	defer func() { _ = result.Close() }()
	for result.Next() {
		f := found{in: q}
		err := result.Scan(&f.ID, &f.Sensor, &f.Stage, &f.Revision, &f.Status, &f.Completeness, &f.Dialog, &f.Missing,
			&f.Published.Stream, &f.Published.Number, &f.joined)
		if err != nil {
			return nil, wrap("look up", err)
		}
		rows = append(rows, f)
	}
	return rows, wrap("look up", result.Err())
}

// load reads the body of a row, and returns what it was made of.
func (j *joiner) load(ctx context.Context, f *found) (parts []policy.Excerpt, err error) {
	db, err := j.open.partition(ctx, f.in)
	if err != nil {
		return nil, err
	}
	var text sql.Null[[]byte]
	err = db.QueryRowContext(ctx, "SELECT body, parts FROM excerpt WHERE id = ?", f.ID).Scan(&f.body, &text)
	if err != nil {
		return nil, wrap("look up", err)
	}
	f.parts = text.V
	if f.parts != nil {
		parts, err = store.ReadParts(f.parts)
		return parts, wrap("look up", err)
	}
	x, err := store.Kept(f.body, f.Published)
	return []policy.Excerpt{x}, wrap("look up", err)
}
