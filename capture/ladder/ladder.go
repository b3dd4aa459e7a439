// Package ladder makes the frames of calls that are drawn as text: the same frames for the same words, every time.
//
// A ladder is a text that a telephone engineer can read, one message a line, who to whom and when:
//
//	# a call that is challenged, answered and hung up
//	00:00.000  alice -> bob   INVITE
//	00:00.020  alice <- bob   407
//	00:00.040  alice -> bob   ACK
//	00:00.060  alice -> bob   INVITE
//	00:01.200  alice <- bob   180
//	00:04.900  alice <- bob   200 INVITE
//	00:05.000  alice -> bob   ACK
//	01:04.900  alice -> bob   BYE
//	01:04.950  alice <- bob   200 BYE
//
// Times are [hours:]minutes:seconds since the start, in any order; the frames come in the order of time. A status may
// name the method that it answers; without one it answers the last request that went the other way. Tags, branches,
// CSeq, Contacts and session descriptions follow from what was sent before, as RFC 3261 requires:
// an INVITE after 401, 407 or 3xx is the next try of the same call (with credentials after 401 and 407), an INVITE
// after the answer is a re-INVITE, an INVITE after the end is another call. A request that is repeated before its
// final response, an ACK or a response that is repeated, is a retransmission: the same bytes.
//
// Words behind a message change it:
//
//	nosdp, sdp    leave the session description out, or put one where none is by default
//	hold          the session description has a=sendonly
//	tag=x         the sender of a response is another fork with this To tag; a request goes to that fork
//	new           a request is a new transaction though the last one is still open
//	reason=x      the reason phrase of a response, _ for a space
//	unseen        it is sent, but it is not in the capture (over TCP: a gap in the stream)
//	twice         the frame is in the capture twice, 20 microseconds apart, as with two taps
//
// Indented lines below a message are its own headers. They replace a header of that name, or are added behind the
// others; a name with nothing behind the colon removes the header. Indented lines that begin with | are the body
// instead of the session description, each ended by CRLF; its Content-Type is then given by a header line.
//
// Option lines apply to the lines after them:
//
//	start 2026-01-05T09:00:00Z     time zero
//	transport udp                  or tcp: one connection a pair, opened as it is needed
//	ipv6                           or ipv4
//	vlan 100                       802.1Q identifier; 0 for none
//	mtu 1500                       longer IPv4 datagrams go in fragments, TCP in segments; 9000 to begin with
//	callid x                       messages after it belong to this Call-ID; without x, each pair has its own again
//	alice is +13035550142 at 192.0.2.9:5062
//
// A party without such a line gets the next address from 192.0.2.10 (2001:db8::10), the next number from
// +1 303 555 0110, and port 5060: addresses of RFC 5737 and RFC 3849, and numbers reserved for fiction. Empty lines and
// lines that begin with # are comments.
package ladder

import "sipsieve/capture/wire"

// Frames returns the frames of the ladder src, in the order of their time. An error is an *Error.
func Frames(src []byte) ([]wire.Frame, error) {
	s := NewScene(&plain)
	if err := (reader{s}).read(src); err != nil {
		return nil, err
	}
	wire.InOrder(s.Frames)
	return s.Frames, nil
}
