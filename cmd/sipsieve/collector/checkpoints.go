package collector

import (
	"slices"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/sip/calls"
	"sipsieve/sip/event"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// An Encoder makes checkpoint entries of what Trackers save of open calls. Of their texts an entry has what the purposes
// may keep, and nothing else.
type Encoder struct {
	records  *cpni.Reader
	purposes []*policy.Purpose
	snapshot []byte // of one call, for one purpose
}

// NewEncoder returns an Encoder of these purposes.
func NewEncoder(records *cpni.Reader, purposes []*policy.Purpose) *Encoder {
	return &Encoder{records: records, purposes: purposes}
}

// Append appends to list what a checkpoint log is to have of s.
func (e *Encoder) Append(list []checkpoint.Entry, s *calls.Saved) []checkpoint.Entry {
	switch {
	case s.Name == event.Key{}:
		return append(list, checkpoint.Entry{Kind: checkpoint.ClockEntry, Body: s.State})
	case s.Gone:
		return append(list, checkpoint.Entry{Kind: checkpoint.GoneEntry, Name: s.Name})
	}
	if s.Event != nil { // before the state, so that no state is ever without it
		list = append(list, checkpoint.Entry{Kind: checkpoint.FrozenEntry, Name: s.Name, Body: e.freeze(s.Event)})
	}
	return append(list, checkpoint.Entry{Kind: checkpoint.StateEntry, Name: s.Name, Body: s.State})
}

// freeze returns what all purposes keep of the texts of ev's call.
func (e *Encoder) freeze(ev *event.Event) (body []byte) {
	r, ok := e.records.Record(ev)
	if !ok {
		return nil
	}
	for _, p := range e.purposes {
		e.snapshot = p.Snapshot(e.snapshot[:0], &r)
		if len(e.snapshot) > 0 {
			body = checkpoint.AppendFrozen(body, p.Name, e.snapshot)
		}
	}
	return body
}

// savedCalls are entries that wait to be written to the log of live calls.
type savedCalls struct {
	log     *checkpoint.Log
	entries []checkpoint.Entry
	newest  int // how many there were when those that a newer one replaces went last
	most    int
}

// batch returns what writes the entries.
func (s *savedCalls) batch() batch {
	list := s.entries
	return batch{done: func() error { s.log.Put(list); return nil }}
}

// bound keeps the entries from growing: those that a newer one of their call replaces go, and the oldest of all when
// there are more than open calls can have at once.
func (s *savedCalls) bound() {
	if len(s.entries) < 2*s.newest && len(s.entries) < s.most {
		return
	}
	s.entries = checkpoint.NewestOf(s.entries)
	if n := len(s.entries) - s.most; n >= 0 {
		s.entries = slices.Delete(s.entries, 0, n+s.most/8) // in one go, not one by one
		s.log.Drop()
	}
	s.newest = max(len(s.entries), 1024)
}
