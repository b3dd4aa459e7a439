// Package checkpoint keeps what would be lost of open calls if the process ended, in a log on this host.
//
// # Damage
//
// Every bit of a log's file is under a sum or a seal. A block that is damaged is left out, and everything behind it is
// read; a file that was cut is noticed by its foot. What is lost is counted and logged. A file that is sealed under
// another key, or of another version, is set aside under a name of its own and never written over: with the key, or the
// build, that it belongs to it can be put back. A file of the version before is read, and written anew.
//
// # A full disk
//
// What cannot be written is written with the next entries, once there is room. Until then a restart restores calls as
// they were before.
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
	ended chan struct{}

	// Of Run, once that has begun.
	out       *file
	compacted time.Time
	unwritten []Entry // what the disk did not take

	count   counts
	trouble atomic.Pointer[error]
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

// Open reads the index of the log that c names, and compacts it. What is damaged is logged, counted and left out; a log
// of another version or under another key is set aside. An error is of the disk, and leaves the log as it is.
func Open(c Config) (*Log, error) {
	l := &Log{cfg: c, in: make(chan batch, 4), ended: make(chan struct{}), out: &file{index: newIndex(0)}}
	damage, err := l.load()
	switch {
	case errors.Is(err, errVersion), errors.Is(err, errKey):
		if err := l.setAside(err); err != nil {
			return nil, fmt.Errorf("checkpoint: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	incomplete := l.out.index.dropIncomplete()
	l.count.refused.Add(incomplete)
	if damage.Places > 0 {
		l.damaged(damage, max(incomplete, damage.calls-min(damage.calls, l.out.index.calls())))
	}
	return l, l.compact()
}

// damaged counts and logs what a damaged file has lost.
func (l *Log) damaged(d Damage, calls uint64) {
	l.count.broken.Add(1)
	l.count.lost.Add(d.Entries)
	l.count.lostCalls.Add(calls)
	l.cfg.Log.Error("checkpoint log is damaged, what is intact is restored", "name", filepath.Base(l.cfg.Path),
		"places", d.Places, "entries", d.Entries, "lost", calls, "calls", l.out.index.calls())
}

// setAside gives the file a name of its own, because nothing of it can be read for that reason.
func (l *Log) setAside(why error) error {
	word := "other-version"
	if errors.Is(why, errKey) {
		word = "other-key"
	}
	for n := 1; ; n++ {
		aside := fmt.Sprintf("%s.%s-%d", l.cfg.Path, word, n)
		if _, err := os.Lstat(aside); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Rename(l.cfg.Path, aside); err != nil {
			return err
		}
		l.count.refused.Add(1)
		l.count.setAside.Add(1)
		l.cfg.Log.Error("checkpoint log refused and set aside: with its key or build and its old name, its calls are restored",
			"name", filepath.Base(aside), "err", why)
		return nil
	}
}

// load reads the file and notes where everything is.
func (l *Log) load() (Damage, error) {
	var waiting []located // of a batch whose CutEntry has not come
	damage, err := l.read(func(block uint64, e *Entry) error {
		if !l.cfg.Cuts {
			l.out.index.note(block, e)
			return nil
		}
		if waiting = append(waiting, locate(block, e)); e.Kind == CutEntry {
			for i := range waiting {
				l.out.index.note(waiting[i].block, &waiting[i].Entry)
			}
			waiting = waiting[:0]
		}
		return nil
	})
	damage.Entries += uint64(len(waiting))
	return damage, err
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
func (l *Log) read(take func(block uint64, e *Entry) error) (d Damage, err error) {
	f, err := os.Open(l.cfg.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	defer func() { _ = f.Close() }()
	return Read(f, l.cfg.Sealer, func(hash string) {
		if hash != l.cfg.Policy && l.out.f == nil {
			l.cfg.Log.Warn("checkpoint log: the policy has changed: restored calls lack the fields that are read of texts")
		}
	}, take)
}

// compact writes what counts into a new file, which takes the place of the old one.
func (l *Log) compact() error {
	next, err := newFile(l.cfg.Path+".new", newBlockWriter(l.cfg.Sealer, l.cfg.Policy), len(l.out.index.of))
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
		l.damaged(damage, lost)
	}
	l.compacted = time.Now()
	l.show()
	return store.SyncDir(filepath.Dir(l.cfg.Path))
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

// Run writes what comes in. It is the only goroutine that touches the file, and returns when in is closed.
func (l *Log) Run() {
	defer close(l.ended)
	for b := range l.in {
		err := l.append(l.completed(b))
		if err == nil && l.needsCompaction() {
			err = l.compact()
			l.compacted = time.Now()
		}
		l.noteTrouble(err)
		l.show()
	}
}

// noteTrouble keeps why the file cannot be written, nil if it can. It logs when that begins and when it is over.
func (l *Log) noteTrouble(err error) {
	before := l.trouble.Load()
	switch {
	case err == nil && before != nil:
		l.trouble.Store(nil)
		l.cfg.Log.Info("checkpoint log is written again, nothing is missing", "name", filepath.Base(l.cfg.Path))
	case err != nil:
		l.count.failed.Add(1)
		l.trouble.Store(&err)
		if before == nil {
			l.cfg.Log.Error("checkpoint log cannot be written: a restart now would lose what has changed", "err", err)
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
		entries = slices.DeleteFunc(entries, func(e Entry) bool { // a call that is not in the file needs no end in it
			_, known := l.out.index.of[e.Name]
			return e.Kind == GoneEntry && !known
		})
		l.unwritten = nil
	}
	err := l.out.append(entries)
	if err != nil {
		l.unwritten = entries
		return fmt.Errorf("checkpoint: %w", err)
	}
	return l.out.stand()
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
func (l *Log) PutWhole(entries []Entry, but map[event.Key]bool) { l.in <- batch{entries, true, but} }

// Drop counts that entries went unwritten because too many waited.
func (l *Log) Drop() { l.count.failed.Add(1) }

// Close waits until everything is written.
func (l *Log) Close() error {
	close(l.in)
	<-l.ended
	return l.out.close()
}
