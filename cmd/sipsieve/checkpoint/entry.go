package checkpoint

import (
	enc "encoding/binary"
	"slices"

	"sipsieve/sip/event"
)

// An EntryKind is what an entry says.
type EntryKind byte

// Kinds of entries.
const (
	ClockEntry   EntryKind = iota + 1 // of no call: the domain's clock
	StateEntry                        // where it stands
	FrozenEntry                       // what purposes keep of its texts
	GoneEntry                         // nothing of it is kept any more: call, file or excerpt
	FileEntry                         // of a file: how far it has been read
	CutEntry                          // of none: what stands before it, since the last, is of one instant
	ExcerptEntry                      // an excerpt that waits to be published
)

// An Entry is what a log has of one call, file or excerpt. It takes the place of the earlier one of its kind.
type Entry struct {
	Kind EntryKind
	Name event.Key
	Body []byte
	size int // bytes, of one whose Body was left out
}

// bytes is how many bytes of a block e takes.
func (e *Entry) bytes() int {
	if e.size > 0 {
		return e.size
	}
	return 1 + len(e.Name) + enc.MaxVarintLen16 + len(e.Body)
}

// append appends e to a block.
func (e *Entry) append(b []byte) []byte {
	b = append(append(b, byte(e.Kind)), e.Name[:]...)
	b = enc.AppendUvarint(b, uint64(len(e.Body)))
	return append(b, e.Body...)
}

// read reads e from the beginning of b and returns what follows. It reports false if that is no entry.
func (e *Entry) read(b []byte) (rest []byte, ok bool) {
	head := 1 + len(e.Name)
	if len(b) <= head {
		return nil, false
	}
	e.Kind = EntryKind(b[0])
	copy(e.Name[:], b[1:])
	size, n := enc.Uvarint(b[head:])
	if n <= 0 || uint64(len(b)-head-n) < size {
		return nil, false
	}
	b = b[head+n:]
	e.Body = b[:size]
	return b[size:], true
}

// NewestOf returns the entries of list that no later one replaces.
func NewestOf(list []Entry) (newest []Entry) {
	type subject struct {
		kind EntryKind
		name event.Key
	}
	seen := map[subject]bool{}
	for _, e := range slices.Backward(list) {
		if s := (subject{e.Kind, e.Name}); !seen[s] && !seen[subject{GoneEntry, e.Name}] {
			seen[s] = true
			newest = append(newest, e)
		}
	}
	slices.Reverse(newest)
	return newest
}

// AppendFrozen appends to the body of a FrozenEntry what was frozen for a purpose.
func AppendFrozen(b []byte, purpose string, frozen []byte) []byte {
	b = append(append(b, byte(len(purpose))), purpose...)
	return append(enc.BigEndian.AppendUint16(b, uint16(len(frozen))), frozen...)
}

// eachFrozen calls take with what AppendFrozen has appended.
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
