package decode

import (
	"encoding/binary"

	"sipsieve/capture"
)

// A DATA chunk of SCTP, RFC 9260 section 3.3.1, and the flags of one that is a whole message.
const (
	sctpData  = 0
	sctpWhole = 3
)

// sctpHeader is the bytes of the common header before the chunks, RFC 9260 section 3.
const sctpHeader = 12

// chunks are those of an SCTP packet, without the common header.
type chunks struct {
	b       []byte
	missing int            // bytes behind b that the capture cut off
	why     capture.Reason // why no message, or not all, was read
}

// next returns the next message that came in one chunk, and whether the capture cut it; false after the last. Messages
// in several chunks are not put together.
func (c *chunks) next() (message []byte, cut, ok bool) {
	for len(c.b) >= 4 {
		b, n := c.b, int(binary.BigEndian.Uint16(c.b[2:]))
		kind, flags := b[0], b[1]
		if n < 4 || kind == sctpData && n <= 16 {
			c.why, c.b = capture.Malformed, nil
			break
		}
		c.b = b[min((n+3)&^3, len(b)):]
		switch cut := n > len(b); {
		case kind != sctpData:
		case flags&sctpWhole != sctpWhole:
			c.why = capture.MessagePart
		case cut && (c.missing == 0 || len(b) <= 16):
			c.why = capture.Short
		default:
			return b[16:min(n, len(b))], cut, true
		}
	}
	return nil, false, false
}
