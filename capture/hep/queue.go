package hep

import (
	"time"

	"sipsieve/capture"
)

// A queue holds packets that wait for Next, and their bytes, in memory that is allocated once. It has no lock.
type queue struct {
	slots      []slot
	first, n   int    // slots in use, the one that was lent included
	room       []byte // a ring; the bytes of one slot are contiguous
	head, tail int    // of the bytes in use
	lent       bool   // the first slot's packet was taken
}

// A slot is a packet and where its bytes end in the room.
type slot struct {
	packet capture.Packet
	came   time.Time // its arrival
	end    int
}

// perSlot is the bytes of room for each slot: a SIP message is seldom shorter.
const perSlot = 512

func newQueue(bytes int) queue {
	return queue{slots: make([]slot, bytes/perSlot), room: make([]byte, bytes)}
}

// put copies p, which arrived at came, to the end of the queue, and is false if there is no room. p has a payload.
func (q *queue) put(p *capture.Packet, came time.Time) bool {
	size := len(p.Payload) + len(p.Correlation)
	at, ok := q.place(size)
	if !ok || q.n == len(q.slots) {
		return false
	}
	s := &q.slots[(q.first+q.n)%len(q.slots)]
	q.n++
	s.packet, s.came, s.end = *p, came, at+size
	q.tail = s.end
	own := append(q.room[at:at:s.end], p.Payload...)
	s.packet.Payload = own[:len(p.Payload):len(p.Payload)]
	if p.Correlation != nil {
		s.packet.Correlation = append(own, p.Correlation...)[len(p.Payload):]
	}
	return true
}

// place returns the offset at which size bytes fit. While a slot is in use, tail equal to head means full.
func (q *queue) place(size int) (at int, ok bool) {
	switch {
	case q.n == 0:
		q.head, q.tail = 0, 0
		return 0, size <= len(q.room)
	case q.tail <= q.head:
		return q.tail, size <= q.head-q.tail
	case size <= len(q.room)-q.tail:
		return q.tail, true
	}
	return 0, size <= q.head
}

// waiting returns how many packets were not taken yet.
func (q *queue) waiting() int {
	if q.lent {
		return q.n - 1
	}
	return q.n
}

// take lends the first packet until release, and returns its arrival. One must be waiting and none lent.
func (q *queue) take() (p capture.Packet, came time.Time) {
	q.lent = true
	return q.slots[q.first].packet, q.slots[q.first].came
}

// release ends the loan of the first packet and frees its slot.
func (q *queue) release() {
	if !q.lent {
		return
	}
	q.lent = false
	q.head = q.slots[q.first].end
	q.first = (q.first + 1) % len(q.slots)
	q.n--
}
