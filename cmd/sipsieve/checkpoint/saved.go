package checkpoint

import (
	"bytes"
	"cmp"
	enc "encoding/binary"
	"slices"

	"sipsieve/sip/track"
	"sipsieve/store/cpni"
)

// A Restorable is a call as a Tracker takes it up again.
type Restorable struct {
	Saved track.Saved
	Facts track.Facts
}

// InOrder returns the calls, the first of the forks of each INVITE before the others.
func (k SavedCalls) InOrder() (list []Restorable) {
	for name, c := range k {
		one := Restorable{Saved: track.Saved{Name: name, State: c.state}}
		eachFrozen(c.frozen, func(purpose string, frozen []byte) { cpni.AppendFrozen(&one.Facts, purpose, frozen) })
		list = append(list, one)
	}
	rank := func(r Restorable) int {
		if r.Saved.Head() {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b Restorable) int {
		return cmp.Or(rank(a)-rank(b), bytes.Compare(a.Saved.Name[:], b.Saved.Name[:]))
	})
	return list
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
		name track.Key
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
