package doctor

import (
	"errors"
	"io"
	"slices"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/decode"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip"
)

// A tap is a Source that counts the packets which pass it: what carried them, their ports and their direction. It
// keeps nothing of the text of messages.
type tap struct {
	capture.Source
	sip    *sip.Reader
	ports  []decode.PortRange // the configured ones; empty for every port
	others capture.Tunnels    // tunnels that are not configured
	before capture.Drops      // as the packet before had been read
	of     *examined
	copies duplicates
	seen   observation
	err    error // what ended the Source, if that was not its end
}

func newTap(s capture.Source, ports []decode.PortRange, others capture.Tunnels) *tap {
	return &tap{Source: s, sip: sip.NewReader(sip.Selection{}, sip.DefaultLimits()), ports: ports, others: others,
		copies: newDuplicates(), seen: newObservation()}
}

// Next implements capture.Source.
func (t *tap) Next() (capture.Packet, error) {
	p, err := t.Source.Next()
	switch {
	case err == nil:
		t.count(&p)
	case !errors.Is(err, io.EOF):
		t.err = err
	}
	return p, err
}

// Ready implements pipeline.Prompt; a Source that does not is never ready.
func (t *tap) Ready() bool {
	s, ok := t.Source.(pipeline.Prompt)
	return ok && s.Ready()
}

// Watermark implements capture.Watermarked; a Source that does not has none.
func (t *tap) Watermark() (time.Time, bool) {
	if s, ok := t.Source.(capture.Watermarked); ok {
		return s.Watermark()
	}
	return time.Time{}, false
}

// Undated returns how many frames of a file had no valid timestamp.
func (t *tap) Undated() uint64 { n, _, _ := ledger.FrameTimes(t.Source); return n }

// Strays returns how many frames of a file had a timestamp far from those around them.
func (t *tap) Strays() uint64 { _, n, _ := ledger.FrameTimes(t.Source); return n }

// Late returns how many frames of a file stood more than a second behind a later one.
func (t *tap) Late() uint64 { _, _, n := ledger.FrameTimes(t.Source); return n }

// count counts p and its messages.
func (t *tap) count(p *capture.Packet) {
	s := &t.seen
	if p.Step != 0 {
		s.steps++
	}
	if p.Bare() || len(p.Payload) == 0 {
		return
	}
	s.payloads[p.Flow.Transport.String()]++
	if p.Link != [6]byte{} {
		s.addressed++
	}
	if p.Cut {
		s.cut++
	}
	if isHEP(p) {
		s.hep++
	}
	n := s.messages
	t.sip.Read(p, t.countMessage)
	if n = s.messages - n; t.others != 0 {
		t.countTunnels(n)
	}
}

// isHEP reports whether p is a packet of HEP version 3.
func isHEP(p *capture.Packet) bool {
	return p.Flow.Transport == capture.UDP && len(p.Payload) > 6 && string(p.Payload[:4]) == "HEP3"
}

// countMessage counts m.
func (t *tap) countMessage(m *sip.Message) {
	s, name := &t.seen, m.Flow.Transport.String()
	s.messages++
	if m.Request() {
		s.requests[name]++
	} else {
		s.responses[name]++
	}
	s.directions.count(m.Flow)
	if !t.configured(m.Flow.Src.Port()) && !t.configured(m.Flow.Dst.Port()) {
		s.otherPorts.count(m.Flow)
	}
	if vlan, ok := t.copies.find(m); ok {
		s.duplicates++
		if vlan != m.VLAN {
			s.vlanDuplicates++
			s.vlans[vlan], s.vlans[m.VLAN] = true, true
		}
	}
}

// configured reports whether the daemon reads that port.
func (t *tap) configured(port uint16) bool {
	return len(t.ports) == 0 ||
		slices.ContainsFunc(t.ports, func(r decode.PortRange) bool { return r.First <= port && port <= r.Last })
}

// countTunnels counts the n messages of the last packet under each tunnel that certainly carried it: one that carried
// every frame which was read since the packet before.
func (t *tap) countTunnels(n uint64) {
	now := t.Source.Drops()
	frames := now.Seen - t.before.Seen
	for e := range capture.Encapsulations {
		if t.others.Has(e) && frames > 0 && now.Carried[e]-t.before.Carried[e] == frames {
			t.seen.inside[e] += n
		}
	}
	t.before = now
}
