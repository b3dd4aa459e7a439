// Package capture is what reaches us from the wire: packets, where each was seen, and what was lost on the way.
//
// A Source is an interface, a capture file or a feed. Whatever it cannot read it counts, with the reason;
// it never returns a packet twice and never invents one.
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

// CopyWindow is the longest time between two captured copies of one packet, as two taps, a mirror port or both sides of a
// bridge show it. A retransmission comes later: T1 is 500 ms, RFC 3261 section 17.1.1.1.
const CopyWindow = 200 * time.Millisecond

// A Packet is one transport payload as the wire showed it. A live Source that has lost frames and then sees nothing
// that could carry the news returns a Packet that is Bare, and so does one to which nothing comes for IdleEvery.
type Packet struct {
	Time    time.Time // when it was seen, never when we looked
	Flow    Flow
	Stream  uint64 // which TCP byte stream (one direction of one connection) this continues; 0 for a datagram
	Lost    bool   // bytes of that stream are missing just before Payload
	Ended   bool   // the stream has no more bytes after Payload: FIN, RST, or given up
	Cut     bool   // the capture holds fewer bytes of this packet than the wire had
	ID      uint32 // IPv4 identification of the datagram; 0 for IPv6 and for a stream
	VLAN    uint16 // outermost 802.1Q identifier; 0 without one
	Link    [6]byte
	Point   string // where it was captured: an interface's name, "file", a feed's name
	Origin  Origin
	Payload []byte // borrowed: valid until the next call of Next

	Mirrored bool      // a switch or proxy sent it as a copy (HEP): it has no ID, and Time is what the sender says
	Arrived  time.Time // of one that is Mirrored: when the copy came

	Correlation []byte    // what a feed says that legs of one call have alike; borrowed like Payload, nil without it
	Missed      uint64    // frames lost at Point, each told by one Packet: later than MissedSince, not later than Time
	MissedSince time.Time // the last frame before them; with Missed 0 since when Point showed nothing, for it was down

	Step time.Duration // by which the wall clock was set since the Packet before, by more than a second; live only
}

// Bare reports whether p carries nothing of the wire: there is no message in it, only what was Missed or a Step, or
// that nothing came.
func (p *Packet) Bare() bool { return p.Flow.Transport == 0 && len(p.Payload) == 0 }

// A Source yields packets. Next returns io.EOF at the end of a file and after Close;
// any other error ends the Source for good: what was readable before it has been returned.
// A frame that cannot be decoded is counted in Drops and skipped, never returned as an error.
// Close and Drops may be called from any goroutine, Next from one.
type Source interface {
	Next() (Packet, error)
	Drops() Drops
	Close() error
}
