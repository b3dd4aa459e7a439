package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sipsieve/store"
	"sipsieve/store/cpni"
)

// A Reader reads the directory of a Store, whether a process keeps it or none. It takes nothing that a Store needs to
// open, to put or to sweep, however long it reads: SQLite's log lets one writer and any number of readers work at once.
type Reader struct{ dir directory }

// Read returns a Reader of dir. One that is not there has no rows.
func Read(dir string) (*Reader, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	return &Reader{directory(dir)}, nil
}

// Query is as a Store's. What is swept meanwhile may be left out.
func (r *Reader) Query(ctx context.Context, q store.Query) iter.Seq2[store.Item, error] {
	return r.dir.query(ctx, q, func() ([]place, error) { return r.dir.places(q.Purpose, ending) })
}

// selectBodies has the bodies of one partition in the order of their ids, by the first time of their kind that is not
// null: cpni.Kind.Times.
var selectBodies = `SELECT body FROM excerpt
	WHERE (?1 = '' OR kind = ?1)
	AND (?2 IS NULL OR ` + milliseconds() + ` >= ?2)
	AND (?3 IS NULL OR ` + milliseconds() + ` < ?3)
	ORDER BY id LIMIT ?4`

// milliseconds returns the expression of that time in Unix milliseconds. No key is one of two kinds.
func milliseconds() string {
	var keys []string
	for _, k := range cpni.Kinds() {
		for _, key := range k.Times() {
			if key = "body ->> '$." + key + "'"; !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return "CAST(round(1000 * unixepoch(coalesce(" + strings.Join(keys, ", ") + "), 'subsec')) AS INTEGER)"
}

// A scan is one Query under way.
type scan struct {
	dir   directory
	query store.Query
	left  int // rows to yield, negative for all
	yield func([]byte) bool
}

// run yields from one partition after the other.
func (s *scan) run(ctx context.Context, places []place) error {
	for _, p := range places {
		if more, err := s.partition(ctx, p); err != nil || !more || s.left == 0 {
			return err
		}
	}
	return nil
}

// partition yields what the Query names of one partition, and reports whether the caller wants more.
func (s *scan) partition(ctx context.Context, p place) (more bool, err error) {
	more = true
	err = s.dir.read(ctx, p, func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, selectBodies, s.query.Kind, bound(s.query.From), bound(s.query.To), s.left)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for more && rows.Next() {
			var body []byte
			if err := rows.Scan(&body); err != nil {
				return err
			}
			if s.left > 0 {
				s.left--
			}
			more = s.yield(body)
		}
		return rows.Err()
	})
	return more, err
}

// bound returns t as selectBodies compares it: to the millisecond, nil for none.
func bound(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Round(time.Millisecond).UnixMilli()
}
