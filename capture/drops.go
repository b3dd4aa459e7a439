package capture

import "sync/atomic"

// A Reason says why a frame or a part of it went no further. The set is closed: it is a metric's label.
type Reason uint8

// Reasons, in the order of the layers that give them. All but the last five are a frame's own: those are of
// what is remembered, and of payloads.
const (
	LinkType         Reason = iota // a link layer that is not read (802.11 and others)
	NotIP                          // ARP, LLDP and the rest
	NotTransport                   // IP that carries neither UDP nor TCP nor SCTP
	Short                          // a header runs past the end of the frame
	Malformed                      // a header contradicts itself
	Tunnel                         // an encapsulation that is not configured, or too deep
	OtherPort                      // not one of the configured ports
	Empty                          // no payload: ACK, SYN, a keepalive probe
	FragmentHeld                   // a fragment that waits for the rest of its datagram
	FragmentRepeat                 // a fragment that had been seen already
	FragmentEvicted                // the fragment table was full; the oldest datagram went
	FragmentExpired                // its other parts did not come in time
	FragmentOverlap                // overlapping fragments, RFC 5722
	FragmentInvalid                // too many, too small or too long
	MessagePart                    // a part of an SCTP message that came in several: they are not put together
	StreamRetransmit               // bytes of a TCP stream that had been seen already, or come after they were given up
	StreamHeld                     // a segment that waits for an earlier one
	HEPSource                      // a HEP packet from an address that is not allowed
	HEPKey                         // a HEP packet without the key, or with another
	HEPType                        // a HEP packet that carries something else than SIP
	HEPCompressed                  // a compressed HEP payload that is broken or too long
	QueueFull                      // a live source's queue was full; the newest went
	StreamGap                      // bytes of a TCP stream that did not come in time; what follows them is given
	StreamEvicted                  // a TCP connection, or what it held, had to make room
	NotSIP                         // a payload without a readable start line
	Keepalive                      // CRLF, RFC 5626 section 3.5.1, and other empty payloads
	Opaque                         // TLS: seen and not readable
	Reasons                        // how many there are
)

var reasonNames = [Reasons]string{
	"link_type", "not_ip", "not_transport", "short", "malformed", "tunnel", "other_port", "empty",
	"frag_held", "frag_repeat", "frag_evicted", "frag_timeout", "frag_overlap", "frag_invalid", "sctp_part",
	"tcp_retransmit", "tcp_held", "hep_source", "hep_auth", "hep_type", "hep_compressed", "queue_full",
	"tcp_gap", "tcp_buffer_evicted", "not_sip", "keepalive", "opaque",
}

// String returns the word that the ledger and the metrics use.
func (r Reason) String() string {
	if r < Reasons {
		return reasonNames[r]
	}
	return "unknown"
}

// OfFrame reports whether r is a frame's own fate: one that Drops.Refused counts.
func (r Reason) OfFrame() bool { return r < StreamGap }

// Drops is what a Source saw and what became of it.
//
// Every frame has one fate, settled as it is read: it passes, because its payload or the end of a stream that it
// tells is given at once, or it is refused for one reason, waiting for others (FragmentHeld, StreamHeld) being one
// of these. So at any time, Flush or not,
//
//	Seen = Passed + the sum of Refused
//
// What comes to nothing after it was counted so is told again in Lost, which is no part of that sum: fragments that
// were held and not given, under the reason for that; holes in streams that were given up (StreamGap); connections,
// and waits for a missing segment, that had to make room (StreamEvicted). What a stream held is given all the same,
// but for segments behind its end (Malformed).
type Drops struct {
	Seen    uint64 // frames read
	Kernel  uint64 // frames that the kernel had no room for; they were never seen
	Passed  uint64 // frames whose payload was given
	Refused [Reasons]uint64
	Lost    [Reasons]uint64
	Carried [Encapsulations]uint64 // frames by the encapsulations that were stepped into, each kind once a frame
}

// Add adds o to d.
func (d *Drops) Add(o Drops) {
	d.Seen += o.Seen
	d.Kernel += o.Kernel
	d.Passed += o.Passed
	for i, n := range o.Refused {
		d.Refused[i] += n
	}
	for i, n := range o.Lost {
		d.Lost[i] += n
	}
	for i, n := range o.Carried {
		d.Carried[i] += n
	}
}

// Sub takes o, which was counted before, from d.
func (d *Drops) Sub(o Drops) {
	d.Seen -= o.Seen
	d.Kernel -= o.Kernel
	d.Passed -= o.Passed
	for i, n := range o.Refused {
		d.Refused[i] -= n
	}
	for i, n := range o.Lost {
		d.Lost[i] -= n
	}
	for i, n := range o.Carried {
		d.Carried[i] -= n
	}
}

// Counters are the Drops of a running Source. They may be read while they grow.
type Counters struct {
	Seen, Kernel atomic.Uint64
	passed       atomic.Uint64
	refused      [Reasons]atomic.Uint64
	lost         [Reasons]atomic.Uint64
	carried      [Encapsulations]atomic.Uint64
}

// Pass counts one frame whose payload was given.
func (c *Counters) Pass() { c.passed.Add(1) }

// Refuse counts one frame that goes no further.
func (c *Counters) Refuse(r Reason) { c.refused[r].Add(1) }

// Lose counts n of what r is about, known to have come to nothing only after their frames were counted.
func (c *Counters) Lose(r Reason, n int) { c.lost[r].Add(uint64(n)) }

// Carry counts one frame that came in e.
func (c *Counters) Carry(e Encapsulation) { c.carried[e].Add(1) }

// Drops returns what has been counted so far. While the Source runs, fates may be behind Seen, never ahead of it.
func (c *Counters) Drops() (d Drops) {
	d.Passed = c.passed.Load()
	for i := range c.refused {
		d.Refused[i], d.Lost[i] = c.refused[i].Load(), c.lost[i].Load()
	}
	for i := range c.carried {
		d.Carried[i] = c.carried[i].Load()
	}
	d.Seen, d.Kernel = c.Seen.Load(), c.Kernel.Load()
	return d
}
