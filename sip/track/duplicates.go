package track

import (
	"time"

	"sipsieve/sip"
)

// A copy of a packet comes within copyWindow; a retransmission comes T1 = 500 ms later, RFC 3261 section 17.1.1.1.
const (
	copyWindow = 200 * time.Millisecond
	copies     = 1 << 16
)

// duplicates remember the last packets, so that a packet that two taps show is taken once. A datagram shown twice is
// one packet. One and the same byte stream shows nothing twice: what comes again on it was sent again; the same on
// another stream between the same ends, or without one, is the stream as another tap or a feed shows it.
type duplicates struct {
	ring []packetMark
	head []uint32 // by 16 bits of a mark: the youngest entry with them
	next uint32   // entries ever made, the first is 1
}

type packetMark struct {
	mark   uint64
	at     int64
	older  uint32 // the entry before with the same 16 bits
	stream uint32 // hash of the number of the byte stream; 0 without one
}

// seen reports whether m's packet was seen within the window, and remembers it. The first packet time of all copies is
// the message's: if m has an earlier one, until is the time that it was known with, else 0.
func (d *duplicates) seen(m *sip.Message) (seen bool, until int64) {
	if m.Mark == 0 {
		return false, 0
	}
	if d.ring == nil {
		d.ring, d.head = make([]packetMark, 1, 256), make([]uint32, copies)
	}
	at, slot, stream := m.Time.UnixNano(), m.Mark*0x9e3779b97f4a7c15>>48, streamOf(m)
	for n := d.head[slot]; n != 0 && d.next-n < copies; n = d.ring[n%copies].older {
		e := &d.ring[n%copies]
		if e.mark == m.Mark && (stream == 0 || e.stream != stream) && abs(at-e.at) < int64(copyWindow) {
			if at < e.at {
				until, e.at = e.at, at
			}
			return true, until
		}
		if at-e.at > int64(time.Second) {
			break // what is older is out of the window, whatever order the taps came in
		}
	}
	d.next++
	e := packetMark{mark: m.Mark, at: at, older: d.head[slot], stream: stream}
	if len(d.ring) < copies {
		d.ring = append(d.ring, e)
	} else {
		d.ring[d.next%copies] = e
	}
	d.head[slot] = d.next
	return false, 0
}

// streamOf tells the byte streams of all sources apart: their numbers differ in the highest bits, or in the lowest.
func streamOf(m *sip.Message) uint32 { return uint32(m.Stream * 0x9e3779b97f4a7c15 >> 32) }

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
