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
	between := storeRange{after: changed{by: policy.Sequence{Stream: -1}}, end: end} // before all
	if s, known := next[sensor]; known {
		between.after.by = s
	}
	for {
		limit := r.page() + 1
		statement, args := r.selectStored(sensor, between, limit)
		page, err := r.changed(ctx, statement, args)
		if err != nil {
			return false, err
		}
		for _, x := range page {
			if r.left == 0 && x.by != between.after.by {
				return false, nil
			}
			between.after, next[sensor] = x, x.by
			if !r.pass([]store.Item{{Body: x.body, Next: next.String()}}) {
				return false, nil
			}
		}
		if len(page) < limit {
			return r.left != 0, nil
		}
	}
}

// A storeRange is a part of the order of storing, of one sensor: behind after, all that it changed if it has no id, and
// up to end.
type storeRange struct {
	after changed
	end   policy.Sequence
}

// selectStored returns what reads the rows of a range, and the values of its parameters.
func (r *reader) selectStored(sensor string, between storeRange, limit int) (statement string, args []any) {
	c := &conditions{}
	r.filter(c, "")
	c.add("put_by = %s", sensor)
	c.add("(put_spool, put_seq) <= (%s, %s)", between.end.Stream, int64(between.end.Number))
	if last := between.after; last.id == "" {
		c.add("(put_spool, put_seq) > (%s, %s)", last.by.Stream, int64(last.by.Number))
	} else {
		c.add("(put_spool, put_seq, id) > (%s, %s, %s)", last.by.Stream, int64(last.by.Number), last.id)
	}
	return fmt.Sprintf("SELECT put_spool, put_seq, id, body FROM %s.excerpt%s ORDER BY put_spool, put_seq, id LIMIT %d",
		schemaOf(r.query.Purpose), c, limit), c.args
}

// changed reads rows in the order of storing.
func (r *reader) changed(ctx context.Context, statement string, args []any) (page []changed, err error) {
	rows, err := r.db.Query(ctx, statement, args...)
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
