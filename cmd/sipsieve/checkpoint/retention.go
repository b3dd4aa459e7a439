package checkpoint

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Why a file was set aside, in its name.
const (
	asideKey     = ".other-key-"
	asideVersion = ".other-version-"
	newSuffix    = ".new" // of a file that is not finished
)

// Expire removes the files of a folder that were set aside, and those that a compaction left unfinished, if they were
// written last before a time. It returns how many.
func Expire(dir string, before time.Time) (gone int, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		name := e.Name()
		if !strings.Contains(name, asideKey) && !strings.Contains(name, asideVersion) &&
			!strings.HasSuffix(name, newSuffix) || !e.Type().IsRegular() {
			continue
		}
		written, statErr := e.Info()
		if statErr == nil && written.ModTime().Before(before) {
			if statErr = os.Remove(filepath.Join(dir, name)); statErr == nil {
				gone++
			}
		}
		if !errors.Is(statErr, fs.ErrNotExist) {
			err = errors.Join(err, statErr)
		}
	}
	return gone, err
}

// Remove removes the log at path, its mark and what a compaction left unfinished, as far as they are there.
func Remove(path string) (err error) {
	for _, one := range [...]string{path, path + markSuffix, path + newSuffix} {
		if gone := os.Remove(one); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}
