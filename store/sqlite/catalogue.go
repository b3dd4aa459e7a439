package sqlite

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"sipsieve/store"
	"sipsieve/store/disk"
)

const (
	catalogueFile = "catalogue"
	compactLimit  = 4 << 20 // bytes of a catalogue before it is written anew, and at least twice what it was then
)

// A catalogue is which partitions a store must have, with what in them, and how far each sensor's publications are put.
// It is a file of lines, each with its checksum; of several lines of one partition the last holds. A line is synced
// before the Put returns that caused it.
type catalogue struct {
	path string
	file *os.File // nil while only read
	size int64
	full int64 // size at which it is written anew

	renamed bool               // a crash of the host may bring back the file that was there before
	syncDir func(string) error // disk.SyncDir

	mu      sync.Mutex // around what follows
	entries map[place]entry
	reached map[string]store.Cursor // by purpose
	bad     int                     // lines that were damaged
	made    bool                    // there was none
}

// An entry is what the catalogue has of one partition.
type entry struct {
	manifest
	Version int     `json:"version,omitempty"` // of the tables of its file, 0 if that is not known
	Damage  *damage `json:"damage,omitempty"`
	Seal    *seal   `json:"seal,omitempty"`
}

// A damage is what became of partitions of that place before the one that is there.
type damage struct {
	Files     int      `json:"files"`               // set aside, by number from 1
	Missing   int      `json:"missing"`             // rows that have not come again
	Had       manifest `json:"had"`                 // what the last one had
	Pending   bool     `json:"pending,omitempty"`   // what is intact of the last file is not read out yet
	Refilling bool     `json:"refilling,omitempty"` // the bus delivers again what it still has
	Since     int64    `json:"since,omitempty"`     // when that began, Unix milliseconds
	Announced int      `json:"announced,omitempty"` // rows announced as lost
}

// A seal is the checksum of a partition's file while its log is empty.
type seal struct {
	Commits int64  `json:"commits"`
	Size    int64  `json:"size"`
	Sum     uint64 `json:"sum"`
}

// A line is one of the file: of a partition, with entry or gone, or of a purpose.
type line struct {
	Purpose string       `json:"purpose"`
	Expires string       `json:"expires,omitempty"`
	Entry   *entry       `json:"entry,omitempty"`
	Reached store.Cursor `json:"reached,omitempty"`
}

// readCatalogue reads the catalogue of a directory. Without a file it is empty.
func readCatalogue(dir directory) (*catalogue, error) {
	c := &catalogue{path: filepath.Join(string(dir), catalogueFile), syncDir: disk.SyncDir, entries: map[place]entry{},
		reached: map[string]store.Cursor{}}
	text, err := os.ReadFile(c.path)
	if errors.Is(err, os.ErrNotExist) {
		c.made = true
		return c, nil
	}
	if err != nil {
		return nil, wrap("read catalogue", err)
	}
	c.made = len(text) == 0
	for len(text) > 0 {
		one, rest, whole := bytes.Cut(text, []byte{'\n'})
		if !c.read(one) && whole { // the last line may have been cut off by a crash
			c.bad++
		}
		text = rest
	}
	return c, nil
}

// read enters one line, and reports whether it is intact.
func (c *catalogue) read(text []byte) bool {
	sum, rest, _ := strings.Cut(string(text), " ")
	var l line
	if fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(rest))) != sum || json.Unmarshal([]byte(rest), &l) != nil {
		return false
	}
	if l.Expires == "" {
		if l.Purpose != "" {
			c.reached[l.Purpose] = l.Reached
		}
		return true
	}
	day, ok := readDay(l.Expires)
	if !ok {
		return false
	}
	p := place{Purpose: l.Purpose, Expires: day}
	if l.Entry == nil {
		delete(c.entries, p)
	} else {
		c.entries[p] = *l.Entry
	}
	return true
}

// begin writes the catalogue anew, and keeps it open for what comes.
func (c *catalogue) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.compact()
}

// compact writes a file that has each partition once, in place of the one that is there.
func (c *catalogue) compact() error {
	file, err := os.OpenFile(c.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return wrap("write catalogue", err)
	}
	w := bufio.NewWriter(file)
	writeLine(w, line{}) // so that one of a store without partitions is not empty, as one that was emptied is
	for p, e := range c.entries {
		writeLine(w, line{Purpose: p.Purpose, Expires: p.Expires.String(), Entry: &e})
	}
	for purpose, reached := range c.reached {
		writeLine(w, line{Purpose: purpose, Reached: reached})
	}
	if err = errors.Join(w.Flush(), file.Sync()); err == nil {
		err = os.Rename(c.path+".new", c.path)
	}
	if err != nil {
		return wrap("write catalogue", errors.Join(err, file.Close()))
	}
	if c.file != nil { // its name is that of the new one now, whether the directory can be synced or not
		_ = c.file.Close()
	}
	c.file, c.renamed = file, true
	if c.size, err = file.Seek(0, io.SeekEnd); err != nil {
		return wrap("write catalogue", err)
	}
	c.full = max(compactLimit, 2*c.size)
	return c.syncName()
}

// syncName waits until the file that was renamed last keeps its name over a crash of the host.
func (c *catalogue) syncName() error {
	if !c.renamed {
		return nil
	}
	if err := c.syncDir(filepath.Dir(c.path)); err != nil {
		return wrap("write catalogue", err)
	}
	c.renamed = false
	return nil
}

func writeLine(w io.Writer, l line) {
	text, _ := json.Marshal(l)
	fmt.Fprintf(w, "%08x %s\n", crc32.ChecksumIEEE(text), text)
}

// put enters partitions and how far purposes are. It outlives a crash of the host after sync only.
func (c *catalogue) put(entries map[place]entry, reached map[string]store.Cursor) error {
	var text bytes.Buffer
	for p, e := range entries {
		writeLine(&text, line{Purpose: p.Purpose, Expires: p.Expires.String(), Entry: &e})
	}
	for purpose, cursor := range reached {
		writeLine(&text, line{Purpose: purpose, Reached: cursor})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.append(text.Bytes()); err != nil {
		return err
	}
	maps.Copy(c.entries, entries)
	maps.Copy(c.reached, reached)
	return nil
}

// append writes lines behind the others. What is written by halves is cut off again.
func (c *catalogue) append(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	if c.size > c.full {
		if err := c.compact(); err != nil {
			return err
		}
	}
	_, err := c.file.WriteAt(text, c.size)
	if err != nil {
		return wrap("write catalogue", errors.Join(err, c.file.Truncate(c.size)))
	}
	c.size += int64(len(text))
	return nil
}

// sync waits until what was put outlives a crash of the host.
func (c *catalogue) sync() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(wrap("write catalogue", c.file.Sync()), c.syncName())
}

// remove forgets partitions. Without a trace: the file is written anew.
func (c *catalogue) remove(places []place) error {
	if len(places) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	gone := map[place]entry{}
	for _, p := range places {
		if e, ok := c.entries[p]; ok {
			gone[p] = e
			delete(c.entries, p)
		}
	}
	before := c.file
	err := c.compact()
	if err != nil && c.file == before { // the file has them still: the next sweep removes them
		maps.Copy(c.entries, gone)
	}
	return err
}

// get returns the entry of p.
func (c *catalogue) get(p place) (e entry, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok = c.entries[p]
	return e, ok
}

// head returns how far each sensor's publications of a purpose are put.
func (c *catalogue) head(purpose string) store.Cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.reached[purpose])
}

// of returns the partitions of a purpose, of all purposes for "", the earliest first.
func (c *catalogue) of(purpose string) (places []place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.entries {
		if purpose == "" || p.Purpose == purpose {
			places = append(places, p)
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		if n := strings.Compare(a.Purpose, b.Purpose); n != 0 {
			return n
		}
		return a.Expires.Compare(b.Expires)
	})
	return places
}

// close closes the file.
func (c *catalogue) close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}
