// Package capture is what comes from the wire: packets, where each was seen, and what was lost on the way.
//
// A Source is an interface, a capture file or a feed. What it cannot read it counts, with the reason. It never returns
// a packet twice and never invents one. README.md has the contract in full.
//
// # Clock
//
// A Packet bears the time of the wire: the kernel's stamp, the file's, or that of a feed's sender. A Watermarked Source
// reports up to which packet time it has returned everything.
//
// # Order
//
// The packets of one Source come in the order of the wire as far as the Source can restore it; Merge puts several in
// the order of packet time.
//
// # Counts
//
// Every frame is counted in Drops with one fate, as it is read.
package capture

import (
	"net/netip"
	"time"
)

// A Transport is what carried a payload. The zero Transport is invalid.
type Transport uint8

// Transports that SIP travels on, RFC 3261 section 18 and RFC 7118.
const (
	UDP Transport = iota + 1
	TCP
	TLS
	SCTP
	WebSocket
	SecureWebSocket
)

var transportNames = [...]string{"unknown", "udp", "tcp", "tls", "sctp", "ws", "wss"}

// String returns the word that records use, "unknown" for a Transport that is none.
func (t Transport) String() string {
	if int(t) < len(transportNames) {
		return transportNames[t]
	}
	return transportNames[0]
}

// An Origin is what kind of Source gave a Packet. The zero Origin is invalid.
type Origin uint8

// Origins.
const (
	Interface Origin = iota + 1
	File
	HEP
)

var originNames = [...]string{"unknown", "interface", "file", "hep"}

// String returns the word that records use, "unknown" for an Origin that is none.
func (o Origin) String() string {
	if int(o) < len(originNames) {
		return originNames[o]
	}
	return originNames[0]
}

// A Flow is the two ends of one direction of a conversation.
type Flow struct {
	Src, Dst  netip.AddrPort
	Transport Transport
}

// Reverse returns the Flow of the answers.
func (f Flow) Reverse() Flow { return Flow{Src: f.Dst, Dst: f.Src, Transport: f.Transport} }

// CopyWindow is the longest time between two captured copies of one packet, as two taps, a mirror port or both sides of
// a bridge show it. A retransmission comes later: T1 is 500 ms, RFC 3261 section 17.1.1.1.
const CopyWindow = 200 * time.Millisecond

// A Packet is one transport payload as it was on the wire. A live Source returns a Packet that is Bare when nothing
// came for IdleEvery, and when it has lost frames and no Packet follows that could carry the loss.
type Packet struct {
	Time    time.Time // when it was captured, not when it was read
	Flow    Flow
	Stream  uint64 // which TCP byte stream (one direction of one connection) this continues; 0 for a datagram
	Lost    bool   // bytes of that stream are missing just before Payload
	Ended   bool   // the stream has no more bytes after Payload: FIN, RST, or given up
	Cut     bool   // the capture holds fewer bytes of this packet than the wire had
	ID      uint32 // IPv4 identification of the datagram; 0 for IPv6 and for a stream
	VLAN    uint16 // outermost 802.1Q identifier; 0 without one
	Link    [6]byte
	Point   string // where it was captured: name of the interface, "file", or name of the feed
	Origin  Origin
	Payload []byte // borrowed: valid until the next call of Next

	Mirrored bool      // a switch or proxy sent it as a copy (HEP): it has no ID, and Time is the sender's
	Arrived  time.Time // when the copy arrived; only of one that is Mirrored

	Correlation []byte    // the feed's identifier that the legs of one call share; borrowed like Payload, nil without it
	Missed      uint64    // frames lost at Point after MissedSince and not after Time; each in one Packet only
	MissedSince time.Time // time of the last frame before the loss; with Missed 0, since when Point was down

	Step time.Duration // by which the wall clock was set since the Packet before, more than a second; live only
}

// Bare reports whether p has no message: it carries a loss, a Step, or only the time.
func (p *Packet) Bare() bool { return p.Flow.Transport == 0 && len(p.Payload) == 0 }

// A Source yields packets. A frame that cannot be decoded is counted in Drops and skipped, never returned as an error.
type Source interface {
	// Next returns the next Packet, whose slices are valid until the next call. It returns io.EOF at the end of a file
	// and after Close; any other error ends the Source for good, and what was readable before it has been returned.
	// It is called from one goroutine.
	Next() (Packet, error)
	// Drops returns what has been counted so far. It may be called from any goroutine.
	Drops() Drops
	// Close ends a Next that waits, and may be called from any goroutine.
	Close() error
}
