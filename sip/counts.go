package sip

import (
	"sync/atomic"
)

// Counts is what a Reader has counted: messages by start line, whether they were used or refused.
type Counts struct {
	Requests  [Methods]uint64
	Statuses  [700]uint64
	Refused   [Refusals]uint64
	Odd       [16]uint64 // by bit of Flags
	NotSIP    uint64     // payloads without a readable start line
	Keepalive uint64
	Opaque    uint64 // payloads of TLS and DTLS: seen, and not readable

	TLSStreams uint64 // directions of connections that were found to be TLS
	DTLS       uint64 // datagrams of DTLS, a part of Opaque
	Upgrades   uint64 // HTTP requests and responses that went over to SIP by WebSocket, RFC 7118 section 4
	Inflated   uint64 // WebSocket messages that were compressed, RFC 7692
	Deflated   uint64 // those that are and cannot be read by themselves, or are too long: passed over

	Skipped  uint64 // bytes of streams that were passed over to find a start line
	Trailing uint64 // bytes of datagrams behind the message, by its Content-Length
	Evicted  uint64 // streams, or unfinished messages of streams, that were dropped because there were too many
	LeftOut  uint64 // values that a Message had no Span for
	Oversize uint64 // Identity lines over Limits.Line: left out, and the message used
}

// A Refusal is why a message with a readable start line is not used. The set is closed.
type Refusal uint8

// Refusals.
const (
	TooLong   Refusal = iota // a limit of Limits
	NoCallID                 // or no From, To or CSeq
	DupSingle                // a header of one value stands again, with another value
	BadCSeq
	Refusals
)

var refusalNames = [Refusals]string{"too_long", "no_call_id", "dup_single", "bad_cseq"}

// String returns the word that the ledger and the metrics use.
func (r Refusal) String() string {
	if r < Refusals {
		return refusalNames[r]
	}
	return "unknown"
}

// counters are the Counts of a running Reader, but for what its Framer counts.
type counters struct {
	requests                    [Methods]atomic.Uint64
	statuses                    [700]atomic.Uint64
	refused                     [Refusals]atomic.Uint64
	odd                         [16]atomic.Uint64
	notSIP, keepalive, dtls     atomic.Uint64
	trailing, leftOut, oversize atomic.Uint64
}

// oddities counts each bit of f.
func (c *counters) oddities(f Flags) {
	for i := 0; f != 0; i, f = i+1, f>>1 {
		if f&1 != 0 {
			c.odd[i].Add(1)
		}
	}
}

func load(dst []uint64, src []atomic.Uint64) {
	for i := range dst {
		dst[i] = src[i].Load()
	}
}
