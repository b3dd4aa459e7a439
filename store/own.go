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

// SyncDir makes durable which names a directory has: a new file outlives a crash of the host, a removed one does not.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReplaceFile writes a file, mode 0600, in place of the one of that name, if there is one. After a crash of the host one
// of the two is there, whole.
func ReplaceFile(name string, data []byte) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(name+".new", name), SyncDir(filepath.Dir(name)))
}
