package postgres

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// rowsOf returns how many rows a purpose has by its manifest, or one day of it.
func rowsOf(ctx context.Context, q querier, purpose string, day *policy.Date) (n int, err error) {
	statement, args := "SELECT coalesce(sum(rows), 0)::bigint FROM "+schemaOf(purpose)+".days", []any(nil)
	if day != nil {
		statement, args = statement+" WHERE expires = $1", []any{day.Time()}
	}
	return n, q.QueryRow(ctx, statement, args...).Scan(&n)
}

// forget drops a partition and takes it out of the manifest, and returns how many rows it had.
func forget(ctx context.Context, tx pgx.Tx, p store.Place) (rows int, err error) {
	err = tx.QueryRow(ctx, "DELETE FROM "+schemaOf(p.Purpose)+".days WHERE expires = $1 RETURNING rows",
		p.Expires.Time()).Scan(&rows)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	if err == nil {
		_, err = tx.Exec(ctx, "DROP TABLE IF EXISTS "+tableOf(p))
	}
	return rows, err
}

// A span is a partition: between which moments its rows lie, and of which kinds they are. Moments are Unix
// milliseconds, timeless of a row without a time.
type span struct {
	expires     time.Time
	first, last int64
	kinds       []string
}

const timeless = math.MinInt64

// spans returns the partitions that may have rows from low on and before high, by their first moment.
func spans(ctx context.Context, q querier, purpose string, low, high pgtype.Timestamptz) (all []span, err error) {
	rows, err := q.Query(ctx, "SELECT expires, first, last, kinds FROM "+schemaOf(purpose)+
		".days WHERE rows > 0 AND last >= $1 AND first < $2 ORDER BY first, expires", low, high)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var one span
		var first, last pgtype.Timestamptz
		if err := rows.Scan(&one.expires, &first, &last, &one.kinds); err != nil {
			return nil, err
		}
		one.first, one.last = milliOf(first), milliOf(last)
		all = append(all, one)
	}
	return all, rows.Err()
}

// Limits of how many partitions a page is read of: each costs the reading of a row. A page that is not full is followed
// by one of twice as many.
const (
	fewestSpans = 4
	mostSpans   = 64
)

// ahead returns the first partitions of all that have the rows behind after, and the moment before which they have all of
// them, with ok if there are others from then on. They are about width, or more where many lie at the same time.
func ahead(all []span, after store.Mark, width int) (some []span, horizon int64, ok bool) {
	for _, one := range all {
		switch {
		case after.Known && one.last < after.Milli:
			continue
		case len(some) >= width && one.first > timeless && (!after.Known || one.first > after.Milli):
			return some, one.first, true
		}
		some = append(some, one)
	}
	return some, 0, false
}

func milliOf(t pgtype.Timestamptz) int64 {
	if t.InfinityModifier != pgtype.Finite {
		return timeless
	}
	return t.Time.UnixMilli()
}
