// Package sqlite keeps excerpts of one site in files, one a purpose and day of expiry, and forgets by unlinking them.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	driver "modernc.org/sqlite" // registers the driver sqlite

	"sipsieve/store"
	"sipsieve/store/policy"
)

const (
	busyLimit   = 5 * time.Second // longest wait for the lock of another connection
	commitLimit = 1000            // excerpts in one transaction
	openLimit   = 16              // partitions kept open for writing
)

// A Config says where the files are and what the store does beside keeping.
type Config struct {
	Dir    string             // its own; <Dir>/<purpose>/<expires>.db
	Policy *policy.Policy     // whose purposes say how a call that two sensors saw is put together; nil for none
	Today  func() policy.Date // what has expired by it is suppressed; nil suppresses nothing
}

// A Store is a directory of partitions. It may be used by several goroutines; Puts come one after the other.
type Store struct {
	config Config
	expiry *store.Expiry
	own    func() error

	writing sync.Mutex // around all that writes or forgets
	open    handles
	closed  bool
}

// Open takes the directory for this process; if another has it, the error wraps store.ErrOwned.
func Open(c Config) (*Store, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	own, err := store.Own(dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	c.Dir = dir
	s := &Store{config: c, expiry: store.NewExpiry(c.Today), own: own}
	s.open.limit = openLimit
	return s, nil
}

// Suppressed returns how many excerpts of each purpose had expired when they came.
func (s *Store) Suppressed() map[string]uint64 { return s.expiry.Suppressed() }

// Close waits for the Put that is under way and gives the directory back.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(wrap("close", s.open.closeAll()), s.own())
}

// take waits for the writer's turn. The caller unlocks s.writing unless there is an error.
func (s *Store) take() error {
	s.writing.Lock()
	if s.closed {
		s.writing.Unlock()
		return errClosed
	}
	return nil
}

// errClosed is final for this Store, but not for what is put: another may take it.
var errClosed = fmt.Errorf("sqlite: closed: %w", store.ErrUnavailable)

// A place is a partition: a purpose and the day all of it expires.
type place struct {
	purpose string
	expires policy.Date
}

func (p place) day() time.Time {
	return time.Date(p.expires.Year, p.expires.Month, p.expires.Day, 0, 0, 0, 0, time.UTC)
}

// next returns the place so many days later.
func (p place) next(days int) place { return placeOn(p.purpose, p.day().AddDate(0, 0, days)) }

func placeOn(purpose string, day time.Time) place {
	return place{purpose, policy.Date{Year: day.Year(), Month: day.Month(), Day: day.Day()}}
}

func (s *Store) path(p place) string {
	return filepath.Join(s.config.Dir, p.purpose, p.day().Format(time.DateOnly)+".db")
}

// exists reports whether the partition has a file.
func (s *Store) exists(p place) bool {
	_, err := os.Stat(s.path(p))
	return err == nil
}

// purposes returns the purposes that have a directory.
func (s *Store) purposes() ([]string, error) {
	entries, err := os.ReadDir(s.config.Dir)
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

// places returns the partitions of a purpose by day of expiry, the earliest first.
func (s *Store) places(purpose string) ([]place, error) {
	return s.remains(purpose, ".db")
}

// remains returns the days of which a file with that ending is there, the earliest first.
func (s *Store) remains(purpose, ending string) ([]place, error) {
	entries, err := os.ReadDir(filepath.Join(s.config.Dir, purpose))
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
			places = append(places, placeOn(purpose, day))
		}
	}
	return places, nil
}

// wrap says what was done when err came. Whatever ails a file may be mended, so it is always store.ErrUnavailable.
// The database's own words are left out: they may quote a row.
func wrap(doing string, err error) error {
	var theirs *driver.Error
	switch {
	case err == nil || errors.Is(err, store.ErrUnavailable):
		return err
	case errors.As(err, &theirs):
		return fmt.Errorf("sqlite: %s: %w: code %d", doing, store.ErrUnavailable, theirs.Code())
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("sqlite: %s: %w: %w", doing, store.ErrUnavailable, err)
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("sqlite: %s: %w: %w", doing, store.ErrUnavailable, path.Err)
	}
	return fmt.Errorf("sqlite: %s: %w: %T", doing, store.ErrUnavailable, err)
}
