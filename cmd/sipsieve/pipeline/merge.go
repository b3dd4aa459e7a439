package pipeline

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"sipsieve/sip/calls"
	"sipsieve/sip/event"
)

// A Merger merges the events of all shards of a domain in the order of time, key and ordinal. It holds an event until
// no shard can send an earlier one. In that order the legs of a call are joined, and the Event of a device follows the
// Event that shows it.
type Merger struct {
	domain  *Domain
	clocks  []time.Time
	held    []heldEvent
	devices []event.Event
	saved   []savedAt
	cuts    cuts

	// Keep, if not nil, takes each checkpoint once the events before it were released. It is set before Add.
	Keep func(*calls.Saved)

	// Cut, if not nil, takes each cut and its checkpoints once the events before it were released. It is set before Add.
	Cut func(c *Cut, saved []calls.Saved)
}

// A heldEvent is an Event that a shard may still precede.
type heldEvent struct {
	event.Event
	again bool // it was published before a restart
}

// A savedAt has the checkpoints that a shard sent at a time.
type savedAt struct {
	clock time.Time
	saved []calls.Saved
}

// NewMerger returns a Merger of the Flows of d.
func NewMerger(d *Domain) *Merger {
	return &Merger{domain: d, clocks: make([]time.Time, len(d.shards))}
}

// Add adds f and calls emit with every event that no shard can precede any more.
func (m *Merger) Add(f Flow, emit func(*event.Event)) {
	if m.clocks[f.Shard].Sub(f.Clock) > mostDrift { // it was set back: the new clock would reach them late
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
	if m.domain.blocking && m.domain.eager { // the next packet may come late
		until = until.Add(1)
	}
	m.release(until, emit)
	if until.Before(EndOfTime) {
		return
	}
	m.domain.legs.Leave()
	m.domain.devices.Leave()
}

// release releases the events, checkpoints and cuts before until.
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

// releaseSaved calls Keep with the checkpoints older than until, whose events have been released.
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

// pass calls emit with ev, unless it is for legs or devices only, and with the Event of the device that ev shows.
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

// passCuts calls Cut with the complete cuts before until, whose events have been released. The events of an idle cut
// are released now, since no packet is at hand that could precede them.
func (m *Merger) passCuts(until time.Time, emit func(*event.Event)) {
	for w := m.cuts.next(); w != nil; w = m.cuts.next() {
		if w.cut.Idle {
			m.releaseEvents(w.cut.clock.Add(1), emit)
		} else if !w.cut.clock.Before(until) && !until.Equal(EndOfTime) {
			return
		}
		for i := range w.saved {
			if s := &w.saved[i]; s.Event != nil {
				m.domain.legs.Complete(s.Event)
			}
		}
		if m.Cut != nil {
			m.Cut(w.cut, w.saved)
		}
		m.cuts.waiting = m.cuts.waiting[1:]
	}
}
