package ledger

import (
	"sipsieve/capture"
	"sipsieve/sip"
)

// Packets says what became of frames and of the payloads in them.
type Packets struct {
	Seen          uint64 `json:"seen"`
	KernelDropped uint64 `json:"kernel_dropped"`
	Passed        uint64 `json:"passed"`
	Undated       uint64 `json:"undated"` // bear the time of the frame before them, for they have none that can be
	Stray         uint64 `json:"stray"`   // likewise, for theirs is minutes away from those around
	Late          uint64 `json:"late"`    // frames of files that stand more than a second behind a later one
	Refused       Sums   `json:"refused"`
	Lost          Sums   `json:"lost"`
	Carried       Sums   `json:"carried"` // by encapsulation
}

// AddDrops adds what a source has counted.
func (p *Packets) AddDrops(d capture.Drops) {
	p.Seen += d.Seen
	p.KernelDropped += d.Kernel
	p.Passed += d.Passed
	for r := range capture.Reasons {
		p.Refused.Add(r.String(), d.Refused[r])
		p.Lost.Add(r.String(), d.Lost[r])
	}
	for e := range capture.Encapsulations {
		p.Carried.Add(e.String(), d.Carried[e])
	}
}

// AddFrames adds how many frames of a file have a time that is not believed, or come late. A live source has none:
// its frames have the time of their arrival.
func (p *Packets) AddFrames(s capture.Source) {
	undated, stray, late := FrameTimes(s)
	p.Undated += undated
	p.Stray += stray
	p.Late += late
}

// FrameTimes returns how many frames of s have no time that can be believed, have one that is far from those around,
// or stand behind later ones; 0 of a live source.
func FrameTimes(s capture.Source) (undated, stray, late uint64) {
	f, ok := s.(interface {
		Undated() uint64
		Strays() uint64
		Late() uint64
	})
	if !ok {
		return 0, 0, 0
	}
	return f.Undated(), f.Strays(), f.Late()
}

// addReader adds the payloads that a SIP reader did not take.
func (p *Packets) addReader(c *sip.Counts) {
	p.Refused.Add(capture.NotSIP.String(), c.NotSIP)
	p.Refused.Add(capture.Keepalive.String(), c.Keepalive)
	p.Refused.Add(capture.Opaque.String(), c.Opaque)
	p.Lost.Add(capture.StreamEvicted.String(), c.Evicted)
}

// balance requires each frame to have one fate: passed, or refused for a reason of frames.
func (p *Packets) balance(b *balance) {
	fates := p.Passed
	for r := range capture.Reasons {
		if r.OfFrame() { // the others are of payloads
			fates += p.Refused[r.String()]
		}
	}
	b.whole("packets.seen, by fate", p.Seen, fates)
}

// Streams says what was found in TCP streams and could not be read, or only in another way.
type Streams struct {
	TLS      uint64 `json:"tls"`      // directions of connections
	DTLS     uint64 `json:"dtls"`     // datagrams
	Upgrades uint64 `json:"upgrades"` // HTTP messages that switched to WebSocket
	Inflated uint64 `json:"inflated"` // WebSocket messages that were compressed
	Deflated uint64 `json:"deflated"` // those that are and cannot be read
	Skipped  uint64 `json:"skipped"`  // bytes
	Trailing uint64 `json:"trailing"` // bytes of datagrams
}

func (s *Streams) addReader(c *sip.Counts) {
	plus(s, &Streams{TLS: c.TLSStreams, DTLS: c.DTLS, Upgrades: c.Upgrades, Inflated: c.Inflated, Deflated: c.Deflated,
		Skipped: c.Skipped, Trailing: c.Trailing})
}
