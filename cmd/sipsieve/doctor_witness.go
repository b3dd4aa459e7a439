package main

import (
	"errors"
	"io"
	"net/netip"
	"slices"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/decode"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip"
)

// A witness is a Source that takes note of what passes: what carried it, on which ports, from which side. Of what
// the messages say it keeps nothing.
type witness struct {
	capture.Source
	sip     *sip.Reader
	ports   []decode.PortRange // those that are configured; empty for every port
	strange capture.Tunnels    // those that are not configured
	before  capture.Drops      // when the packet before had been read
	of      *examined
	twins   twins
	seen    sight
	trouble error // what ended the Source before its time
}

func newWitness(s capture.Source, ports []decode.PortRange, strange capture.Tunnels) *witness {
	return &witness{Source: s, sip: sip.NewReader(sip.Selection{}, sip.DefaultLimits()), ports: ports, strange: strange,
		twins: newTwins(), seen: newSight()}
}

// Next implements capture.Source.
func (w *witness) Next() (capture.Packet, error) {
	p, err := w.Source.Next()
	switch {
	case err == nil:
		w.note(&p)
	case !errors.Is(err, io.EOF):
		w.trouble = err
	}
	return p, err
}

// Ready reports whether another packet is at hand.
func (w *witness) Ready() bool {
	s, ok := w.Source.(pipeline.Prompt)
	return ok && s.Ready()
}

// Watermark implements capture.Watermarked; a Source that is not has none.
func (w *witness) Watermark() (time.Time, bool) {
	if s, ok := w.Source.(capture.Watermarked); ok {
		return s.Watermark()
	}
	return time.Time{}, false
}

// Undated, Strays and Late are those of the frames of a file.
func (w *witness) Undated() uint64 { n, _, _ := ledger.FrameTimes(w.Source); return n }
func (w *witness) Strays() uint64  { _, n, _ := ledger.FrameTimes(w.Source); return n }
func (w *witness) Late() uint64    { _, _, n := ledger.FrameTimes(w.Source); return n }

func (w *witness) note(p *capture.Packet) {
	s := &w.seen
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
	w.sip.Read(p, w.take)
	if n = s.messages - n; w.strange != 0 {
		w.place(n)
	}
}

// isHEP reports whether p is a packet of HEP version 3.
func isHEP(p *capture.Packet) bool {
	return p.Flow.Transport == capture.UDP && len(p.Payload) > 6 && string(p.Payload[:4]) == "HEP3"
}

// take takes note of a message.
func (w *witness) take(m *sip.Message) {
	s, name := &w.seen, m.Flow.Transport.String()
	s.messages++
	if m.Request() {
		s.requests[name]++
	} else {
		s.responses[name]++
	}
	s.ways.note(m.Flow)
	if !w.configured(m.Flow.Src.Port()) && !w.configured(m.Flow.Dst.Port()) {
		s.strangePorts.note(m.Flow)
	}
	if vlan, ok := w.twins.of(m); ok {
		s.twins++
		if vlan != m.VLAN {
			s.vlanTwins++
			s.vlans[vlan], s.vlans[m.VLAN] = true, true
		}
	}
}

func (w *witness) configured(port uint16) bool {
	return len(w.ports) == 0 ||
		slices.ContainsFunc(w.ports, func(r decode.PortRange) bool { return r.First <= port && port <= r.Last })
}

// place counts the n messages of the last packet under the tunnels in which it came for sure: those that every frame
// was in that has been read since the packet before.
func (w *witness) place(n uint64) {
	now := w.Source.Drops()
	frames := now.Seen - w.before.Seen
	for e := range capture.Encapsulations {
		if w.strange.Has(e) && frames > 0 && now.Carried[e]-w.before.Carried[e] == frames {
			w.seen.inside[e] += n
		}
	}
	w.before = now
}

// A sight is what witnesses have seen.
type sight struct {
	payloads, requests, responses ledger.Sums // by transport
	messages                      uint64
	addressed                     uint64 // payloads in frames with a link address
	cut                           uint64 // payloads that the capture cut
	hep                           uint64 // payloads that are HEP packets
	steps                         uint64 // times that the wall clock was set
	twins, vlanTwins              uint64 // messages seen twice; of them, those seen in two VLANs
	vlans                         map[uint16]bool
	inside                        [capture.Encapsulations]uint64 // messages in tunnels that are not configured, at least
	ways                          ways
	strangePorts                  portPairs
}

func newSight() sight {
	return sight{payloads: ledger.Sums{}, requests: ledger.Sums{}, responses: ledger.Sums{}, vlans: map[uint16]bool{}, ways: ways{},
		strangePorts: portPairs{}}
}

// add adds what another witness has seen.
func (s *sight) add(o *sight) {
	for _, m := range []struct{ to, from ledger.Sums }{{s.payloads, o.payloads}, {s.requests, o.requests},
		{s.responses, o.responses}} {
		for name, n := range m.from {
			m.to.Add(name, n)
		}
	}
	for _, m := range []struct{ to, from *uint64 }{{&s.messages, &o.messages}, {&s.addressed, &o.addressed},
		{&s.cut, &o.cut}, {&s.hep, &o.hep}, {&s.steps, &o.steps}, {&s.twins, &o.twins}, {&s.vlanTwins, &o.vlanTwins}} {
		*m.to += *m.from
	}
	for vlan := range o.vlans {
		s.vlans[vlan] = true
	}
	for e, n := range o.inside {
		s.inside[e] += n
	}
	s.ways.add(o.ways)
	s.strangePorts.add(o.strangePorts)
}

// transports returns the words of those that were seen.
func (s *sight) transports() []string {
	all := ledger.Sums{}
	for _, m := range []ledger.Sums{s.payloads, s.requests, s.responses} {
		for name, n := range m {
			all.Add(name, n)
		}
	}
	return sortedKeys(all)
}

// mostPairs bounds the pairs of hosts, and of ports, that are remembered; others are left out.
const mostPairs = 4096

// ways is how many messages went each way between two hosts.
type ways map[hostPair]*[2]uint64

// A hostPair is two hosts that speak to each other, the lower address first.
type hostPair struct {
	low, high netip.Addr
	transport capture.Transport
}

func (w ways) note(f capture.Flow) {
	pair, way := hostPair{f.Src.Addr(), f.Dst.Addr(), f.Transport}, 0
	if pair.high.Less(pair.low) {
		pair.low, pair.high, way = pair.high, pair.low, 1
	}
	n := w[pair]
	if n == nil && len(w) < mostPairs {
		n = new([2]uint64)
		w[pair] = n
	}
	if n != nil {
		n[way]++
	}
}

func (w ways) add(o ways) {
	for pair, n := range o {
		if w[pair] == nil {
			w[pair] = new([2]uint64)
		}
		w[pair][0] += n[0]
		w[pair][1] += n[1]
	}
}

// oneWay returns how many messages went between hosts of which one side only was heard, and how many in all.
func (w ways) oneWay(transport string) (n, all uint64) {
	for pair, m := range w {
		if pair.transport.String() != transport {
			continue
		}
		all += m[0] + m[1]
		if m[0] == 0 || m[1] == 0 {
			n += m[0] + m[1]
		}
	}
	return n, all
}

// portPairs is how many messages went between two ports, the lower first.
type portPairs map[[2]uint16]uint64

func (p portPairs) note(f capture.Flow) {
	pair := [2]uint16{min(f.Src.Port(), f.Dst.Port()), max(f.Src.Port(), f.Dst.Port())}
	if _, known := p[pair]; known || len(p) < mostPairs {
		p[pair]++
	}
}

func (p portPairs) add(o portPairs) {
	for pair, n := range o {
		p[pair] += n
	}
}

// cover returns the fewest ports, at most so many, that account for the messages: of each pair that which has most.
func (p portPairs) cover(most int) (ports []uint16) {
	for len(ports) < most {
		weight := map[uint16]uint64{}
		for pair, n := range p {
			if !slices.Contains(ports, pair[0]) && !slices.Contains(ports, pair[1]) {
				weight[pair[0]] += n
				if pair[1] != pair[0] {
					weight[pair[1]] += n
				}
			}
		}
		if len(weight) == 0 {
			break
		}
		ports = append(ports, heaviest(weight))
	}
	slices.Sort(ports)
	return ports
}

// heaviest returns the port that has most, the lowest of several.
func heaviest(weight map[uint16]uint64) (port uint16) {
	for q, n := range weight {
		if n > weight[port] || n == weight[port] && q < port {
			port = q
		}
	}
	return port
}

// twinWait is how far apart two copies of a packet are at most, and twinRoom how many messages are remembered.
const (
	twinWait = capture.CopyWindow
	twinRoom = 8192
)

// twins remembers the last messages by their marks.
type twins struct {
	last  map[uint64]twin
	marks []uint64 // a ring of those in last
	next  int
}

type twin struct {
	at   time.Time
	vlan uint16
}

func newTwins() twins { return twins{last: map[uint64]twin{}, marks: make([]uint64, twinRoom)} }

// of reports whether a copy of m was seen just before, and in which VLAN.
func (t *twins) of(m *sip.Message) (vlan uint16, ok bool) {
	if before, known := t.last[m.Mark]; known && m.Time.Sub(before.at).Abs() <= twinWait {
		return before.vlan, true
	}
	delete(t.last, t.marks[t.next])
	t.last[m.Mark], t.marks[t.next] = twin{m.Time, m.VLAN}, m.Mark
	t.next = (t.next + 1) % twinRoom
	return 0, false
}
