// This file has methods of Log because reading calls and files back is over before Run, and reads files instead of
// writing them.

package checkpoint

import (
	"bytes"
	"fmt"
	"slices"

	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/store/cpni"
)

// A Restorable is a call as a Tracker takes it up again.
type Restorable struct {
	Saved calls.Saved
	Facts facts.Facts
}

// partRoom is how many bytes of calls are held at once while they are read.
const partRoom = 64 << 20

// A savedCall is a call as a log has it; nil is not there.
type savedCall struct{ state, frozen []byte }

// keep notes the part of a call that e is.
func (c *savedCall) keep(e *Entry) {
	if e.Kind == StateEntry {
		c.state = slices.Clone(e.Body)
	} else {
		c.frozen = slices.Clone(e.Body)
	}
}

func (c *savedCall) restorable(name event.Key) Restorable {
	one := Restorable{Saved: calls.Saved{Name: name, State: c.state}}
	eachFrozen(c.frozen, func(purpose string, frozen []byte) { cpni.AppendSnapshot(&one.Facts, purpose, frozen) })
	return one
}

// Clock returns the clock of the Domain as it was saved last; nil if none was. It is called before Run.
func (l *Log) Clock() []byte { return l.out.index.clock }

// Refuse counts that a call could not be taken up, or the clock for a zero name, and removes the call. It is called
// before Run.
func (l *Log) Refuse(name event.Key) {
	l.count.refused.Add(1)
	l.out.index.forget(name)
}

// KeepOnly counts the calls that are not in taken as lost and removes them, since the disk failed while they were read.
// It is called before Run.
func (l *Log) KeepOnly(taken map[event.Key]bool) {
	for name, p := range l.out.index.of {
		if p.single == 0 && !taken[name] {
			l.out.index.forget(name)
			l.count.lost.Add(1)
		}
	}
}

// Reject counts that a call could not be taken up. It may be called from any goroutine.
func (l *Log) Reject() { l.count.refused.Add(1) }

// Accept counts that a call was taken up.
func (l *Log) Accept() { l.count.restored.Add(1) }

// Calls calls take with every call of the log, the first of the forks of each INVITE before the others. It reads the
// file in several passes and holds a part of the calls at a time, so that a full log costs no more memory than a small
// one. It is called before Run.
func (l *Log) Calls(take func(Restorable)) error {
	return l.callsIn(int(l.out.index.held/partRoom)+1, take)
}

// callsIn is Calls in so many passes.
func (l *Log) callsIn(parts int, take func(Restorable)) error {
	if !l.loaded || len(l.out.index.of) == 0 {
		return nil
	}
	var forks []Restorable // few
	for part := range parts {
		calls := map[event.Key]savedCall{}
		_, err := l.read(func(block uint64, e *Entry) error {
			if e.Kind != FileEntry && int(e.Name[0])%parts == part && l.out.index.counts(block, e) {
				c := calls[e.Name]
				c.keep(e)
				calls[e.Name] = c
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		for name, c := range calls {
			one := c.restorable(name)
			delete(calls, name) // the Tracker has it now
			if !one.Saved.Head() {
				forks = append(forks, one)
				continue
			}
			take(one)
		}
	}
	slices.SortFunc(forks, func(a, b Restorable) int { return bytes.Compare(a.Saved.Name[:], b.Saved.Name[:]) })
	for _, one := range forks {
		take(one)
	}
	return nil
}

// A SavedExcerpt is what a log has of an excerpt.
type SavedExcerpt struct {
	Name event.Key
	Body []byte
}

// Excerpts returns the excerpts of the log, in the order in which they were put. It is called before Run.
func (l *Log) Excerpts() (list []SavedExcerpt, err error) {
	if !l.loaded || len(l.out.index.of) == 0 {
		return nil, nil
	}
	_, err = l.read(func(block uint64, e *Entry) error {
		if e.Kind == ExcerptEntry && l.out.index.counts(block, e) {
			list = append(list, SavedExcerpt{e.Name, slices.Clone(e.Body)})
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("checkpoint: %w", err)
	}
	return list, err
}

// Late returns the excerpts of a log that could be read only by Run, once; else nil. It may be called from any goroutine.
func (l *Log) Late() []SavedExcerpt {
	select {
	case list := <-l.late:
		return list
	default:
		return nil
	}
}

// Files returns the bodies of the files of the log, and that of the last cut; nil without one. It is called before Run.
func (l *Log) Files() (files [][]byte, cut []byte, err error) {
	if len(l.out.index.of) == 0 {
		return nil, l.out.index.cut, nil
	}
	_, err = l.read(func(block uint64, e *Entry) error {
		if e.Kind == FileEntry && l.out.index.counts(block, e) {
			files = append(files, slices.Clone(e.Body))
		}
		return nil
	})
	return files, l.out.index.cut, err
}
