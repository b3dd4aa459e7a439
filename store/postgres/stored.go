// This file has methods of reader because the order of storing is a subject of its own.

package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// stored yields what the Query names in the order of storing, up to what was put before it began, and then where the
// next one goes on.
func (r *reader) stored(ctx context.Context) error {
	next, err := store.ParseCursor(r.query.After)
	if err != nil {
		return err
	}
	end, err := reached(ctx, r.db, r.query.Purpose)
	if err != nil {
		return err
	}
	for _, sensor := range slices.Sorted(maps.Keys(end)) {
		if !next.Before(sensor, end[sensor]) {
			continue
		}
		more, err := r.ofSensor(ctx, sensor, next, end[sensor])
		if err != nil || !more {
			return err
		}
		next[sensor] = end[sensor]
	}
	r.yield(store.Item{Next: next.String()})
	return nil
}

// ofSensor yields the rows that publications of a sensor changed, those behind next up to end, and moves next on. It
// reports whether the caller wants more. Rows that one publication changed are all yielded, even if there are more than
// the Limit: a cursor cannot stand between them.
func (r *reader) ofSensor(ctx context.Context, sensor string, next store.Cursor, end policy.Sequence) (bool, error) {
	last := changed{by: policy.Sequence{Stream: -1}} // before all
	if s, known := next[sensor]; known {
		last.by = s
	}
	for first := true; ; first = false {
		c := r.conditions()
		c.add("put_by = %s", sensor)
		c.add("(put_spool, put_seq) <= (%s, %s)", end.Stream, int64(end.Number))
		if first {
			c.add("(put_spool, put_seq) > (%s, %s)", last.by.Stream, int64(last.by.Number))
		} else {
			c.add("(put_spool, put_seq, id) > (%s, %s, %s)", last.by.Stream, int64(last.by.Number), last.id)
		}
		limit := r.page() + 1
		page, err := r.changed(ctx, c, limit)
		if err != nil {
			return false, err
		}
		for _, x := range page {
			if r.left == 0 && x.by != last.by {
				return false, nil
			}
			last, next[sensor] = x, x.by
			if !r.pass([]store.Item{{Body: x.body, Next: next.String()}}) {
				return false, nil
			}
		}
		if len(page) < limit {
			return r.left != 0, nil
		}
	}
}

// changed reads rows in the order of storing.
func (r *reader) changed(ctx context.Context, c *conditions, limit int) (page []changed, err error) {
	rows, err := r.db.Query(ctx, fmt.Sprintf("SELECT put_spool, put_seq, id, body FROM %s.excerpt%s"+
		" ORDER BY put_spool, put_seq, id LIMIT %d", schemaOf(r.query.Purpose), c, limit), c.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var x changed
		if err := rows.Scan(&x.by.Stream, &x.by.Number, &x.id, &x.body); err != nil {
			return nil, err
		}
		page = append(page, x)
	}
	return page, rows.Err()
}

// A changed is a row with the publication that changed it last.
type changed struct {
	by   policy.Sequence
	id   string
	body []byte
}
