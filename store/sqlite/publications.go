// This file has methods of Reader because what a store is copied by is a subject of its own.

package sqlite

import (
	"context"
	"database/sql"
	"iter"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// Places returns the partitions that have a file, by purpose, the earliest first.
func (r *Reader) Places() ([]store.Place, error) { return r.dir.partitions() }

// Publications yields what the rows of a partition were made of, row by row: excerpts as they were published, with their
// places in their sensors' streams as far as they are known. After an error nothing more is yielded.
func (r *Reader) Publications(ctx context.Context, p store.Place) iter.Seq2[[]policy.Excerpt, error] {
	return func(yield func([]policy.Excerpt, error) bool) {
		err := wrap("read", r.dir.read(p, func(db *sql.DB) error { return publications(ctx, db, yield) }))
		if err != nil {
			yield(nil, err)
		}
	}
}

// publications yields from an open partition. One of the first version bears no places and no parts.
func publications(ctx context.Context, db *sql.DB, yield func([]policy.Excerpt, error) bool) error {
	columns := "body, coalesce(spool, 0), coalesce(seq, 0), parts"
	var has bool
	err := db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM pragma_table_info('excerpt') WHERE name = 'parts'").Scan(&has)
	if err != nil {
		return err
	}
	if !has {
		columns = "body, 0, 0, NULL"
	}
	rows, err := db.QueryContext(ctx, "SELECT "+columns+" FROM excerpt ORDER BY id")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var f store.Found
		var parts sql.Null[[]byte]
		if err := rows.Scan(&f.Body, &f.Published.Stream, &f.Published.Number, &parts); err != nil {
			return err
		}
		f.Parts = parts.V
		xs, err := f.Publications()
		if err != nil {
			return err
		}
		if !yield(xs, nil) {
			return nil
		}
	}
	return rows.Err()
}
