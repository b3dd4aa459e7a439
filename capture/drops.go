package capture

import "sync/atomic"

// A Reason is why a frame or a part of it went no further. The set is closed: it is a metric's label.
type Reason uint8

// Reasons, in the order of the layers. All but the last five are of a frame; those are of streams that are remembered,
// and of payloads.
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
	FragmentRepeat                 // a fragment that came before
	FragmentEvicted                // the fragment table was full; the oldest datagram was evicted
	FragmentExpired                // its other parts did not come in time
	FragmentOverlap                // overlapping fragments, RFC 5722
	FragmentInvalid                // too many, too small or too long
	MessagePart                    // a part of an SCTP message in several chunks, which are not put together
	StreamRetransmit               // bytes of a TCP stream that came before, or that come after they were given up
	StreamHeld                     // a segment that waits for an earlier one
	HEPSource                      // a HEP packet from an address that is not allowed
	HEPKey                         // a HEP packet without the key, or with another
	HEPType                        // a HEP packet that carries something else than SIP
	HEPCompressed                  // a compressed HEP payload that is broken or too long
	QueueFull                      // a live source's queue was full; the newest was dropped
	StreamGap                      // bytes of a TCP stream that did not come in time; the bytes after them are given
	StreamEvicted                  // a TCP connection, or a wait of one, was evicted
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

// OfFrame reports whether r is a fate of a frame, which Drops.Refused counts.
func (r Reason) OfFrame() bool { return r < StreamGap }

// Drops is the count of the frames of a Source by their fate.
//
// Every frame has one fate, settled as it is read: it passes, because its payload, or the end of a stream, is given at
// once; or it is refused for one reason. To wait for other frames (FragmentHeld, StreamHeld) is such a reason. So at
// any time
//
//	Seen = Passed + the sum of Refused
//
// What comes to nothing later is counted again in Lost, which is not part of that sum: fragments that were held and
// never given, by reason; gaps in streams that were given up (StreamGap); connections, and waits for a segment, that
// were evicted (StreamEvicted). The segments that a stream held are given all the same, except those behind its end
// (Malformed).
type Drops struct {
	Seen    uint64 // frames read
	Kernel  uint64 // frames that the kernel dropped; they are not in Seen
	Passed  uint64 // frames whose payload was given
	Refused [Reasons]uint64
	Lost    [Reasons]uint64
	Carried [Encapsulations]uint64 // frames by the encapsulations that were entered, each kind once a frame
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

// Sub subtracts o, which was counted before, from d.
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

// Lose counts n frames, gaps or connections that came to nothing after their frames were counted.
func (c *Counters) Lose(r Reason, n int) { c.lost[r].Add(uint64(n)) }

// Carry counts one frame that came in e.
func (c *Counters) Carry(e Encapsulation) { c.carried[e].Add(1) }

// Drops returns what has been counted so far. While the Source runs, the sum of fates may be behind Seen, never ahead.
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
