package track

import (
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
)

// A copy of a packet comes within copyWindow; a retransmission comes T1 = 500 ms later, RFC 3261 section 17.1.1.1.
const (
	copyWindow = capture.CopyWindow
	copies     = 1 << 16
)

// duplicates remember the last transmissions, so that one that several show is taken once: taps of the wire, and
// feeds of switches and proxies (HEP). A datagram that taps show has one IP identification. One and the same byte stream shows
// nothing twice: what comes again on it was sent again; the same on another stream between the same ends, or without
// one, is the stream as another tap shows it. A feed knows no identification: its n-th copy of a message is of the n-th
// transmission that the wire shows, so that a retransmission that both show remains one.
type duplicates struct {
	ring []transmission
	head []uint32 // by 16 bits of a mark: the youngest entry with them
	next uint32   // entries ever made, the first is 1
}

// A transmission is one packet on one hop.
type transmission struct {
	mark     uint64
	at       int64  // the first packet time that is known of it
	came     int64  // arrival of the copy that was read first
	older    uint32 // the entry before with the same 16 bits
	stream   uint32 // hash of the number of the byte stream; 0 without one
	id       uint32 // IP identification, if a tap showed it
	tapped   bool   // a tap showed it
	mirrored bool   // a feed showed it
}

// seen reports whether the transmission that m is a copy of was seen within the window, and remembers it. The first
// packet time of all copies is the message's: if m has an earlier one, until is the time that it was known with, else 0.
// A feed's time, which another clock may have made, does not take the place of a tap's.
func (d *duplicates) seen(m *sip.Message) (seen bool, until int64) {
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
	if one.at < e.at && (one.tapped || !e.tapped) {
		until, e.at = e.at, one.at
	}
	if one.tapped && !e.tapped {
		e.id, e.stream, e.tapped = one.id, one.stream, true
	}
	e.mirrored = e.mirrored || one.mirrored
	return true, until
}

func transmissionOf(m *sip.Message) transmission {
	one := transmission{mark: m.Mark, at: m.Time.UnixNano(), stream: streamOf(m), id: m.ID, tapped: !m.Mirrored,
		mirrored: m.Mirrored}
	if one.came = one.at; m.Mirrored {
		one.came = m.Arrived.UnixNano()
	}
	return one
}

// find returns the entry of the transmission that one is a copy of, nil if it is a new one. first is the youngest entry
// to look at.
func (d *duplicates) find(one *transmission, first uint32) *transmission {
	var waiting, copied *transmission // the earliest that one's kind of witness has not shown yet; one that it has
	for n := first; n != 0 && d.next-n < copies; n = d.ring[n%copies].older {
		e := &d.ring[n%copies]
		if one.came-e.came > int64(time.Second) {
			break // what is older is out of the window, in whatever order copies come
		}
		switch {
		case e.mark != one.mark:
		case one.copies(e):
			if one.tapped {
				return e
			}
			copied = e
		case one.meets(e):
			waiting = e
		}
	}
	if waiting != nil {
		return waiting
	}
	return copied
}

// copies reports whether one is a copy of e by another witness of the same kind.
func (one *transmission) copies(e *transmission) bool {
	if abs(one.at-e.at) >= int64(copyWindow) {
		return false
	}
	if one.mirrored {
		return e.mirrored
	}
	return e.tapped && e.id == one.id && (one.stream == 0 || e.stream != one.stream)
}

// meets reports whether one can be the first copy of e by a witness of its kind.
func (one *transmission) meets(e *transmission) bool {
	return abs(one.came-e.came) < int64(copyWindow) && (one.tapped && !e.tapped || one.mirrored && !e.mirrored)
}

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

// streamOf tells the byte streams of all sources apart: their numbers differ in the highest bits, or in the lowest.
func streamOf(m *sip.Message) uint32 { return uint32(m.Stream * 0x9e3779b97f4a7c15 >> 32) }

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
