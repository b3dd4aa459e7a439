package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// A sweeper unlinks the partitions whose day of expiry is day or earlier.
type sweeper struct {
	open *handles
	dir  directory
	day  policy.Date

	gone int // rows
	errs []error
}

// sweep unlinks those of one purpose, and what a crash left of them.
func (w *sweeper) sweep(ctx context.Context, purpose string) {
	swept := false
	for _, ending := range endings {
		places, err := w.dir.places(purpose, ending)
		w.errs = append(w.errs, err)
		for _, p := range places {
			if p.Expires.Compare(w.day) <= 0 {
				swept = true
				w.forget(ctx, p)
			}
		}
	}
	if swept {
		w.errs = append(w.errs, store.SyncDir(filepath.Join(string(w.dir), purpose)))
	}
}

// forget unlinks what there is of a partition.
func (w *sweeper) forget(ctx context.Context, p place) {
	if w.dir.exists(p) {
		n, _ := w.dir.rows(ctx, p) // of a file that is damaged it is not known
		w.gone += n
	}
	w.errs = append(w.errs, w.open.close(p))
	base := strings.TrimSuffix(w.dir.path(p), ending)
	for _, ending := range endings {
		if err := os.Remove(base + ending); !errors.Is(err, os.ErrNotExist) {
			w.errs = append(w.errs, err)
		}
	}
}
