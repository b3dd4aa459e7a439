// This file has methods of Reader because what copies and checks whole stores is a subject of its own.

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sipsieve/store"
	"sipsieve/store/disk"
)

// Backup copies the store into a new directory, while a Store puts or not: what was put before it began is in it, what
// is put meanwhile may be. The copy is a store that can be opened. An error leaves what was copied so far.
func (r *Reader) Backup(ctx context.Context, dir string) error {
	if found, err := os.ReadDir(dir); err == nil && len(found) > 0 {
		return fmt.Errorf("sqlite: backup: %s: %w", dir, os.ErrExist)
	}
	c, err := r.catalogue() // before the partitions: it may be older than they are, never newer
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	to := directory(dir)
	for _, p := range c.of("") {
		if err := r.backUp(ctx, p, to); err != nil {
			return wrap("backup", err)
		}
		e, _ := c.get(p)
		e.Seal = nil // of another file
		if e.Damage != nil {
			e.Damage.Files, e.Damage.Pending = 0, false // what was set aside is not copied
		}
		if c.entries[p] = e; !to.exists(p) {
			delete(c.entries, p) // swept meanwhile
		}
	}
	c.path = filepath.Join(dir, catalogueFile)
	return errors.Join(c.begin(), c.close(), disk.SyncDir(dir))
}

// backUp copies one partition.
func (r *Reader) backUp(ctx context.Context, p place, to directory) error {
	err := r.dir.read(p, func(db *sql.DB) error {
		if err := create(to.path(p)); err != nil {
			return err
		}
		_, err := db.ExecContext(ctx, "PRAGMA query_only = 0; VACUUM INTO ?", to.path(p)) // writes another file only
		return err
	})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to.path(p), os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), disk.SyncDir(filepath.Dir(to.path(p))))
}

// catalogue returns the catalogue of the directory. Files without one are ErrOlder.
func (r *Reader) catalogue() (*catalogue, error) {
	c, err := readCatalogue(r.dir)
	if err == nil && c.made && r.dir.any() {
		err = fmt.Errorf("sqlite: %s: %w", r.dir, ErrOlder)
	}
	return c, err
}

// A Verdict is what a check found of one partition.
type Verdict struct {
	store.Place
	Rows    int  // by its manifest
	Missing int  // of files that were set aside, and did not come again
	Damaged bool // the file is not what was written
}

// Verify reads every partition whole, while a Store puts or not, and changes nothing. lines is how many lines of the
// catalogue are damaged: partitions that only those name are not known.
func (r *Reader) Verify(ctx context.Context) (all []Verdict, lines int, err error) {
	c, err := r.catalogue()
	if err != nil {
		return nil, 0, err
	}
	for _, p := range c.of("") {
		e, _ := c.get(p)
		v := Verdict{Place: p, Rows: e.Rows}
		if e.Damage != nil {
			v.Missing = e.Damage.Missing
		}
		if e.Commits > 0 {
			err := wrap("verify", r.dir.examine(ctx, p, e))
			if v.Damaged = isDamage(err); err != nil && !v.Damaged {
				return all, c.bad, err
			}
		}
		all = append(all, v)
	}
	return all, c.bad, nil
}
