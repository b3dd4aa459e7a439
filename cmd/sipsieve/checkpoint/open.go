// This file has methods of Log because a log is opened before Run, or by Run when the disk did not let it before.

package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Open reads the index of the log that c names, and compacts it. What is damaged is logged, counted and left out; a log
// of another version or under another key is set aside. If the disk does not let it, Trouble returns why, and Run tries
// again.
func Open(c Config) *Log {
	l := &Log{cfg: c, in: make(chan batch, 4), ended: make(chan struct{}), late: make(chan []SavedExcerpt, 1),
		out: &file{index: newIndex(0)}}
	l.noteTrouble(l.ready())
	return l
}

// Reopen tries again to open a log that could not be opened. It is called before anything is put.
func (l *Log) Reopen() error {
	l.tried = time.Time{}
	err := l.ready()
	l.noteTrouble(err)
	if l.loaded { // it can be read, which is enough to begin
		return nil
	}
	return err
}

// ready makes the file one that can be written. After an error it fails at once until retryEvery has passed.
func (l *Log) ready() (err error) {
	if l.loaded && l.out.f != nil {
		return nil
	}
	if failed := l.Trouble(); failed != nil && time.Since(l.tried) < retryEvery {
		return failed
	}
	l.tried = time.Now()
	if !l.loaded {
		if err = l.begin(); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		l.loaded = true
		switch {
		case !l.running || l.cfg.Cuts:
		case !l.cfg.OfExcerpts:
			l.forgetAll()
		default:
			var list []SavedExcerpt
			list, err = l.Excerpts()
			l.late <- list
		}
	}
	return errors.Join(err, l.compact())
}

// forgetAll counts the calls of a log that could be read only after the calls under way had begun.
func (l *Log) forgetAll() {
	lost := l.out.index.calls()
	l.out.index = newIndex(0)
	l.count.lost.Add(lost)
	l.cfg.Log.Error("checkpoint log could not be read at the start: its calls are not restored", "name",
		filepath.Base(l.cfg.Path), "lost", lost)
}

// begin reads the index.
func (l *Log) begin() error {
	m, err := readMark(l.markPath())
	if err != nil {
		return err
	}
	damage, ends, err := l.load()
	switch {
	case errors.Is(err, errVersion), errors.Is(err, errKey):
		return l.setAside(err)
	case errors.Is(err, fs.ErrNotExist):
		if m.entries > 0 || m.damaged {
			damage = Damage{Places: 1, Entries: m.entries}
			l.damaged("checkpoint log is gone: it was deleted, or its disk lost it", damage, m.calls)
		}
		return nil
	case err != nil:
		return err
	}
	incomplete := l.out.index.dropIncomplete()
	l.count.refused.Add(incomplete)
	if damage.Places > 0 {
		lost := damage.lost(&m, ends, l.out.index.calls())
		l.damaged("checkpoint log is damaged, what is intact is restored", damage, lost)
	}
	return nil
}

// damaged counts and logs what a damaged file has lost; calls is how many at most.
func (l *Log) damaged(what string, d Damage, calls uint64) {
	l.count.broken.Add(1)
	l.count.lost.Add(calls)
	l.count.lostEntries.Add(d.Entries)
	l.cfg.Log.Error(what, "name", filepath.Base(l.cfg.Path), "places", d.Places, "entries", d.Entries, "lost", calls,
		"intact", l.out.index.calls())
}

// setAside gives the file a name of its own, because nothing of it can be read for that reason.
func (l *Log) setAside(why error) error {
	word := asideVersion
	if errors.Is(why, errKey) {
		word = asideKey
	}
	for n := 1; ; n++ {
		aside := fmt.Sprintf("%s%s%d", l.cfg.Path, word, n)
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
		l.cfg.Log.Error("checkpoint log refused and set aside: with its key or build and its old name, its "+l.cfg.subject()+
			" are restored", "name", filepath.Base(aside), "err", why)
		return nil
	}
}

// load reads the file and notes where everything is. ends is how many GoneEntries it has.
func (l *Log) load() (damage Damage, ends uint64, err error) {
	l.out.index = newIndex(0)
	var waiting []located // of a batch whose CutEntry has not come
	damage, err = l.read(func(block uint64, e *Entry) error {
		if e.Kind == GoneEntry {
			ends++
		}
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
	return damage, ends, err
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
	var f io.Reader
	if l.out.f != nil { // also if it was deleted since
		f = io.NewSectionReader(l.out.f, 0, l.out.size)
	} else {
		before, err := os.Open(l.cfg.Path)
		if err != nil {
			return d, err
		}
		defer func() { _ = before.Close() }()
		f = before
	}
	return Read(f, l.cfg.Sealer, func(hash string) {
		if hash != l.cfg.Policy && l.out.f == nil && !l.cfg.OfExcerpts {
			l.cfg.Log.Warn("checkpoint log: the policy has changed: restored calls that began under another lack the fields that are " +
				"read of texts")
		}
	}, take)
}
