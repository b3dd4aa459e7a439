package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// A place is a partition.
type place = store.Place

// A directory is the absolute path of a store's files.
type directory string

// endings are those of the files of one partition. The first is the partition; the others may outlive it in a crash.
var endings = []string{ending, ".db-wal", ".db-shm", ".db-journal"}

const ending = ".db"

// path returns the file of a partition.
func (d directory) path(p place) string {
	return filepath.Join(string(d), p.Purpose, p.Expires.String()+ending)
}

// exists reports whether the partition has a file.
func (d directory) exists(p place) bool {
	_, err := os.Stat(d.path(p))
	return err == nil
}

// purposes returns the purposes that have a directory.
func (d directory) purposes() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, wrap("list", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && store.CheckName(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// places returns the days of which a purpose has a file with that ending, the earliest first.
func (d directory) places(purpose, ending string) ([]place, error) {
	entries, err := os.ReadDir(filepath.Join(string(d), purpose))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap("list", err)
	}
	var places []place
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ending)
		if day, err := time.Parse(time.DateOnly, name); ok && err == nil {
			places = append(places, place{Purpose: purpose, Expires: policy.DateOf(day)})
		}
	}
	return places, nil
}

// count returns how many rows each purpose has.
func (d directory) count(ctx context.Context) (map[string]int, error) {
	purposes, err := d.purposes()
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, purpose := range purposes {
		places, err := d.places(purpose, ending)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			n, err := d.rows(ctx, p)
			if err != nil {
				return nil, err
			}
			counts[purpose] += n
		}
	}
	return counts, nil
}

// rows returns how many rows a partition has.
func (d directory) rows(ctx context.Context, p place) (n int, err error) {
	err = d.read(ctx, p, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT count(*) FROM excerpt").Scan(&n)
	})
	return n, err
}

// read opens a partition for reading alone. One that is swept meanwhile is empty.
func (d directory) read(ctx context.Context, p place, do func(*sql.DB) error) error {
	db, err := sql.Open("sqlite", dataSource(d.path(p), true))
	if err != nil {
		return wrap("read", err)
	}
	db.SetMaxOpenConns(1)
	var tables int // none if the host crashed just after the file was made
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'excerpt'").Scan(&tables)
	if err == nil && tables > 0 {
		err = do(db)
	}
	err = errors.Join(err, db.Close())
	if _, gone := os.Stat(d.path(p)); errors.Is(gone, os.ErrNotExist) && ctx.Err() == nil {
		return nil
	}
	return wrap("read", err)
}

// query yields what q names of the partitions that list returns.
func (d directory) query(ctx context.Context, q store.Query, list func() ([]place, error)) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		if store.CheckName(q.Purpose) != nil {
			yield(store.Item{}, store.ErrNoPurpose)
			return
		}
		s := scan{dir: d, query: q, left: q.Limit, yield: func(body []byte) bool { return yield(store.Item{Body: body}, nil) }}
		if q.Limit <= 0 {
			s.left = -1
		}
		places, err := list()
		if err == nil {
			err = s.run(ctx, places)
		}
		if err != nil {
			yield(store.Item{}, err)
		}
	}
}
