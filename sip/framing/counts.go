package framing

import "sync/atomic"

// Counts is what a Framer has counted.
type Counts struct {
	NotSIP     uint64 // payloads without a message or a part of one
	Keepalive  uint64 // payloads of empty lines and control frames
	Opaque     uint64 // payloads of TLS
	TLSStreams uint64 // directions of connections that were found to be TLS
	Upgrades   uint64 // HTTP requests and responses that went over to SIP by WebSocket, RFC 7118 section 4
	Inflated   uint64 // WebSocket messages that were compressed, RFC 7692
	Deflated   uint64 // those that cannot be inflated by themselves, or are too long: passed over
	Skipped    uint64 // bytes that were passed over to find a message
	Evicted    uint64 // streams, or unfinished messages, that were dropped because there were too many
}

// counters are the Counts of a running Framer.
type counters struct {
	notSIP, keepalive, opaque, tlsStreams, upgrades, inflated, deflated, skipped, evicted atomic.Uint64
}

func (c *counters) load() Counts {
	return Counts{NotSIP: c.notSIP.Load(), Keepalive: c.keepalive.Load(), Opaque: c.opaque.Load(),
		TLSStreams: c.tlsStreams.Load(), Upgrades: c.upgrades.Load(), Inflated: c.inflated.Load(),
		Deflated: c.deflated.Load(), Skipped: c.skipped.Load(), Evicted: c.evicted.Load()}
}
