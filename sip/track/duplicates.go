package track

import (
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
)

// A copy of a packet comes within copyWindow; a retransmission comes T1 = 500 ms later, RFC 3261 section 17.1.1.1.
const (
	copyWindow = 200 * time.Millisecond
	copies     = 1 << 16
)

// duplicates remember the last packets, so that a packet that two taps show is taken once.
type duplicates struct {
	ring []packetMark
	head []uint32 // by 16 bits of a mark: the youngest entry with them
	next uint32   // entries ever made, the first is 1
}

type packetMark struct {
	mark  uint64
	at    int64
	older uint32 // the entry before with the same 16 bits
}

// seen reports whether m's packet was seen within the window, and remembers it.
func (d *duplicates) seen(m *sip.Message) bool {
	if m.Mark == 0 || m.Flow.Transport != capture.UDP && m.Flow.Transport != capture.SCTP {
		return false
	}
	if d.ring == nil {
		d.ring, d.head = make([]packetMark, 1, 256), make([]uint32, copies)
	}
	at, slot := m.Time.UnixNano(), m.Mark*0x9e3779b97f4a7c15>>48
	for n := d.head[slot]; n != 0 && d.next-n < copies; n = d.ring[n%copies].older {
		e := &d.ring[n%copies]
		if e.mark == m.Mark && abs(at-e.at) < int64(copyWindow) {
			return true
		}
		if at-e.at > int64(time.Second) {
			break // what is older is out of the window, whatever order the taps came in
		}
	}
	d.next++
	e := packetMark{mark: m.Mark, at: at, older: d.head[slot]}
	if len(d.ring) < copies {
		d.ring = append(d.ring, e)
	} else {
		d.ring[d.next%copies] = e
	}
	d.head[slot] = d.next
	return false
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
