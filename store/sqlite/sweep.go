package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// endings are those of the files of one partition. The first is the partition; the others may outlive it in a crash.
var endings = []string{".db", ".db-wal", ".db-shm", ".db-journal"}

// Sweep unlinks whole files. A partition that cannot be read goes too, and its rows are not in gone; one that cannot
// be unlinked keeps none of the others from going.
func (s *Store) Sweep(ctx context.Context, day policy.Date) (gone int, err error) {
	if err := s.take(); err != nil {
		return 0, err
	}
	defer s.writing.Unlock()
	purposes, err := s.purposes()
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, purpose := range purposes {
		n, err := s.sweepPurpose(ctx, purpose, day)
		gone += n
		errs = append(errs, err)
	}
	return gone, wrap("sweep", errors.Join(errs...))
}

func (s *Store) sweepPurpose(ctx context.Context, purpose string, day policy.Date) (gone int, err error) {
	var errs []error
	swept := false
	for _, ending := range endings {
		places, err := s.remains(purpose, ending)
		errs = append(errs, err)
		for _, p := range places {
			if p.expires.Compare(day) > 0 {
				continue
			}
			swept = true
			n, err := s.forget(ctx, p)
			gone += n
			errs = append(errs, err)
		}
	}
	if swept {
		errs = append(errs, store.SyncDir(filepath.Join(s.config.Dir, purpose)))
	}
	return gone, errors.Join(errs...)
}

// forget unlinks what there is of a partition, and returns how many rows it had.
func (s *Store) forget(ctx context.Context, p place) (gone int, err error) {
	if s.exists(p) {
		gone, _ = s.rows(ctx, p) // of a file that is damaged nobody knows
	}
	errs := []error{s.open.close(p)}
	path := s.path(p)
	path = path[:len(path)-len(endings[0])]
	for _, ending := range endings {
		if err := os.Remove(path + ending); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return gone, errors.Join(errs...)
}
