package postgres

import (
	"context"
	"fmt"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// setReached moves a sensor's stream on in the table reached.
const setReached = `INSERT INTO %[1]s.reached AS r VALUES ($1, $2, $3) ON CONFLICT (sensor) DO UPDATE
	SET spool = excluded.spool, seq = excluded.seq WHERE (excluded.spool, excluded.seq) > (r.spool, r.seq)`

// reached returns how far each sensor's stream of a purpose was put. A purpose without tables has none.
func reached(ctx context.Context, q querier, purpose string) (store.Cursor, error) {
	var there bool
	err := q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"+
		" WHERE n.nspname = $1 AND c.relname = 'reached')", prefix+purpose).Scan(&there)
	if err != nil || !there {
		return store.Cursor{}, err
	}
	rows, err := q.Query(ctx, fmt.Sprintf("SELECT sensor, spool, seq FROM %s.reached", schemaOf(purpose)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	c := store.Cursor{}
	for rows.Next() {
		var sensor string
		var s policy.Sequence
		if err := rows.Scan(&sensor, &s.Stream, &s.Number); err != nil {
			return nil, err
		}
		c[sensor] = s
	}
	return c, rows.Err()
}

// A publication is an excerpt as a sensor put it into its stream.
type publication struct {
	sensor string
	at     policy.Sequence
}

// changes finds for each row of a Put the publication that changed it: a reader that has read all that was put before
// finds the row behind its cursor.
type changes struct {
	before  store.Cursor
	reached store.Cursor                // of the Put alone
	by      map[string][]policy.Excerpt // id and dialog, each with what was put of it
}

// newChanges returns the changes that putting xs makes where before was put already.
func newChanges(xs []policy.Excerpt, before store.Cursor) *changes {
	c := &changes{before: before, reached: store.Cursor{}, by: map[string][]policy.Excerpt{}}
	for _, x := range xs {
		c.reached.Reach(x.Sensor, x.Published)
		c.by["id "+x.ID] = append(c.by["id "+x.ID], x)
		if x.Dialog != "" {
			c.by["dialog "+x.Dialog] = append(c.by["dialog "+x.Dialog], x)
		}
	}
	return c
}

// of returns the publication that changed row: one that was not put before, if there is one, and the row's own before
// another.
func (c *changes) of(row store.Row) publication {
	best := row.Excerpt
	for _, key := range []string{"dialog " + row.Dialog, "id " + row.ID} {
		for _, x := range c.by[key] {
			if c.rank(x, row) > c.rank(best, row) {
				best = x
			}
		}
	}
	return publication{best.Sensor, best.Published}
}

// rank is higher for what is likelier to have changed row.
func (c *changes) rank(x policy.Excerpt, row store.Row) (rank int) {
	if c.before.Before(x.Sensor, x.Published) {
		rank += 4
	}
	for _, part := range row.Parts {
		if part.ID == x.ID && part.Sensor == x.Sensor && part.Published == x.Published {
			rank += 2
		}
	}
	if x.ID == row.ID && x.Sensor == row.Sensor && x.Published == row.Published {
		rank++
	}
	return rank
}
