package collector

import (
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

// Append appends to list the entries that a checkpoint log needs of s.
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
