package sqlite

import (
	"errors"
	"os"
	"path/filepath"

	"sipsieve/store/disk"
	"sipsieve/store/policy"
)

// A sweeper unlinks the partitions whose day of expiry is day or earlier.
type sweeper struct {
	open *handles
	dir  directory
	day  policy.Date

	gone  int // rows
	swept []place
	errs  []error
}

// sweep unlinks the files of one purpose, also what was set aside and what a crash left.
func (w *sweeper) sweep(purpose string) {
	files, err := w.dir.files(purpose)
	w.errs = append(w.errs, err)
	swept := false
	for _, f := range files {
		if f.Expires.Compare(w.day) > 0 {
			continue
		}
		swept = true
		if f.name == filepath.Base(w.dir.path(f.place)) {
			w.errs = append(w.errs, w.open.close(f.place))
		}
		err := os.Remove(filepath.Join(string(w.dir), purpose, f.name))
		if !errors.Is(err, os.ErrNotExist) { // SQLite removes its own at the close
			w.errs = append(w.errs, err)
		}
	}
	for _, p := range w.open.catalogue.of(purpose) {
		if p.Expires.Compare(w.day) <= 0 && !w.dir.exists(p) {
			e, _ := w.open.catalogue.get(p)
			w.gone += e.Rows
			w.swept = append(w.swept, p)
		}
	}
	if swept {
		w.errs = append(w.errs, disk.SyncDir(filepath.Join(string(w.dir), purpose)))
	}
}
