// This file has methods of Log because reading calls and files back is the other half of writing them, and is over
// before Run.

package checkpoint

import (
	"bytes"
	enc "encoding/binary"
	"errors"
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

// Calls calls take with every call of the log, the first of the forks of each INVITE before the others. It reads the
// file in several passes and holds a part of the calls at a time, so that a full log costs no more memory than a small
// one. It is called before Run.
func (l *Log) Calls(take func(Restorable)) error { return l.callsIn(int(l.held/partRoom)+1, take) }

// callsIn is Calls in so many passes.
func (l *Log) callsIn(parts int, take func(Restorable)) error {
	var forks []Restorable // few
	for part := range parts {
		calls := map[event.Key]savedCall{}
		err := l.read(func(block uint64, e *Entry) error {
			if e.Kind != FileEntry && int(e.Name[0])%parts == part && l.counts(block, e) {
				keep(calls, e)
			}
			return nil
		})
		if err != nil && !errors.Is(err, errTorn) {
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

// keep notes the part of a call that e is.
func keep(calls map[event.Key]savedCall, e *Entry) {
	c := calls[e.Name]
	if e.Kind == StateEntry {
		c.state = slices.Clone(e.Body)
	} else {
		c.frozen = slices.Clone(e.Body)
	}
	calls[e.Name] = c
}

func (c *savedCall) restorable(name event.Key) Restorable {
	one := Restorable{Saved: calls.Saved{Name: name, State: c.state}}
	eachFrozen(c.frozen, func(purpose string, frozen []byte) { cpni.AppendSnapshot(&one.Facts, purpose, frozen) })
	return one
}

// Files returns the bodies of the files of the log, and that of the last cut; nil without one. It is called before Run.
func (l *Log) Files() (files [][]byte, cut []byte, err error) {
	err = l.read(func(block uint64, e *Entry) error {
		if e.Kind == FileEntry && l.counts(block, e) {
			files = append(files, slices.Clone(e.Body))
		}
		return nil
	})
	return files, l.cut, err
}

// AppendFrozen adds what was frozen for a purpose to the body of an entry, and eachFrozen reads it.
func AppendFrozen(b []byte, purpose string, frozen []byte) []byte {
	b = append(append(b, byte(len(purpose))), purpose...)
	return append(enc.BigEndian.AppendUint16(b, uint16(len(frozen))), frozen...)
}

func eachFrozen(b []byte, take func(purpose string, frozen []byte)) {
	for len(b) > 0 {
		name := 1 + int(b[0])
		if len(b) < name+2 {
			return
		}
		end := name + 2 + int(enc.BigEndian.Uint16(b[name:]))
		if len(b) < end {
			return
		}
		take(string(b[1:name]), b[name+2:end])
		b = b[end:]
	}
}

// NewestOf returns the entries of list that no later one makes old.
func NewestOf(list []Entry) (newest []Entry) {
	type word struct {
		kind EntryKind
		name event.Key
	}
	said := map[word]bool{}
	for _, e := range slices.Backward(list) {
		if w := (word{e.Kind, e.Name}); !said[w] && !said[word{GoneEntry, e.Name}] {
			said[w] = true
			newest = append(newest, e)
		}
	}
	slices.Reverse(newest)
	return newest
}
