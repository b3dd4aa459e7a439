package pipeline

import (
	"slices"
	"time"
)

// holdTime is how long a message of a live domain with several readers waits for older ones of the other readers.
const holdTime = 20 * time.Millisecond

// A reorder puts what several readers offer in the order of packet time. What comes after its turn goes on at once.
type reorder struct {
	waiting []held // the oldest first
	passed  time.Time
}

// A held message is one of a batch that is not given back before it has been taken.
type held struct {
	at   time.Time
	b    *batch
	i    int
	late bool
}

// add takes the messages of b in, and returns how many there are.
func (h *reorder) add(b *batch) int {
	b.left = len(b.keys)
	for i := range b.messages.Messages {
		m := held{at: b.messages.Messages[i].Time, b: b, i: i}
		m.late = m.at.Before(h.passed)
		at := len(h.waiting)
		for at > 0 && h.waiting[at-1].at.After(m.at) {
			at--
		}
		h.waiting = slices.Insert(h.waiting, at, m)
	}
	return b.left
}

// next returns the oldest message, if it is not younger than until. Nothing older has a turn after that.
func (h *reorder) next(until time.Time) (m held, ok bool) {
	h.passed = later(h.passed, until)
	if len(h.waiting) == 0 || h.waiting[0].at.After(until) {
		return m, false
	}
	m = h.waiting[0]
	h.waiting = h.waiting[1:]
	return m, true
}
