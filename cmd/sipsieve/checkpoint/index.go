package checkpoint

import (
	"slices"

	"sipsieve/sip/event"
)

// An index is where in a file the newest entries of every call, file and excerpt are, and the bodies of those that are
// of none.
type index struct {
	of    map[event.Key]place
	held  int64  // bytes of the entries that are in it
	clock []byte // the body of the last ClockEntry; nil without one
	cut   []byte // of the last CutEntry; nil without one
}

// A place is where the entries of a name are: the numbers of their blocks, and their sizes.
type place struct {
	state, frozen         uint32
	stateSize, frozenSize uint32
	single                EntryKind // of a file or an excerpt, which has this entry only; 0 of a call
}

// newIndex returns an empty index with room for n names.
func newIndex(n int) index { return index{of: make(map[event.Key]place, n)} }

// note notes that e stands in a block.
func (x *index) note(block uint64, e *Entry) {
	p := x.of[e.Name]
	n := uint32(e.bytes())
	switch e.Kind {
	case ClockEntry:
		x.clock = slices.Clone(e.Body)
		return
	case CutEntry:
		x.cut = append([]byte{}, e.Body...)
		return
	case GoneEntry:
		x.forget(e.Name)
		return
	case StateEntry, FileEntry, ExcerptEntry:
		x.held += int64(n) - int64(p.stateSize)
		if p.state, p.stateSize, p.single = uint32(block), n, e.Kind; e.Kind == StateEntry {
			p.single = 0
		}
	case FrozenEntry:
		x.held += int64(n) - int64(p.frozenSize)
		p.frozen, p.frozenSize = uint32(block), n
	}
	x.of[e.Name] = p
}

// forget removes a name.
func (x *index) forget(name event.Key) {
	p := x.of[name]
	x.held -= int64(p.stateSize) + int64(p.frozenSize)
	delete(x.of, name)
}

// dropIncomplete removes the calls of which a part is not there, and returns how many: without what was frozen of it a
// call has no id.
func (x *index) dropIncomplete() (n uint64) {
	for name, p := range x.of {
		if p.single == 0 && (p.stateSize == 0 || p.frozenSize == 0) {
			x.forget(name)
			n++
		}
	}
	return n
}

// counts reports whether an entry in a block is the newest of its kind and its name.
func (x *index) counts(block uint64, e *Entry) bool {
	p, ok := x.of[e.Name]
	switch {
	case !ok:
		return false
	case e.Kind == FrozenEntry:
		return p.frozen == uint32(block) && p.frozenSize > 0
	}
	return (e.Kind == StateEntry && p.single == 0 || e.Kind == p.single) && p.state == uint32(block)
}

// calls returns how many calls or excerpts can be restored.
func (x *index) calls() (n uint64) {
	for _, p := range x.of {
		if p.single == ExcerptEntry || p.single == 0 && p.stateSize > 0 && p.frozenSize > 0 {
			n++
		}
	}
	return n
}

// lacks returns of how many names y has less than x.
func (x *index) lacks(y *index) (n uint64) {
	for name, p := range y.of {
		if q := x.of[name]; p.stateSize > 0 && q.stateSize == 0 || p.frozenSize > 0 && q.frozenSize == 0 {
			n++
		}
	}
	return n
}
