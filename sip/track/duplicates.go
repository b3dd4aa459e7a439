package track

import (
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
)

// A copy of a packet is captured within copyWindow; a retransmission follows after T1 = 500 ms (RFC 3261 section
// 17.1.1.1).
const (
	copyWindow = capture.CopyWindow
	copies     = 1 << 16
)

// duplicates hold the last transmissions, so that each counts once although several taps (of the wire) and feeds (HEP
// of switches and proxies) show it. All taps show a datagram with one IP identification. Within one byte stream there
// are no copies: a message that comes again was sent again; the same message on another stream is a copy by another
// tap. A feed has no identification: its n-th copy of a message is taken for the n-th transmission on the wire, so that
// a retransmission that both show counts as one.
type duplicates struct {
	ring []transmission
	head []uint32 // by 16 bits of a mark: number of the latest entry with them
	next uint32   // number of the last entry, from 1
}

// A transmission is one packet on one hop.
type transmission struct {
	mark     uint64
	time     int64  // the earliest packet time of its copies, nanoseconds
	arrived  int64  // arrival of the copy that was read first
	older    uint32 // number of the entry before with the same 16 bits
	stream   uint32 // hash of the number of the byte stream; 0 without one
	id       uint32 // IP identification, if a tap showed it
	tapped   bool   // a tap showed it
	mirrored bool   // a feed showed it
}

// seen reports whether a copy of m was seen within the window, and remembers m. A message has the earliest packet time
// of its copies: if m has an earlier one than the copies before it, late is the time that they gave the message, else
// 0. The time of a feed, which may be of another clock, does not replace that of a tap.
func (d *duplicates) seen(m *sip.Message) (seen bool, late int64) {
	if m.Mark == 0 {
		return false, 0
	}
	if d.ring == nil {
		d.ring, d.head = make([]transmission, 1, 256), make([]uint32, copies)
	}
	one := transmissionOf(m)
	slot := m.Mark * 0x9e3779b97f4a7c15 >> 48
	e := d.find(&one, d.head[slot])
	if e == nil {
		d.add(one, slot)
		return false, 0
	}
	if one.time < e.time && (one.tapped || !e.tapped) {
		late, e.time = e.time, one.time
	}
	if one.tapped && !e.tapped {
		e.id, e.stream, e.tapped = one.id, one.stream, true
	}
	e.mirrored = e.mirrored || one.mirrored
	return true, late
}

// transmissionOf returns the transmission of m alone.
func transmissionOf(m *sip.Message) transmission {
	one := transmission{mark: m.Mark, time: m.Time.UnixNano(), stream: streamOf(m), id: m.ID, tapped: !m.Mirrored,
		mirrored: m.Mirrored}
	if one.arrived = one.time; m.Mirrored {
		one.arrived = m.Arrived.UnixNano()
	}
	return one
}

// find returns the entry of the transmission that one is a copy of, nil without one. It begins with entry number first
// and goes back in time.
func (d *duplicates) find(one *transmission, first uint32) *transmission {
	var waiting, copied *transmission // the earliest that taps, or feeds, have not shown yet; one that they have
	for n := first; n != 0 && d.next-n < copies; n = d.ring[n%copies].older {
		e := &d.ring[n%copies]
		if one.arrived-e.arrived > int64(time.Second) {
			break // older entries are outside the window, in whatever order copies are read
		}
		switch {
		case e.mark != one.mark:
		case one.copies(e):
			if one.tapped {
				return e
			}
			copied = e
		case one.firstOfKind(e):
			waiting = e
		}
	}
	if waiting != nil {
		return waiting
	}
	return copied
}

// copies reports whether one is a copy of e by another tap if a tap shows one, by a feed if a feed does.
func (one *transmission) copies(e *transmission) bool {
	if abs(one.time-e.time) >= int64(copyWindow) {
		return false
	}
	if one.mirrored {
		return e.mirrored
	}
	return e.tapped && e.id == one.id && (one.stream == 0 || e.stream != one.stream)
}

// firstOfKind reports whether one can be the first copy of e by a tap, or the first by a feed.
func (one *transmission) firstOfKind(e *transmission) bool {
	return abs(one.arrived-e.arrived) < int64(copyWindow) && (one.tapped && !e.tapped || one.mirrored && !e.mirrored)
}

// add adds an entry, in place of the oldest if there are too many.
func (d *duplicates) add(one transmission, slot uint64) {
	d.next++
	one.older = d.head[slot]
	if len(d.ring) < copies {
		d.ring = append(d.ring, one)
	} else {
		d.ring[d.next%copies] = one
	}
	d.head[slot] = d.next
}

// streamOf returns a hash of the number of m's byte stream, 0 without one. The numbers differ in the highest bits (of
// sources) and in the lowest.
func streamOf(m *sip.Message) uint32 { return uint32(m.Stream * 0x9e3779b97f4a7c15 >> 32) }

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
