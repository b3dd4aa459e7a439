package pcap

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// headRoom is how many bytes of what is in a file, decompressed, tell it from others.
const headRoom = 4096

// A mark is what a file shows without being opened.
type mark struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	Mod     int64  `json:"mod"`     // of what is in it: nanoseconds since 1970
	Changed int64  `json:"changed"` // of the inode, which nobody can set back
	Inode   uint64 `json:"inode"`
}

// An entry is a file that was read.
type entry struct {
	mark
	Head   string `json:"head"` // SHA-256 of the first bytes
	Packed bool   `json:"packed"`
	Seen   int64  `json:"seen"` // seconds since 1970: when it was there last
}

// head returns the SHA-256 of what the file at path begins with, and whether it is compressed.
func head(path string) (sum string, packed bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	raw := make([]byte, room)
	n, err := io.ReadFull(f, raw)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", false, err
	}
	first := raw[:min(n, headRoom)]
	plain, packed, err := decompress(&counted{r: bytes.NewReader(raw[:n])}, DefaultConfig())
	if packed && err == nil {
		first, _ = plain.Peek(headRoom) // fewer where the file is cut or broken
	}
	h := sha256.Sum256(first)
	return hex.EncodeToString(h[:]), packed, nil
}

// remembered are the files that were read.
type remembered struct{ files map[string]entry } // by name

// stateVersion is that of the state file.
const stateVersion = 1

// state is the state file.
type state struct {
	Version int     `json:"version"`
	Files   []entry `json:"files"`
}

// remember reads a state file; without one nothing was read.
func remember(path string) (remembered, error) {
	r := remembered{files: map[string]entry{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("pcap: state: %w", err)
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil || s.Version != stateVersion {
		return r, fmt.Errorf("pcap: state: %s is not ours: without it every file is read again", path)
	}
	for _, e := range s.Files {
		r.files[e.Name] = e
	}
	return r, nil
}

// covers reports whether e is a file that was read, by its own name or another. The same beginning is enough where
// one of both is compressed and has another name; otherwise a size that differs says that there is more in it.
func (r remembered) covers(e entry) bool {
	if r.files[e.Name].mark == e.mark {
		return true
	}
	for _, old := range r.files {
		if old.Head == e.Head && (old.Size == e.Size || old.Name != e.Name && (old.Packed || e.Packed)) {
			return true
		}
	}
	return false
}

// see remembers that e was there.
func (r remembered) see(e entry, now time.Time) {
	e.Seen = now.Unix()
	r.files[e.Name] = e
}

// forget forgets what has not been there since then, and beyond n files those that have been gone for longest.
func (r remembered) forget(since time.Time, n int) {
	maps.DeleteFunc(r.files, func(_ string, e entry) bool { return e.Seen < since.Unix() })
	for _, e := range r.sorted()[:max(0, len(r.files)-n)] {
		delete(r.files, e.Name)
	}
}

// sorted returns the entries, those that have been gone for longest first.
func (r remembered) sorted() []entry {
	return slices.SortedFunc(maps.Values(r.files), func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.Seen, b.Seen), cmp.Compare(a.Mod, b.Mod), cmp.Compare(a.Name, b.Name))
	})
}

// save writes the state file so that a crash leaves the old one or the new one.
func (r remembered) save(path string) error {
	b, err := json.Marshal(state{Version: stateVersion, Files: r.sorted()})
	if err != nil {
		return fmt.Errorf("pcap: state: %w", err)
	}
	next := path + ".next"
	if err = writeWhole(next, b); err == nil {
		err = os.Rename(next, path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("pcap: state: %w", err)
	}
	return nil
}

func writeWhole(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
