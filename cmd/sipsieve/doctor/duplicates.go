package doctor

import (
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
)

// mostCopies is how many messages duplicates remembers.
const mostCopies = 8192

// duplicates remembers the marks of the last messages, to find a message that is captured twice.
type duplicates struct {
	last  map[uint64]seenAt // by mark
	marks []uint64          // a ring of the marks in last
	next  int
}

// A seenAt is when and in which VLAN a message was captured.
type seenAt struct {
	time time.Time
	vlan uint16
}

func newDuplicates() duplicates {
	return duplicates{last: map[uint64]seenAt{}, marks: make([]uint64, mostCopies)}
}

// find reports whether a copy of m was captured within capture.CopyWindow, and in which VLAN. If not, it remembers m.
func (d *duplicates) find(m *sip.Message) (vlan uint16, ok bool) {
	if before, known := d.last[m.Mark]; known && m.Time.Sub(before.time).Abs() <= capture.CopyWindow {
		return before.vlan, true
	}
	delete(d.last, d.marks[d.next])
	d.last[m.Mark], d.marks[d.next] = seenAt{m.Time, m.VLAN}, m.Mark
	d.next = (d.next + 1) % mostCopies
	return 0, false
}
