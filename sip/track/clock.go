package track

import (
	"time"

	"sipsieve/sip"
)

// A Tracker counts time on a steady clock: the packets' without the steps that it was told of. Records of a call
// bear the clock as it was when the call opened, so that no difference of two of their times has a step in it.

// Stepped records a jump of the packets' clock by delta, just before now (on the new clock). Calls that are open then
// get ClockStep, their durations as if there had been no jump; deadlines are kept.
func (t *Tracker) Stepped(now time.Time, delta time.Duration) {
	t.drift += int64(delta)
	t.steps++
	t.now = max(t.now, t.steady(now))
}

// steady returns at on the steady clock, nanoseconds.
func (t *Tracker) steady(at time.Time) int64 { return at.UnixNano() - t.drift }

// onSteadyClock calls take with m as the steady clock times it. m is as it was afterwards.
func (t *Tracker) onSteadyClock(m *sip.Message, take func(*sip.Message, Keys) bool, k Keys) bool {
	wall := m.Time
	if t.drift != 0 {
		m.Time = when(t.steady(wall))
	}
	kept := take(m, k)
	m.Time = wall
	return kept
}

// tellWall returns the Events that were gathered, those from the nth on the packets' clock.
func (t *Tracker) tellWall(n int) []Event {
	events := t.events
	t.events = nil
	if t.drift == 0 {
		return events
	}
	for i := n; i < len(events); i++ {
		events[i].Time = events[i].Time.Add(time.Duration(t.drift))
		if r := events[i].Registration; r != nil {
			r.At = r.At.Add(time.Duration(t.drift))
		}
	}
	return events
}

// when returns nanoseconds as a time, the zero Time for 0.
func when(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
