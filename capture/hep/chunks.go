package hep

import (
	"encoding/binary"
	"net/netip"

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

// packetLength returns the length that the packet at the beginning of b claims. b has header bytes or more.
func packetLength(b []byte) int { return int(binary.BigEndian.Uint16(b[len(magic):])) }

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

// chunks are the values of one packet by type, nil for those it lacks. They are borrowed from the packet.
type chunks [chunkTypes][]byte

// chunkHead is the length of what stands before a chunk's value: vendor, type and length, 2 bytes each.
const chunkHead = 6

// An extent is how the lengths in a packet compare with its bytes.
type extent struct {
	trailing int  // bytes behind the packet's own length, which are not read
	cut      bool // the end of the payload is missing
}

// read sets c to the chunks of the HEP3 packet b. Those of other vendors and types are stepped over. A packet that ends
// too early is used if its payload, or the beginning of it, is there.
func (c *chunks) read(b []byte) (x extent, why capture.Reason, ok bool) {
	*c = chunks{}
	if len(b) < header {
		return x, capture.Short, refuse
	}
	n := packetLength(b)
	if string(b[:len(magic)]) != magic || n < header {
		return x, capture.Malformed, refuse
	}
	x.trailing, why = max(0, len(b)-n), capture.Malformed
	short := n > len(b)
	if short {
		why = capture.Short
	}
	b = b[header:min(n, len(b))]
	for i := 0; len(b) > 0; i++ {
		t, n := first(b)
		switch missing := n > len(b); {
		case len(b) < chunkHead, missing && (!t.carries() || len(b) == chunkHead):
			return x, why, short && c.carry()
		case n < chunkHead, i == maxChunks:
			return x, capture.Malformed, refuse
		case missing:
			x.cut, n = true, len(b)
		}
		if !c.set(t, b[chunkHead:n]) {
			return x, capture.Malformed, refuse
		}
		b = b[n:]
	}
	return x, why, !short || c.carry()
}

// first returns the type of the chunk that b begins with, chunkTypes for one of another vendor, and the length that
// it claims, its head included.
func first(b []byte) (t chunk, n int) {
	if len(b) < chunkHead {
		return chunkTypes, 0
	}
	if t = chunkTypes; binary.BigEndian.Uint16(b) == 0 {
		t = chunk(binary.BigEndian.Uint16(b[2:]))
	}
	return t, int(binary.BigEndian.Uint16(b[4:]))
}

// carries reports whether a chunk of type t holds the message.
func (t chunk) carries() bool { return t == chunkPayload || t == chunkCompressed }

// carry reports whether c has a message.
func (c *chunks) carry() bool { return c[chunkPayload] != nil || c[chunkCompressed] != nil }

// set stores one chunk. It is false if the chunk has the wrong size or comes a second time: other collectors might read
// the other one.
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

// ends returns source and destination, of the family that the packet names.
func (c *chunks) ends() (src, dst netip.AddrPort) {
	from, to := c[chunkSrcIPv6], c[chunkDstIPv6]
	if c.number(chunkFamily) == 2 { // AF_INET; AF_INET6 is another number on every system
		from, to = c[chunkSrcIPv4], c[chunkDstIPv4]
	}
	return end(from, c.number(chunkSrcPort)), end(to, c.number(chunkDstPort))
}
