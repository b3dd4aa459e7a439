package pipeline

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"sipsieve/sip/calls"
	"sipsieve/sip/event"
)

// A Merger puts the events of all shards of a domain in one order: time, key, ordinal. It holds an event
// until no shard can send an earlier one. In that order calls are joined with the other legs of their call, and what
// an event says of a device follows it.
type Merger struct {
	domain  *Domain
	clocks  []time.Time
	held    []heldEvent
	devices []event.Event
	saved   []savedAt
	cuts    cuts

	// Keep takes what is for the checkpoint log; nil for nobody. It is set before Add.
	Keep func(*calls.Saved)

	// Cut takes an instant of a Domain with a Resumable Source and what is to be saved with it, once every event before
	// it has been released; nil for nobody. It is set before Add.
	Cut func(c *Cut, saved []calls.Saved)
}

// A heldEvent is an Event whose turn has not come.
type heldEvent struct {
	event.Event
	again bool // it was released before a restart
}

// A savedAt is what a shard said of open calls at a time.
type savedAt struct {
	clock time.Time
	saved []calls.Saved
}

// NewMerger returns one for the Flows of d.
func NewMerger(d *Domain) *Merger {
	return &Merger{domain: d, clocks: make([]time.Time, len(d.shards))}
}

// Add takes what a shard sent and calls emit with every event whose turn has come.
func (m *Merger) Add(f Flow, emit func(*event.Event)) {
	if m.clocks[f.Shard].Sub(f.Clock) > mostDrift { // it was set back: by the new clock their turn is long in coming
		m.release(EndOfTime, emit)
	}
	m.clocks[f.Shard] = f.Clock
	for i := range f.Events {
		m.held = append(m.held, heldEvent{f.Events[i], f.Again})
	}
	if f.Cut != nil {
		m.cuts.add(&f, len(m.clocks))
	} else if len(f.Saved) > 0 && m.Keep != nil {
		m.saved = append(m.saved, savedAt{f.Clock, f.Saved})
	}
	until := slices.MinFunc(m.clocks, time.Time.Compare)
	if m.domain.waits && m.domain.eager { // the next packet may be long in coming
		until = until.Add(1)
	}
	m.release(until, emit)
	if until.Before(EndOfTime) {
		return
	}
	m.domain.legs.Leave()
	m.domain.devices.Leave()
}

// release calls emit with the events before until, and passes on what was saved before it.
func (m *Merger) release(until time.Time, emit func(*event.Event)) {
	m.releaseEvents(until, emit)
	m.releaseSaved(until)
	m.passCuts(until, emit)
}

// releaseEvents calls emit with the events before until.
func (m *Merger) releaseEvents(until time.Time, emit func(*event.Event)) {
	slices.SortStableFunc(m.held, inOrder)
	n := 0
	for n < len(m.held) && m.held[n].Time.Before(until) {
		if m.held[n].again {
			m.pass(&m.held[n].Event, func(*event.Event) {})
		} else {
			m.pass(&m.held[n].Event, emit)
		}
		n++
	}
	m.held = slices.Delete(m.held, 0, n)
}

// releaseSaved passes on the checkpoints of open calls that are older than until: their events have been released.
func (m *Merger) releaseSaved(until time.Time) {
	m.saved = slices.DeleteFunc(m.saved, func(one savedAt) bool {
		if !one.clock.Before(until) && !until.Equal(EndOfTime) {
			return false
		}
		for i := range one.saved {
			s := &one.saved[i]
			if s.Event != nil {
				m.domain.legs.Complete(s.Event)
			}
			m.Keep(s)
		}
		return true
	})
}

// pass calls emit with ev, unless it is of the legs or of the devices only, and with what ev says of a device.
func (m *Merger) pass(ev *event.Event, emit func(*event.Event)) {
	switch ev.Kind {
	case event.LinkKind:
		m.domain.legs.Observe(ev)
		return
	case event.SightingKind:
	default:
		m.domain.legs.Complete(ev)
		emit(ev)
	}
	m.devices = m.domain.devices.Observe(m.devices[:0], ev)
	for i := range m.devices {
		emit(&m.devices[i])
	}
	if counts := m.domain.devices.Counts(); counts != *m.domain.deviceCounts.Load() {
		changed := counts
		m.domain.deviceCounts.Store(&changed)
	}
}

func inOrder(a, b heldEvent) int {
	return cmp.Or(a.Time.Compare(b.Time), bytes.Compare(a.Key[:], b.Key[:]), cmp.Compare(a.Ordinal, b.Ordinal))
}
