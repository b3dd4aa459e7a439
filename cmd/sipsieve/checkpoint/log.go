package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"sipsieve/sip/event"
	"sipsieve/store"
	"sipsieve/store/vault"
)

const (
	compactAfter = 256 << 10 // bytes; a smaller log is compacted by its age only
	compactEvery = time.Hour // what is over goes from the disk at last
	flushAt      = 1 << 20   // bytes that a compaction gathers before it writes them
)

// A Log keeps what would be lost of the open calls of a Domain if the process ended: where each stands, in numbers and
// keyed hashes, and what each purpose would publish of it. Nothing is in it that could not leave, and it is sealed.
// What changed is appended once a second; when most of the file is obsolete, it is compacted.
//
// # Cuts
//
// The Log of a folder also has how far its files have been read. Its entries come in batches that end with a CutEntry:
// what is read back is what stood at the last whole one, the files and the calls of one instant.
type Log struct {
	cfg   Config
	in    chan batch
	ended chan struct{}

	// Of Run, once that has begun.
	file      *os.File
	w         *blockWriter
	size      int64 // of the file, as far as it is whole
	held      int64 // of the entries that count
	index     map[event.Key]entryIndex
	clock     []byte
	cut       []byte // of the last CutEntry; nil without one
	compacted time.Time
	unwritten []Entry // what the disk did not take

	calls, bytes, restored, refused, broken, failed atomic.Uint64
}

// A Config says where a Log is and what it is for.
type Config struct {
	Path   string
	Policy string // its hash
	Sealer *vault.Sealer
	Log    *slog.Logger
	Cuts   bool // batches end with a CutEntry
}

// A batch is entries on their way to the file.
type batch struct {
	entries []Entry
	whole   bool               // calls of which nothing stands in entries are over
	but     map[event.Key]bool // except these
}

// An entryIndex is where the entries of a name are: the numbers of their blocks, and their sizes.
type entryIndex struct {
	state, frozen         uint32
	stateSize, frozenSize uint32
	file                  bool // it is a file's, which has no frozen part
}

// Open reads the index of the log that c names, and compacts it. What is damaged, of another version or sealed under
// another key is logged, counted and dropped; an error is of the disk, and leaves the log as it is.
func Open(c Config) (*Log, error) {
	l := &Log{cfg: c, in: make(chan batch, 4), ended: make(chan struct{}), index: map[event.Key]entryIndex{}}
	switch err := l.load(); {
	case errors.Is(err, errTorn):
		l.broken.Add(1)
		c.Log.Warn("checkpoint log: a block is not whole, what follows it is dropped", "calls", len(l.index))
	case err != nil && !errors.Is(err, errVersion) && !errors.Is(err, errKey):
		return nil, fmt.Errorf("checkpoint: %w", err)
	case err != nil:
		l.refused.Add(1)
		c.Log.Warn("checkpoint log refused: its calls are not restored", "err", err)
	}
	l.dropIncomplete()
	return l, l.compact()
}

// load reads the file and notes where everything is.
func (l *Log) load() error {
	var waiting []located // of a batch whose CutEntry has not come
	return l.read(func(block uint64, e *Entry) error {
		if !l.cfg.Cuts {
			l.note(block, e)
			return nil
		}
		if waiting = append(waiting, locate(block, e)); e.Kind == CutEntry {
			for i := range waiting {
				l.note(waiting[i].block, &waiting[i].Entry)
			}
			waiting = waiting[:0]
		}
		return nil
	})
}

// A located entry has its body only where that is not in the index.
type located struct {
	block uint64
	Entry
}

func locate(block uint64, e *Entry) located {
	one := located{block, *e}
	if e.Kind == ClockEntry || e.Kind == CutEntry {
		one.Body = slices.Clone(e.Body)
	} else {
		one.Body, one.size = nil, e.bytes()
	}
	return one
}

// read calls take with every entry of the file and the number of its block. A body is valid during the call.
func (l *Log) read(take func(block uint64, e *Entry) error) error {
	f, err := os.Open(l.cfg.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return Read(f, l.cfg.Sealer, func(hash string) {
		if hash != l.cfg.Policy && l.file == nil {
			l.cfg.Log.Warn("checkpoint log: the policy has changed: restored calls lack the fields that are read of texts")
		}
	}, take)
}

// note notes that e stands in a block.
func (l *Log) note(block uint64, e *Entry) {
	p := l.index[e.Name]
	n := uint32(e.bytes())
	switch e.Kind {
	case ClockEntry:
		l.clock = slices.Clone(e.Body)
		return
	case CutEntry:
		l.cut = append([]byte{}, e.Body...)
		return
	case GoneEntry:
		l.forget(e.Name)
		return
	case StateEntry, FileEntry:
		l.held += int64(n) - int64(p.stateSize)
		p.state, p.stateSize, p.file = uint32(block), n, e.Kind == FileEntry
	case FrozenEntry:
		l.held += int64(n) - int64(p.frozenSize)
		p.frozen, p.frozenSize = uint32(block), n
	}
	l.index[e.Name] = p
}

// forget removes a name.
func (l *Log) forget(name event.Key) {
	p := l.index[name]
	l.held -= int64(p.stateSize) + int64(p.frozenSize)
	delete(l.index, name)
}

// dropIncomplete removes the calls of which a part is not there: without what was frozen of it a call has no id.
func (l *Log) dropIncomplete() {
	for name, p := range l.index {
		if !p.file && (p.stateSize == 0 || p.frozenSize == 0) {
			l.forget(name)
			l.refused.Add(1)
		}
	}
}

// counts reports whether an entry in a block is the newest of its kind and its name.
func (l *Log) counts(block uint64, e *Entry) bool {
	p, ok := l.index[e.Name]
	switch {
	case !ok:
		return false
	case e.Kind == FrozenEntry:
		return p.frozen == uint32(block) && p.frozenSize > 0
	}
	return (e.Kind == StateEntry && !p.file || e.Kind == FileEntry && p.file) && p.state == uint32(block)
}

// compact writes what counts into a new file, which takes the place of the old one.
func (l *Log) compact() (err error) {
	path := l.cfg.Path
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	next := &Log{cfg: l.cfg, file: f, w: newBlockWriter(l.cfg.Sealer, l.cfg.Policy),
		index: make(map[event.Key]entryIndex, len(l.index))}
	if l.clock != nil {
		next.addOne(&Entry{Kind: ClockEntry, Body: l.clock})
	}
	err = l.copyInto(next)
	if err == nil && l.cut != nil {
		next.addOne(&Entry{Kind: CutEntry, Body: l.cut})
	}
	if err == nil {
		err = next.flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil { // not before it is whole on the disk
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("checkpoint: %w", err), f.Close(), os.Remove(path+".new"))
	}
	if l.file != nil {
		_ = l.file.Close()
	}
	l.file, l.w, l.size, l.held, l.index = f, next.w, next.size, next.held, next.index
	l.compacted = time.Now()
	l.show()
	return store.SyncDir(filepath.Dir(path))
}

// addOne adds an entry and notes where it is.
func (l *Log) addOne(e *Entry) { l.note(l.w.add(e), e) }

// copyInto adds to next what counts of the file of l.
func (l *Log) copyInto(next *Log) error {
	if len(l.index) == 0 {
		return nil
	}
	err := l.read(func(block uint64, e *Entry) error {
		if !l.counts(block, e) {
			return nil
		}
		next.addOne(e)
		if len(next.w.sealed) < flushAt {
			return nil
		}
		return next.write()
	})
	if errors.Is(err, errTorn) {
		return nil // what follows was dropped when it was loaded, or is damaged now
	}
	return err
}

// flush seals and writes what was added.
func (l *Log) flush() error {
	l.w.seal()
	return l.write()
}

// write writes what was sealed to the end of the file.
func (l *Log) write() error {
	n, err := l.file.WriteAt(l.w.sealed, l.size)
	l.w.sealed = l.w.sealed[:0]
	if err != nil {
		return err
	}
	l.size += int64(n)
	return nil
}

// Run writes what comes in. It is the only goroutine that touches the file, and returns when in is closed.
func (l *Log) Run() {
	defer close(l.ended)
	stalling := false
	for b := range l.in {
		err := l.append(l.completed(b))
		if err == nil && l.needsCompaction() {
			err = l.compact()
			l.compacted = time.Now()
		}
		if err != nil {
			if l.failed.Add(1); !stalling {
				l.cfg.Log.Error("checkpoint log: a restart would lose what changed", "err", err)
			}
		}
		stalling = err != nil
		l.show()
	}
}

// completed returns the entries of b, with the ends of the calls of which a whole batch says nothing.
func (l *Log) completed(b batch) []Entry {
	if !b.whole {
		return b.entries
	}
	there := map[event.Key]bool{}
	for _, e := range b.entries {
		there[e.Name] = true
	}
	var all []Entry
	for name, p := range l.index {
		if !p.file && !there[name] && !b.but[name] {
			all = append(all, Entry{Kind: GoneEntry, Name: name})
		}
	}
	return append(all, b.entries...)
}

// append writes entries. Those that cannot be written are written with the next: until then calls are restored as they
// were before them.
func (l *Log) append(entries []Entry) error {
	if len(l.unwritten) > 0 {
		entries = NewestOf(append(l.unwritten, entries...))
		entries = slices.DeleteFunc(entries, func(e Entry) bool { // a call that the file does not know needs no end in it
			_, known := l.index[e.Name]
			return e.Kind == GoneEntry && !known
		})
		l.unwritten = nil
	}
	size, n := l.size, l.w.n
	blocks := make([]uint64, len(entries))
	for i := range entries {
		blocks[i] = l.w.add(&entries[i])
	}
	err := l.flush()
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		l.size, l.w.n, l.unwritten = size, n, entries
		return errors.Join(fmt.Errorf("checkpoint: %w", err), l.file.Truncate(size))
	}
	for i := range entries {
		l.note(blocks[i], &entries[i])
	}
	return nil
}

// needsCompaction reports whether most of the file is obsolete, or a part of it has been for long.
func (l *Log) needsCompaction() bool {
	return l.size > 2*l.held+compactAfter || l.size > l.held+l.held/8+4096 && time.Since(l.compacted) > compactEvery
}

// show sets what may be read from any goroutine.
func (l *Log) show() {
	n := 0
	for _, p := range l.index {
		if !p.file {
			n++
		}
	}
	l.calls.Store(uint64(n))
	l.bytes.Store(uint64(l.size))
}

// Close waits until everything is written.
func (l *Log) Close() error {
	close(l.in)
	<-l.ended
	return l.file.Close()
}
