package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrOwned is the cause when another process, or another part of this one, has taken a directory.
var ErrOwned = errors.New("another sipsieve has it")

// Own makes dir, if it is not there, with mode 0700, and takes it (flock of its file lock) for the caller until release
// is called or the process ends. If it is taken the error wraps ErrOwned.
func Own(dir string) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrOwned
	}
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("store: %s: %w", dir, err)
	}
	return lock.Close, nil
}
