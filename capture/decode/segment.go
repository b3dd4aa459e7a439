package decode

import (
	"encoding/binary"

	"sipsieve/capture"
)

// A segment is a part of one half, as it was seen.
type segment struct {
	seen sighting
	seq  uint32
	size int // on the wire; more than len(data) if the capture cut it
	data []byte
	fin  bool
}

// end is the sequence number behind seg: FIN takes one.
func (seg *segment) end() uint32 {
	if seg.fin {
		return seg.seq + uint32(seg.size) + 1
	}
	return seg.seq + uint32(seg.size)
}

// probe reports whether seg is a keepalive probe, RFC 9293 section 3.8.4: one byte without meaning, before the next.
func (seg *segment) probe() bool {
	return seg.size == 1 && len(seg.data) == 1 && seg.data[0] == 0 && !seg.fin
}

// Flags of a TCP header, RFC 9293 section 3.1.
const (
	flagFIN = 1
	flagSYN = 2
	flagRST = 4
	flagACK = 16
)

// An arrival is a segment and its connection.
type arrival struct {
	segment
	key   connKey
	side  int // which end of the connection sent it: 0 or 1
	flags byte
	ack   uint32
}

// read reads the header of the TCP packet p of at least 20 bytes, and leaves out which connection it is of.
func (a *arrival) read(p *ipPayload) (capture.Reason, bool) {
	b := p.data
	head := int(b[12]>>4) * 4
	if head < 20 {
		return capture.Malformed, refuse
	}
	if len(b) < head {
		return capture.Short, refuse
	}
	a.flags, a.ack = b[13], binary.BigEndian.Uint32(b[8:])
	a.seq, a.data, a.size = binary.BigEndian.Uint32(b[4:]), b[head:], len(b)-head+p.missing
	a.fin = a.flags&flagFIN != 0
	return 0, pass
}
