// This file has methods of Store because damage is found in whatever reads and writes.

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sipsieve/store"
	"sipsieve/store/disk"
	"sipsieve/store/policy"
)

// mendLimit is how many files of one partition are set aside between two Checks: what damages more than that is the disk
// or the memory of the host, and would fill the disk with files.
const mendLimit = 3

// An againError is of a partition whose files were damaged mendLimit times since the last Check.
type againError struct{ place }

// Error names the partition.
func (e againError) Error() string {
	return fmt.Sprintf("sqlite: %s %v: damaged again after %d files were set aside: left as it is until the next daily check: "+
		"examine the disk and the memory of this host", e.Purpose, e.Expires, mendLimit)
}

// Unwrap returns the cause, which passes when the host is repaired.
func (e againError) Unwrap() error { return store.ErrUnavailable }

// Check reads every partition whole and sets those aside that are damaged. It waits for no Put but where it finds one.
// One that cannot be read or set aside now is in the error, and keeps none of the others from being read.
func (s *Store) Check(ctx context.Context) error {
	if err := s.lock(); err != nil {
		return err
	}
	clear(s.mended)
	s.writing.Unlock()
	var errs []error
	for _, p := range s.catalogue.of("") {
		if err := s.check(ctx, p); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// check reads a partition, and once more with nobody writing if it seems damaged.
func (s *Store) check(ctx context.Context, p place) error {
	e, known := s.catalogue.get(p)
	if !known || e.Commits == 0 || s.dir.examine(ctx, p, e) == nil {
		return ctx.Err()
	}
	if err := s.lock(); err != nil {
		return err
	}
	defer s.writing.Unlock()
	if e, known = s.catalogue.get(p); !known {
		return nil
	}
	err := s.dir.examine(ctx, p, e)
	if !isDamage(err) {
		return wrap("check", err)
	}
	return s.setAside(ctx, p)
}

// setAside renames the files of a damaged partition, and puts what is intact in them into another.
func (s *Store) setAside(ctx context.Context, p place) error {
	if s.mended[p] >= mendLimit {
		return againError{p}
	}
	s.mended[p]++
	_ = s.open.close(p) // it may be what it is set aside for
	e, _ := s.catalogue.get(p)
	d := damage{Had: newManifest()}
	if e.Damage != nil {
		d = *e.Damage
		d.Had = d.Had.clone()
	}
	d.Files++
	d.Missing += e.Rows
	d.Pending, d.Refilling, d.Since = true, false, 0
	d.Had.merge(e.manifest)
	err := s.catalogue.put(map[place]entry{p: {manifest: newManifest(), Damage: &d}}, nil)
	if err = errors.Join(err, s.catalogue.sync()); err != nil {
		return err
	}
	return s.salvage(ctx, p)
}

// salvage ends what setAside began, also after a crash or an error in the middle: then rows of earlier files may not be
// read out either, so all files of p are read.
func (s *Store) salvage(ctx context.Context, p place) error {
	e, _ := s.catalogue.get(p)
	files := e.Damage.Files
	if err := s.moveAside(p, files); err != nil {
		return wrap("set aside", err)
	}
	for n := range files {
		err := salvaged(s.dir.aside(p, n+1), func(xs []policy.Excerpt) error {
			alive, _ := s.expiry.Alive(xs)
			_, err := s.keep(ctx, alive, true)
			return err
		})
		if err != nil {
			return err
		}
	}
	return s.mark(p, func(d *damage) { d.Pending = false })
}

// moveAside gives the files of a partition the names of the n-th that was set aside, unless they have them.
func (s *Store) moveAside(p place, n int) error {
	aside := s.dir.aside(p, n)
	if _, err := os.Stat(aside); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, ending := range append([]string{""}, beside...) {
		err := os.Rename(s.dir.path(p)+ending, aside+ending)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(s.dir.keptLog(p), aside+"-wal"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return disk.SyncDir(filepath.Dir(aside))
}

// Damaged returns what is missing, and has not been announced.
func (s *Store) Damaged() (all store.DamageError) {
	for _, p := range s.catalogue.of("") {
		e, _ := s.catalogue.get(p)
		if d := e.Damage; d != nil && d.Missing > d.Announced {
			one := store.Damage{Place: p, Number: d.Files, Missing: d.Missing - d.Announced, Refilling: d.Refilling, Pending: d.Pending,
				Had: d.Had.lowest()}
			if one.From, one.To = d.Had.bounds(); one.From.IsZero() && d.Since != 0 {
				one.From, one.To = time.UnixMilli(d.Since), time.UnixMilli(d.Since)
			}
			all = append(all, one)
		}
	}
	return all
}

// Missing returns what is missing, also what was announced.
func (s *Store) Missing() (all store.DamageError) {
	for _, p := range s.catalogue.of("") {
		if e, _ := s.catalogue.get(p); e.Damage != nil && e.Damage.Missing > 0 {
			all = append(all, store.Damage{Place: p, Missing: e.Damage.Missing})
		}
	}
	return all
}

// MarkRefilling enters since when the bus delivers again what it still has of a partition.
func (s *Store) MarkRefilling(p store.Place, since time.Time) error {
	return s.marked(p, func(d *damage) { d.Refilling, d.Since = true, since.UnixMilli() })
}

// MarkAnnounced enters that the rows which a partition lacks now are announced as lost.
func (s *Store) MarkAnnounced(p store.Place) error {
	return s.marked(p, func(d *damage) { d.Announced = d.Missing })
}

// marked is mark with the writer's turn.
func (s *Store) marked(p place, change func(*damage)) error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.writing.Unlock()
	return s.mark(p, change)
}

// mark changes the damage of a partition in the catalogue, if it has one.
func (s *Store) mark(p place, change func(*damage)) error {
	e, ok := s.catalogue.get(p)
	if !ok || e.Damage == nil {
		return nil
	}
	d := *e.Damage
	change(&d)
	e.Damage = &d
	return errors.Join(s.catalogue.put(map[place]entry{p: e}, nil), s.catalogue.sync())
}

// Settle checkpoints the partitions of which nothing was used since the last Settle, and seals them. One that is damaged
// or was deleted is set aside, and what could not be read out of those that are is read now.
func (s *Store) Settle(ctx context.Context) error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.writing.Unlock()
	var errs []error
	for _, p := range s.catalogue.of("") {
		if e, _ := s.catalogue.get(p); e.Commits > 0 && !s.expiry.Over(p.Expires) && !s.dir.exists(p) {
			errs = append(errs, s.setAside(ctx, p))
		}
	}
	for _, p := range append([]place(nil), s.open.order...) {
		one := s.open.by[p]
		if one.busy {
			one.busy = false
			continue
		}
		err := s.seal(ctx, p, one)
		if damaged := (damageError{}); errors.As(err, &damaged) {
			err = s.setAside(ctx, damaged.place)
		}
		errs = append(errs, err)
	}
	for _, p := range s.catalogue.of("") {
		if e, _ := s.catalogue.get(p); e.Damage != nil && e.Damage.Pending {
			errs = append(errs, s.salvage(ctx, p))
		}
	}
	return wrap("settle", errors.Join(errs...))
}

// seal empties the log of a partition, unless a reader holds it, and enters the checksum of the file.
func (s *Store) seal(ctx context.Context, p place, one *partition) error {
	e, _ := s.catalogue.get(p)
	if e.Seal != nil && e.Seal.Commits == e.Commits || e.Commits == 0 {
		return nil
	}
	var held, frames, moved int
	err := one.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&held, &frames, &moved)
	if err != nil || held != 0 {
		return s.open.damagedBy(ctx, p, wrap("checkpoint", err))
	}
	now, err := sealOf(s.dir.path(p))
	if err != nil {
		return err
	}
	now.Commits = e.Commits
	e.Seal = &now
	return s.catalogue.put(map[place]entry{p: e}, nil)
}
