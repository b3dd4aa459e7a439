package capture

import "sync/atomic"

// A Reason says why a frame or a part of it went no further. The set is closed: it is a metric's label.
type Reason uint8

// Reasons, in the order of the layers that give them.
const (
	LinkType         Reason = iota // a link layer that is not read (802.11 and others)
	NotIP                          // ARP, LLDP and the rest
	NotTransport                   // IP that carries neither UDP nor TCP
	Short                          // a header runs past the end of the frame
	Malformed                      // a header contradicts itself
	Tunnel                         // an encapsulation that is not configured, or too deep
	OtherPort                      // not one of the configured ports
	Empty                          // no payload: ACK, FIN, SYN
	FragmentHeld                   // a fragment that became part of a datagram
	FragmentEvicted                // the fragment table was full; the oldest datagram went
	FragmentExpired                // its other parts did not come in time
	FragmentOverlap                // overlapping fragments, RFC 5722
	FragmentInvalid                // too many, too small or too long
	StreamRetransmit               // bytes of a TCP stream that had been seen already
	StreamEvicted                  // a TCP buffer was full; the oldest went
	StreamHeld                     // a segment that waited for an earlier one
	NotSIP                         // a payload without a readable start line
	Keepalive                      // CRLF, RFC 5626 section 3.5.1, and other empty payloads
	Opaque                         // TLS: seen and not readable
	HEPSource                      // a HEP packet from an address that is not allowed
	HEPKey                         // a HEP packet without the key, or with another
	HEPType                        // a HEP packet that carries something else than SIP
	HEPCompressed                  // a compressed HEP payload that is broken or too long
	QueueFull                      // a live source's queue was full; the newest went
	Reasons                        // how many there are
)

var reasonNames = [Reasons]string{
	"link_type", "not_ip", "not_transport", "short", "malformed", "tunnel", "other_port", "empty",
	"frag_held", "frag_evicted", "frag_timeout", "frag_overlap", "frag_invalid",
	"tcp_retransmit", "tcp_buffer_evicted", "tcp_held", "not_sip", "keepalive", "opaque",
	"hep_source", "hep_auth", "hep_type", "hep_compressed", "queue_full",
}

// String returns the word that the ledger and the metrics use.
func (r Reason) String() string {
	if r < Reasons {
		return reasonNames[r]
	}
	return "unknown"
}

// Drops is what a Source saw and what became of what it did not return.
type Drops struct {
	Seen    uint64 // frames read
	Kernel  uint64 // frames that the kernel had no room for
	Refused [Reasons]uint64
	Carried [Encapsulations]uint64 // frames by the encapsulations that were stepped into, each kind once a frame
}

// Add adds o to d.
func (d *Drops) Add(o Drops) {
	d.Seen += o.Seen
	d.Kernel += o.Kernel
	for i, n := range o.Refused {
		d.Refused[i] += n
	}
	for i, n := range o.Carried {
		d.Carried[i] += n
	}
}

// Counters are the Drops of a running Source. They may be read while they grow.
type Counters struct {
	Seen, Kernel atomic.Uint64
	refused      [Reasons]atomic.Uint64
	carried      [Encapsulations]atomic.Uint64
}

// Refuse counts one frame or segment that goes no further.
func (c *Counters) Refuse(r Reason) { c.refused[r].Add(1) }

// Carry counts one frame that came in e.
func (c *Counters) Carry(e Encapsulation) { c.carried[e].Add(1) }

// Drops returns what has been counted so far.
func (c *Counters) Drops() Drops {
	d := Drops{Seen: c.Seen.Load(), Kernel: c.Kernel.Load()}
	for i := range c.refused {
		d.Refused[i] = c.refused[i].Load()
	}
	for i := range c.carried {
		d.Carried[i] = c.carried[i].Load()
	}
	return d
}
