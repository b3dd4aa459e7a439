package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
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

// ending is that of a partition's file. Files whose names begin with those of it are SQLite's.
const ending = ".db"

// beside are the endings of SQLite's files, behind that of the partition.
var beside = []string{"-wal", "-shm", "-journal"}

// path returns the file of a partition.
func (d directory) path(p place) string {
	return filepath.Join(string(d), p.Purpose, p.Expires.String()+ending)
}

// aside returns the n-th file of a partition that was set aside.
func (d directory) aside(p place, n int) string {
	return filepath.Join(string(d), p.Purpose, fmt.Sprintf("%s.damaged-%d", p.Expires, n))
}

// keptLog returns a second name of a partition's log while the partition is opened.
func (d directory) keptLog(p place) string { return d.path(p) + "-wal-kept" }

// exists reports whether the partition has a file, also one that cannot be looked at now.
func (d directory) exists(p place) bool {
	_, err := os.Stat(d.path(p))
	return !errors.Is(err, os.ErrNotExist)
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

// A dayFile is a file of one day of expiry.
type dayFile struct {
	place
	name string
}

// files returns the files of a purpose that belong to a day, in the order of the days: partitions, what SQLite has
// beside them, and what was set aside.
func (d directory) files(purpose string) (files []dayFile, err error) {
	entries, err := os.ReadDir(filepath.Join(string(d), purpose))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap("list", err)
	}
	for _, e := range entries {
		name, _, _ := strings.Cut(e.Name(), ".")
		if day, ok := readDay(name); ok {
			files = append(files, dayFile{place{Purpose: purpose, Expires: day}, e.Name()})
		}
	}
	return files, nil
}

// partitions returns the partitions that have a file, of all purposes.
func (d directory) partitions() (places []place, err error) {
	purposes, err := d.purposes()
	for _, purpose := range purposes {
		files, err := d.files(purpose)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if strings.HasSuffix(f.name, ending) {
				places = append(places, f.place)
			}
		}
	}
	return places, err
}

func readDay(text string) (policy.Date, bool) {
	day, err := time.Parse(time.DateOnly, text)
	return policy.DateOf(day), err == nil
}

// read opens a partition for reading alone. One that is swept meanwhile is empty.
func (d directory) read(p place, do func(*sql.DB) error) error {
	db, err := sql.Open("sqlite", dataSource(d.path(p), true))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	if err = errors.Join(do(db), db.Close()); !d.exists(p) {
		return nil
	}
	return err
}

// any reports whether there is a partition.
func (d directory) any() bool {
	places, _ := d.partitions()
	return len(places) > 0
}
