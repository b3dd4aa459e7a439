package vault

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"

	"sipsieve/store/disk"
)

// A keyFile is the file that holds the roots, each in base64.
type keyFile struct {
	Version   int    `toml:"version"`
	ID        string `toml:"id-root"`
	Pseudonym string `toml:"pseudonym-root"`
}

// Errors of a key file. They never hold a byte of it.
var (
	ErrMissing = errors.New("it is not there: make one with sipsieve keys init, or bring that of the fleet")
	ErrMode    = errors.New("others can read it: chmod 600 it, and make new keys if somebody may have read it")
	ErrContent = errors.New("it is not a key file of version 1 with id-root and pseudonym-root")
)

// Load reads the key file at path. It must be a regular file that only its owner can read.
func Load(path string) (*Keys, error) {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("vault: key file %s: %w", path, ErrMissing)
	case err != nil:
		return nil, fmt.Errorf("vault: key file: %w", err)
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("vault: key file %s: not a regular file", path)
	case st.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("vault: key file %s: %w", path, ErrMode)
	}
	return LoadCredential(path)
}

// LoadCredential reads a key file that the service manager passes (systemd.exec(5), LoadCredential=): who may read it
// is decided by the manager, whatever the file's mode.
func LoadCredential(path string) (*Keys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("vault: key file: %w", err)
	}
	var f keyFile
	md, err := toml.Decode(string(text), &f)
	if err != nil || len(md.Undecoded()) > 0 || f.Version != 1 { // the decoder's own error would quote the file
		return nil, fmt.Errorf("vault: key file %s: %w", path, ErrContent)
	}
	ids, err1 := base64.StdEncoding.DecodeString(f.ID)
	pseudonyms, err2 := base64.StdEncoding.DecodeString(f.Pseudonym)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("vault: key file %s: %w", path, ErrContent)
	}
	k, err := New(ids, pseudonyms)
	if err != nil {
		return nil, fmt.Errorf("vault: key file %s: %w", path, ErrContent)
	}
	return k, nil
}

// Create writes a new key file with random roots, readable by its owner only. A file that is there stays as it is.
func Create(path string) error {
	f := keyFile{Version: 1, ID: root(), Pseudonym: root()}
	return writeNew(path, func(w *os.File) error { return toml.NewEncoder(w).Encode(f) })
}

// writeNew makes a file of mode 0600 that outlives a crash of the host. After an error it is not there, unless it was.
func writeNew(path string, write func(*os.File) error) error {
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("vault: key file %s: it is there already, and what it made cannot be made again without it", path)
	}
	if err != nil {
		return fmt.Errorf("vault: key file: %w", err)
	}
	err = errors.Join(write(w), w.Chmod(0o600), w.Sync(), w.Close())
	if err == nil {
		err = disk.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("vault: key file: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

func root() string {
	var b [rootSize]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}
