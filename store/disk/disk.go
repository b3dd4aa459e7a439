// Package disk writes files so that they outlive a crash of the host.
package disk

import (
	"errors"
	"os"
	"path/filepath"
)

// probeBytes is the size of a test write: what a spool and a store need at their start.
const probeBytes = 1 << 20

// Writable returns why a file cannot be written in dir, or in the nearest parent that exists. It writes a file of 1 MiB
// to the disk and removes it.
func Writable(dir string) error {
	for {
		st, err := os.Stat(dir)
		if errors.Is(err, os.ErrNotExist) && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir)
			continue
		}
		if err != nil {
			return err
		}
		if !st.IsDir() {
			return errors.New("not a folder")
		}
		f, err := os.CreateTemp(dir, ".sipsieve-*")
		if err != nil {
			return errors.Unwrap(err)
		}
		if _, err = f.Write(make([]byte, probeBytes)); err == nil {
			err = f.Sync()
		}
		return errors.Join(errors.Unwrap(err), f.Close(), os.Remove(f.Name()))
	}
}

// SyncDir makes durable which names a directory has: a new file outlives a crash of the host, a removed one does not.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReplaceFile writes a file of that mode in place of the one of that name, if there is one. After a crash of the host one
// of the two is there, whole.
func ReplaceFile(name string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(name+".new", name), SyncDir(filepath.Dir(name)))
}
