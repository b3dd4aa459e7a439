package vault

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"sipsieve/store/disk"
)

// Errors of a Backup.
var (
	ErrFolder  = errors.New("others can read it: chmod 700 it, or name a folder that is not there yet")
	ErrDiffers = errors.New("the copy makes other ids or pseudonyms than the key file")
)

// A Copy is a key file that was copied.
type Copy struct {
	Path string
	ID   string    // of the keys, the same for each copy of them
	Made time.Time // when the key file was written
}

// Backup copies the key file at path into a folder, under its name and with mode 0600, and compares what the two make.
// The folder is made if its parent is there. It must be of who calls, or of root, and nobody else may read it. A file
// that is there already is not written over. An error leaves no copy.
func Backup(path, dir string) (c Copy, err error) {
	keys, err := Load(path)
	if err != nil {
		return c, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("vault: key file: %w", err)
	}
	stat, err := os.Stat(path)
	if err != nil {
		return c, fmt.Errorf("vault: key file: %w", err)
	}
	if err := makeFolder(dir); err != nil {
		return c, err
	}
	c = Copy{Path: filepath.Join(dir, filepath.Base(path)), ID: keys.Fingerprint(), Made: stat.ModTime()}
	err = writeNew(c.Path, func(w *os.File) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return c, err
	}
	if err := compare(c.Path, text, keys); err != nil {
		return c, errors.Join(err, os.Remove(c.Path))
	}
	return c, os.Chtimes(c.Path, c.Made, c.Made)
}

// compare reads a copy and returns an error unless it has that text and makes what keys make.
func compare(path string, text []byte, keys *Keys) error {
	copied, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("vault: copy: %w", err)
	}
	again, err := Load(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(copied, text) || again.Fingerprint() != keys.Fingerprint() {
		return fmt.Errorf("vault: %s: %w", path, ErrDiffers)
	}
	return nil
}

// makeFolder makes dir with mode 0700, or returns an error if it is there and anybody else may read it.
func makeFolder(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		return errors.Join(os.Chmod(dir, 0o700), disk.SyncDir(filepath.Dir(dir)))
	}
	if !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("vault: folder: %w", err)
	}
	stat, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("vault: folder: %w", err)
	case !stat.IsDir():
		return fmt.Errorf("vault: folder %s: %w", dir, syscall.ENOTDIR)
	case stat.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("vault: folder %s: %w", dir, ErrFolder)
	}
	if owner, ok := stat.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("vault: folder %s: it is another user's: %w", dir, ErrFolder)
	}
	return nil
}
