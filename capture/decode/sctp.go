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

// sctp gives the messages of p that came whole, RFC 9260 section 3. One that came in several chunks is not put
// together.
func (d *Decoder) sctp(p *ipPayload) (capture.Reason, bool) {
	b := p.data
	if len(b) < 12 {
		return capture.Short, refuse
	}
	flow := ports(p, b, capture.SCTP)
	if !d.ours(flow) {
		return capture.OtherPort, refuse
	}
	if d.sifting {
		return d.left()
	}
	reason, given := capture.Empty, false
	for b = b[12:]; len(b) >= 4; {
		kind, flags, n := b[0], b[1], int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || kind == sctpData && n <= 16 {
			reason = capture.Malformed
			break
		}
		switch cut := n > len(b); {
		case kind != sctpData:
		case flags&sctpWhole != sctpWhole:
			reason = capture.MessagePart
		case cut && (p.missing == 0 || len(b) <= 16):
			reason = capture.Short
		default:
			d.give(capture.Packet{Flow: flow, Cut: cut, Payload: b[16:min(n, len(b))]}, &d.seen)
			given = true
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return reason, given
}
