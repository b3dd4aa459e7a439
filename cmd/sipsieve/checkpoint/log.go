// Package checkpoint keeps what would be lost of open calls if the process ended, in a log on this host.
//
// # Damage
//
// Every bit of a log's file is under a sum or a seal. A block that is damaged is left out, and everything behind it is
// read; a file that was cut is noticed by its foot. What is lost is counted and logged. A file that is sealed under
// another key, or of another version, is set aside under a name of its own and never written over: with the key, or the
// build, that it belongs to it can be put back. A file of the version before is read, and written anew.
//
// A log that was deleted, emptied or cut to nothing is noticed by its mark, a small file beside it that has how many
// entries and calls there were. How many calls were lost is exact if none of the damaged entries was the end of a call;
// else it is how many at most.
//
// # A disk that fails
//
// What cannot be written is written with the next entries, once there is room. Until then a restart restores calls as
// they were before. A log that cannot be opened keeps nobody from starting: it is tried again every few seconds. The
// calls that it has when it can be read at last are lost, except of a folder, which is not read before.
//
// # Excerpts
//
// A log of excerpts has those that wait for the end of their window, already minimised. One that could not be opened is
// read as soon as it can be.
//
// # Retention
//
// A log has calls and excerpts that are not published. A file that was set aside is removed by Expire, as what is not stored yet is:
// the shortest bus_retain of the policy after it was written last.
package checkpoint

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"sipsieve/sip/event"
	"sipsieve/store/disk"
	"sipsieve/store/vault"
)

const (
	compactAfter = 256 << 10 // bytes; a smaller log is compacted by its age only
	compactEvery = time.Hour // what is over goes from the disk at last
	retryEvery   = 5 * time.Second
)

// A Log keeps what would be lost of the open calls of a Domain if the process ended: where each stands, in numbers and
// keyed hashes, and what each purpose would publish of it. Nothing is in it that could not leave, and it is sealed.
// What changed is appended once a second; when most of the file is obsolete, it is compacted.
//
// # Cuts
//
// The Log of a folder also has how far its files have been read. Its entries come in batches that end with a CutEntry:
// what is read back is what stood at the last whole one, the files and the calls of one instant. Of a batch that is
// damaged what is intact is read back: a file whose entry is lost is read again from an earlier place.
type Log struct {
	cfg   Config
	in    chan batch
	late  chan []SavedExcerpt // that Run could read first; once
	ended chan struct{}

	// Of Run, once that has begun.
	out       *file
	loaded    bool // the index has what the file has, or the file that was there is replaced
	running   bool
	tried     time.Time // when the disk failed last
	compacted time.Time
	unwritten []Entry // what the disk did not take
	taken     uint64  // batches

	written atomic.Uint64 // batches that are on the disk, each with all before it
	count   counts
	trouble atomic.Pointer[error]
}

// A Config says where a Log is and what it is for.
type Config struct {
	Path       string
	Policy     string // its hash
	Sealer     *vault.Sealer
	Log        *slog.Logger
	Cuts       bool // batches end with a CutEntry
	OfExcerpts bool // it is a log of excerpts, not of calls or files
}

// subject is what the log is of, for messages.
func (c *Config) subject() string {
	if c.OfExcerpts {
		return "excerpts"
	}
	return "calls"
}

// A batch is entries on their way to the file.
type batch struct {
	entries []Entry
	whole   bool               // calls of which nothing stands in entries are over
	but     map[event.Key]bool // except these
	flushed chan<- error       // is sent why something is not on the disk after this batch, nil if all is; nil for nobody
}

// compact writes what counts into a new file, which takes the place of the old one.
func (l *Log) compact() error {
	next, err := newFile(l.cfg.Path+newSuffix, newBlockWriter(l.cfg.Sealer, l.cfg.Policy), len(l.out.index.of))
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	damage, err := l.copyInto(next)
	if err == nil {
		err = next.finish(l.cfg.Path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("checkpoint: %w", err), next.discard())
	}
	lost := next.index.lacks(&l.out.index)
	_ = l.out.close()
	l.out = next
	if lost > 0 { // since it was opened
		l.damaged("checkpoint log is damaged, what is intact is kept", damage, lost)
	}
	l.compacted = time.Now()
	l.show()
	return errors.Join(disk.SyncDir(filepath.Dir(l.cfg.Path)), l.writeMark())
}

// copyInto adds to next what counts of l: the clock, what is in the file, and the cut.
func (l *Log) copyInto(next *file) (damage Damage, err error) {
	x := &l.out.index
	if x.clock != nil {
		err = next.add(&Entry{Kind: ClockEntry, Body: x.clock})
	}
	if err == nil && len(x.of) > 0 {
		damage, err = l.read(func(block uint64, e *Entry) error {
			if !x.counts(block, e) {
				return nil
			}
			return next.add(e)
		})
	}
	if err == nil && x.cut != nil {
		err = next.add(&Entry{Kind: CutEntry, Body: x.cut})
	}
	return damage, err
}

// Run writes what comes in. It is the only goroutine that touches the file, and returns when in is closed. What the disk
// did not take is tried again also when nothing comes.
func (l *Log) Run() {
	defer close(l.ended)
	l.running = true
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	for {
		select {
		case b, more := <-l.in:
			if !more {
				return
			}
			l.taken++
			l.take(b)
		case <-ticker.C:
			if len(l.unwritten) > 0 || !l.cfg.Cuts && l.out.f == nil {
				l.take(batch{})
			}
		}
	}
}

// take writes b.
func (l *Log) take(b batch) {
	err := l.append(l.completed(b))
	missing := err == nil && l.out.missing(l.cfg.Path)
	if missing && l.Trouble() == nil {
		l.count.broken.Add(1)
		l.cfg.Log.Error("checkpoint log was deleted or replaced while it was in use: it is written anew, nothing is lost",
			"name", filepath.Base(l.cfg.Path))
	}
	if missing || err == nil && l.needsCompaction() {
		err = l.compact()
		l.compacted = time.Now()
	}
	l.noteTrouble(err)
	l.show()
	if len(l.unwritten) == 0 {
		l.written.Store(l.taken)
		err = nil
	}
	if b.flushed != nil {
		b.flushed <- err
	}
}

// Written returns how many of the batches that were handed over are on the disk. It may be called from any goroutine.
func (l *Log) Written() uint64 { return l.written.Load() }

// Flush waits until everything that was handed over is on the disk. The error is why it is not. It counts as a batch.
func (l *Log) Flush() error {
	flushed := make(chan error, 1)
	l.in <- batch{flushed: flushed}
	return <-flushed
}

// noteTrouble keeps why the file cannot be opened or written, nil if it can. It logs when that begins and when it is over.
func (l *Log) noteTrouble(err error) {
	before := l.trouble.Load()
	switch {
	case err == nil && before != nil:
		l.trouble.Store(nil)
		l.cfg.Log.Info("checkpoint log is written again, nothing is missing", "name", filepath.Base(l.cfg.Path))
	case err != nil:
		l.count.failed.Add(1)
		l.trouble.Store(&err)
		switch {
		case before != nil:
		case l.loaded:
			l.cfg.Log.Error("checkpoint log cannot be written: a restart now would lose what has changed", "err", err)
		default:
			l.cfg.Log.Error("checkpoint log cannot be opened: nothing is restored from it, and a restart now would lose what it "+
				"is for; look at the disk of the state folder", "name", filepath.Base(l.cfg.Path), "err", err)
		}
	}
}

// Trouble returns why the log cannot be written at the moment, nil if it can. It may be called from any goroutine.
func (l *Log) Trouble() error {
	if err := l.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// completed returns the entries of b, with the ends of the calls of which a whole batch has none.
func (l *Log) completed(b batch) []Entry {
	if !b.whole {
		return b.entries
	}
	there := map[event.Key]bool{}
	for _, e := range b.entries {
		there[e.Name] = true
	}
	var all []Entry
	for name, p := range l.out.index.of {
		if p.single == 0 && !there[name] && !b.but[name] {
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
		entries = slices.DeleteFunc(entries, func(e Entry) bool { // a call that is not in the file needs no end in it
			_, known := l.out.index.of[e.Name]
			return e.Kind == GoneEntry && !known
		})
		l.unwritten = nil
	}
	if err := l.ready(); err != nil {
		l.unwritten = entries
		return err
	}
	err := l.out.append(entries)
	if err != nil {
		l.unwritten = entries
		return fmt.Errorf("checkpoint: %w", err)
	}
	return errors.Join(l.out.stand(), l.writeMark())
}

// needsCompaction reports whether most of the file is obsolete, or a part of it has been for long.
func (l *Log) needsCompaction() bool {
	held := l.out.index.held
	return l.out.size > 2*held+compactAfter || l.out.size > held+held/8+4096 && time.Since(l.compacted) > compactEvery
}

// show sets what may be read from any goroutine.
func (l *Log) show() {
	l.count.calls.Store(l.out.index.calls())
	l.count.bytes.Store(uint64(l.out.size))
}

// Put hands over entries to be written; it waits while the disk is behind.
func (l *Log) Put(entries []Entry) { l.in <- batch{entries: entries} }

// Offer is Put for a caller that may not wait. It reports false, and hands over nothing, while the disk is behind.
func (l *Log) Offer(entries []Entry) bool {
	select {
	case l.in <- batch{entries: entries}:
		return true
	default:
		return false
	}
}

// PutWhole is Put for all open calls there are: those of the log that have no entry, and are not in but, are over.
func (l *Log) PutWhole(entries []Entry, but map[event.Key]bool) {
	l.in <- batch{entries: entries, whole: true, but: but}
}

// Drop counts that entries went unwritten because too many waited.
func (l *Log) Drop() { l.count.failed.Add(1) }

// Close waits until everything is written.
func (l *Log) Close() error {
	close(l.in)
	<-l.ended
	return l.out.close()
}
