package hep

import (
	"encoding/binary"

	"sipsieve/capture"
)

// Limits of one HEP packet, bytes but for maxChunks. A length field has 16 bits, so no packet is longer.
const (
	maxPacket      = 1<<16 - 1
	maxPayload     = 1<<16 - 1 // after decompression
	maxCorrelation = 512
	maxChunks      = 64
)

// magic begins every packet of HEP version 3, and a length of everything, magic included, follows.
const (
	magic  = "HEP3"
	header = len(magic) + 2
)

// A chunk is one of the generic chunk types, vendor 0. The numbers are those of the HEP3 draft of the Homer project.
type chunk uint16

const (
	chunkFamily chunk = iota + 1
	chunkProtocol
	chunkSrcIPv4
	chunkDstIPv4
	chunkSrcIPv6
	chunkDstIPv6
	chunkSrcPort
	chunkDstPort
	chunkSeconds
	chunkMicros
	chunkKind // what the payload is; sip below
	chunkAgent
	_ // keep-alive timer
	chunkKey
	chunkPayload
	chunkCompressed
	chunkCorrelation
	chunkTypes
)

// sizes are how long the values are; 0 for any length.
var sizes = [chunkTypes]int{chunkFamily: 1, chunkProtocol: 1,
	chunkSrcIPv4: 4, chunkDstIPv4: 4, chunkSrcIPv6: 16, chunkDstIPv6: 16, chunkSrcPort: 2, chunkDstPort: 2,
	chunkSeconds: 4, chunkMicros: 4, chunkKind: 1, chunkAgent: 4}

// chunks are the values of one packet by type, nil for what it has not. They are borrowed from it.
type chunks [chunkTypes][]byte

// read sets c to the chunks of the HEP3 packet b. Those of other vendors and types are stepped over.
func (c *chunks) read(b []byte) (capture.Reason, bool) {
	*c = chunks{}
	if len(b) < header {
		return capture.Short, refuse
	}
	switch n := int(binary.BigEndian.Uint16(b[len(magic):])); {
	case string(b[:len(magic)]) != magic, n < len(b):
		return capture.Malformed, refuse
	case n > len(b):
		return capture.Short, refuse
	}
	b = b[header:]
	for n := 0; len(b) > 0; n++ {
		if len(b) < 6 || n == maxChunks {
			return capture.Malformed, refuse
		}
		vendor, t := binary.BigEndian.Uint16(b), chunk(binary.BigEndian.Uint16(b[2:]))
		end := int(binary.BigEndian.Uint16(b[4:]))
		if end < 6 || end > len(b) || vendor == 0 && !c.set(t, b[6:end]) {
			return capture.Malformed, refuse
		}
		b = b[end:]
	}
	return 0, pass
}

// set takes note of one chunk. It is false if the chunk has the wrong size or comes a second time: two collectors
// would read two messages then.
func (c *chunks) set(t chunk, value []byte) bool {
	if t >= chunkTypes {
		return true
	}
	if c[t] != nil || sizes[t] != 0 && len(value) != sizes[t] {
		return false
	}
	c[t] = value
	return true
}

// number returns the value of a chunk of 1, 2 or 4 bytes, 0 without it.
func (c *chunks) number(t chunk) (n uint32) {
	for _, b := range c[t] {
		n = n<<8 | uint32(b)
	}
	return n
}
