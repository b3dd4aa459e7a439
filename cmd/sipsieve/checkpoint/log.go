package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"sipsieve/sip/track"
	"sipsieve/store/vault"
)

const (
	saveEvery    = time.Second
	rewriteAfter = 256 << 10 // bytes; a smaller journal is rewritten by its age only
	rewriteEvery = time.Hour // what is over goes from the disk at last
	flushAt      = 1 << 20   // bytes that a rewrite gathers before it writes them
)

// A Log keeps what would be lost of the open calls of live sources if the process ended: where each stands, in
// numbers and keyed hashes, and what each purpose would publish of it. Nothing is in it that could not leave, and it
// is sealed. What changed is appended once a second; when most of it is old, it is written anew.
type Log struct {
	path   string
	policy string // its hash
	sealer *vault.Sealer
	log    *slog.Logger
	in     chan []Entry
	ended  chan struct{}

	// Of run, once that has begun.
	file      *os.File
	w         *blockWriter
	size      int64 // of the file, as far as it is whole
	held      int64 // of the entries that count
	where     map[track.Key]entryIndex
	clock     []byte
	written   time.Time
	unwritten []Entry // what the disk did not take

	calls, bytes, restored, refused, broken, failed atomic.Uint64
}

// A entryIndex is where the entries of a call are: the numbers of their blocks, and their sizes.
type entryIndex struct {
	state, frozen         uint64
	stateSize, frozenSize int64
}

// Open reads what the log at path holds and begins it anew with that. What cannot be read is told in the
// log and counted; an error is of the disk.
func Open(path, policy string, sealer *vault.Sealer, log *slog.Logger) (*Log, SavedCalls, error) {
	j := &Log{path: path, policy: policy, sealer: sealer, log: log, in: make(chan []Entry, 4),
		ended: make(chan struct{}), where: map[track.Key]entryIndex{}}
	kept := SavedCalls{}
	switch err := j.load(kept); {
	case errors.Is(err, errTorn):
		j.broken.Add(1)
		log.Warn("journal: a block is not whole, what follows it is dropped", "calls", len(kept))
	case err != nil:
		j.refused.Add(1)
		log.Warn("journal refused: its calls are not restored", "err", err)
	}
	kept.incomplete(func(name track.Key) {
		j.forget(name)
		j.refused.Add(1)
	})
	return j, kept, j.rewrite()
}

// load reads the file into kept and notes where everything is.
func (j *Log) load(kept SavedCalls) error {
	f, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	r, err := newBlockReader(f, j.sealer)
	if err != nil {
		return err
	}
	if r.policy != j.policy {
		j.log.Warn("journal: the policy has changed: restored calls are told without the fields that are read of texts")
	}
	return r.each(func(block uint64, e *Entry) error {
		j.note(block, e)
		kept.Take(e)
		return nil
	})
}

// note takes note that e stands in a block.
func (j *Log) note(block uint64, e *Entry) {
	p := j.where[e.Name]
	switch e.Kind {
	case ClockEntry:
		j.clock = append(j.clock[:0], e.Body...)
		return
	case GoneEntry:
		j.forget(e.Name)
		return
	case StateEntry:
		j.held += e.size() - p.stateSize
		p.state, p.stateSize = block, e.size()
	case FrozenEntry:
		j.held += e.size() - p.frozenSize
		p.frozen, p.frozenSize = block, e.size()
	}
	j.where[e.Name] = p
}

// forget lets go of a call.
func (j *Log) forget(name track.Key) {
	p := j.where[name]
	j.held -= p.stateSize + p.frozenSize
	delete(j.where, name)
}

// counts reports whether an entry in a block is the newest of its kind and its call.
func (j *Log) counts(block uint64, e *Entry) bool {
	p, ok := j.where[e.Name]
	return ok && (e.Kind == StateEntry && p.state == block || e.Kind == FrozenEntry && p.frozen == block)
}

// rewrite writes what counts into a new file, which takes the place of the old one.
func (j *Log) rewrite() (err error) {
	f, err := os.OpenFile(j.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	next := &Log{file: f, w: newBlockWriter(j.sealer, j.policy), where: make(map[track.Key]entryIndex, len(j.where))}
	if j.clock != nil {
		next.note(0, &Entry{Kind: ClockEntry, Body: j.clock})
		next.w.add(&Entry{Kind: ClockEntry, Body: j.clock})
	}
	err = j.copyInto(next)
	if err == nil {
		err = next.flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil { // not before it is whole on the disk
		err = os.Rename(j.path+".new", j.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("journal: %w", err), f.Close(), os.Remove(j.path+".new"))
	}
	if j.file != nil {
		_ = j.file.Close()
	}
	j.file, j.w, j.size, j.held, j.where = f, next.w, next.size, next.held, next.where
	j.written = time.Now()
	j.show()
	return syncDir(filepath.Dir(j.path))
}

// copyInto adds to next what counts of the file of j.
func (j *Log) copyInto(next *Log) error {
	if len(j.where) == 0 {
		return nil
	}
	f, err := os.Open(j.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	r, err := newBlockReader(f, j.sealer)
	if err != nil {
		return err
	}
	err = r.each(func(block uint64, e *Entry) error {
		if !j.counts(block, e) {
			return nil
		}
		next.note(next.w.add(e), e)
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
func (j *Log) flush() error {
	j.w.seal()
	return j.write()
}

// write writes what was sealed to the end of the file.
func (j *Log) write() error {
	n, err := j.file.WriteAt(j.w.sealed, j.size)
	j.w.sealed = j.w.sealed[:0]
	if err != nil {
		return err
	}
	j.size += int64(n)
	return nil
}

// Run writes what comes in. It is the only goroutine that touches the file, and returns when in is closed.
func (j *Log) Run() {
	defer close(j.ended)
	stalling := false
	for batch := range j.in {
		err := j.append(batch)
		if err == nil && j.old() {
			err = j.rewrite()
			j.written = time.Now()
		}
		if err != nil {
			if j.failed.Add(1); !stalling {
				j.log.Error("journal: a restart would lose what changed", "err", err)
			}
		}
		stalling = err != nil
		j.show()
	}
}

// append writes a batch. One that cannot be written is written with the next: until then calls are restored as they
// were before it.
func (j *Log) append(batch []Entry) error {
	if len(j.unwritten) > 0 {
		batch = NewestOf(append(j.unwritten, batch...))
		batch = slices.DeleteFunc(batch, func(e Entry) bool { // a call that the file does not know needs no end in it
			_, known := j.where[e.Name]
			return e.Kind == GoneEntry && !known
		})
		j.unwritten = nil
	}
	size, n := j.size, j.w.n
	blocks := make([]uint64, len(batch))
	for i := range batch {
		blocks[i] = j.w.add(&batch[i])
	}
	err := j.flush()
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.size, j.w.n, j.unwritten = size, n, batch
		return errors.Join(fmt.Errorf("journal: %w", err), j.file.Truncate(size))
	}
	for i := range batch {
		j.note(blocks[i], &batch[i])
	}
	return nil
}

// old reports whether most of the file says nothing any more, or a part of it has not for long.
func (j *Log) old() bool {
	return j.size > 2*j.held+rewriteAfter || j.size > j.held+j.held/8+4096 && time.Since(j.written) > rewriteEvery
}

// show sets what may be read from any goroutine.
func (j *Log) show() {
	j.calls.Store(uint64(len(j.where)))
	j.bytes.Store(uint64(j.size))
}

// Close waits until everything is written.
func (j *Log) Close() error {
	close(j.in)
	<-j.ended
	return j.file.Close()
}

// syncDir makes a new name in a folder durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// A savedCall is a call as the journal has it; nil is not there.
type savedCall struct{ state, frozen []byte }

// SavedCalls are the calls of a log by their names.
type SavedCalls map[track.Key]savedCall

// Take notes an entry.
func (k SavedCalls) Take(e *Entry) {
	c := k[e.Name]
	switch e.Kind {
	case StateEntry:
		c.state = append([]byte{}, e.Body...)
	case FrozenEntry:
		c.frozen = append([]byte{}, e.Body...)
	case GoneEntry:
		delete(k, e.Name)
		return
	default:
		return
	}
	k[e.Name] = c
}

// incomplete takes out the calls of which a part is not there, and calls gone with their names: without what was frozen
// of it a call has no id.
func (k SavedCalls) incomplete(gone func(track.Key)) {
	maps.DeleteFunc(k, func(name track.Key, c savedCall) bool {
		if c.state != nil && c.frozen != nil {
			return false
		}
		gone(name)
		return true
	})
}
