package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// probeBytes is the size of a test write: large enough to fail on a disk without a free block.
const probeBytes = 64 << 10

// Writable returns why a file cannot be written in dir, or in the nearest parent that exists. It writes a file of
// probeBytes and removes it.
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
		_, err = f.Write(make([]byte, probeBytes))
		return errors.Join(errors.Unwrap(err), f.Close(), os.Remove(f.Name()))
	}
}

// probeSize is how many bytes a state folder must have room for.
const probeSize = 1 << 20

// roomIn returns why nothing can be written in the state folder: what is opened there does not always say so.
func roomIn(state string) error {
	f, err := os.CreateTemp(state, ".sipsieve-*")
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	_, err = f.Write(make([]byte, probeSize))
	if err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}
