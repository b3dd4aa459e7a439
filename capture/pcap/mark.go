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
	"os"
	"slices"
	"syscall"
)

// headRoom is how many bytes of a file's content, decompressed, identify it.
const headRoom = 4096

// A Mark is what is remembered of a file of a folder: what identifies it, and how far it has been read.
type Mark struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	Mod     int64  `json:"mod"`     // of its content: nanoseconds since 1970
	Changed int64  `json:"changed"` // of the inode, which cannot be set: nanoseconds since 1970
	Inode   uint64 `json:"inode"`

	Head     string `json:"head"`                // SHA-256 of the first bytes of its content, decompressed
	HeadSize int    `json:"head_size,omitempty"` // how many; 0 for all, up to 4096
	Packed   bool   `json:"packed"`
	Seen     int64  `json:"seen"` // seconds since 1970: when it was there last

	First  int64   `json:"first,omitempty"`  // time of the first frame, nanoseconds since 1970
	Last   int64   `json:"last,omitempty"`   // latest time of the frames that were read
	Offset int64   `json:"offset,omitempty"` // in its content, decompressed, up to which frames were read
	Held   []int64 `json:"held,omitempty"`   // offsets of frames that were read and waited in the reorder buffer
	Whole  bool    `json:"whole,omitempty"`  // it was read to its end at that time
}

// sameStat reports whether the file was not touched since.
func (m *Mark) sameStat(o *Mark) bool {
	return m.Name == o.Name && m.Size == o.Size && m.Mod == o.Mod && m.Changed == o.Changed && m.Inode == o.Inode
}

func markOf(st fs.FileInfo) Mark {
	m := Mark{Name: st.Name(), Size: st.Size(), Mod: st.ModTime().UnixNano()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		m.Inode, m.Changed = sys.Ino, sys.Ctim.Nano()
	}
	return m
}

// A beginning is the first bytes of a file.
type beginning struct {
	bytes  []byte // decompressed, up to 4096
	packed bool
	first  int64 // time of the first frame, nanoseconds since 1970; 0 without one
	sums   map[int]string
}

// begin reads the first bytes of the file at path.
func begin(path string) (b beginning, err error) {
	f, err := os.Open(path)
	if err != nil {
		return b, err
	}
	defer f.Close()
	raw := make([]byte, room)
	n, err := io.ReadFull(f, raw)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return b, err
	}
	raw = raw[:n]
	b.bytes, b.sums = bytes.Clone(raw[:min(n, headRoom)]), map[int]string{}
	plain, err := decompress(&counted{r: bytes.NewReader(raw)}, DefaultConfig())
	b.packed = err != nil || plain.packed
	if b.packed && err == nil {
		b.bytes, _ = plain.Peek(headRoom) // fewer where the file is cut or broken
		b.bytes = bytes.Clone(b.bytes)
	}
	if s, err := New("", bytes.NewReader(raw), DefaultConfig()); err == nil && s.readFrame(&s.coming) == nil {
		b.first = nanos(s.coming.Time)
	}
	return b, nil
}

// sum returns the hash of the first n bytes, "" if there are fewer. It is computed once for each n: a file is compared
// with every mark.
func (b *beginning) sum(n int) string {
	if n > len(b.bytes) {
		return ""
	}
	if _, known := b.sums[n]; !known {
		h := sha256.Sum256(b.bytes[:n])
		b.sums[n] = hex.EncodeToString(h[:])
	}
	return b.sums[n]
}

// describe adds the first bytes to m.
func (b *beginning) describe(m *Mark) {
	m.Head, m.HeadSize, m.Packed, m.First = b.sum(len(b.bytes)), len(b.bytes), b.packed, b.first
}

// continues reports whether the file of m, whose first bytes are b, is the file of old: as it was, renamed, compressed,
// decompressed, or grown. A smaller file, or one with other first bytes, is another one.
func (m *Mark) continues(old *Mark, b *beginning) bool {
	size := old.HeadSize
	if size == 0 {
		size = len(b.bytes)
	}
	if len(b.bytes) == 0 || b.sum(size) != old.Head {
		return false
	}
	same := old.Name == m.Name || old.Inode == m.Inode
	switch {
	case old.Size == m.Size:
		return true
	case old.Packed == m.Packed && same:
		return m.Size > old.Size
	}
	return old.Name != m.Name && (old.Packed || m.Packed)
}

// follow takes over from old how far it has been read.
func (m *Mark) follow(old *Mark) {
	m.First, m.Last, m.Offset, m.Held = old.First, old.Last, old.Offset, old.Held
	m.Head, m.HeadSize = old.Head, old.HeadSize
	repacked := m.Packed != old.Packed || m.Packed && m.Name != old.Name
	m.Whole = old.Whole && len(old.Held) == 0 && (m.Size == old.Size || repacked)
}

// earlierState is the file in which version 1 of this product recorded what was read.
type earlierState struct {
	Version int    `json:"version"`
	Files   []Mark `json:"files"`
}

// readEarlierState returns the files listed in such a file, none without it.
func readEarlierState(path string) ([]Mark, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pcap: state: %w", err)
	}
	var s earlierState
	if err := json.Unmarshal(b, &s); err != nil || s.Version != 1 {
		return nil, fmt.Errorf("pcap: state: %s is not ours: without it every file is read again", path)
	}
	for i := range s.Files {
		s.Files[i].Whole = true
	}
	return s.Files, nil
}

// inOrder puts files in the order in which they are read: by the time of the first frame, then of the last
// modification, then by name.
func inOrder(all []*File) {
	slices.SortFunc(all, func(a, b *File) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Mod, b.Mod), cmp.Compare(a.Name, b.Name))
	})
}
