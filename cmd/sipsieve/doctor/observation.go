package doctor

import (
	"maps"
	"net/netip"
	"slices"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/ledger"
)

// An observation is what taps have counted.
type observation struct {
	payloads, requests, responses ledger.Sums // by transport
	messages                      uint64
	addressed                     uint64 // payloads in frames with a link address
	cut                           uint64 // payloads that the capture truncated
	hep                           uint64 // payloads that are HEP packets
	steps                         uint64 // times that the wall clock was set
	duplicates, vlanDuplicates    uint64 // messages captured twice; of them, those in two VLANs
	vlans                         map[uint16]bool
	inside                        [capture.Encapsulations]uint64 // messages in tunnels that are not configured, at least
	directions                    directions
	otherPorts                    portPairs // of messages on ports that are not configured
}

func newObservation() observation {
	return observation{payloads: ledger.Sums{}, requests: ledger.Sums{}, responses: ledger.Sums{},
		vlans: map[uint16]bool{}, directions: directions{}, otherPorts: portPairs{}}
}

// add adds the counts of o.
func (s *observation) add(o *observation) {
	for _, m := range []struct{ sum, more ledger.Sums }{{s.payloads, o.payloads}, {s.requests, o.requests},
		{s.responses, o.responses}} {
		for name, n := range m.more {
			m.sum.Add(name, n)
		}
	}
	for _, m := range []struct{ sum, more *uint64 }{{&s.messages, &o.messages}, {&s.addressed, &o.addressed},
		{&s.cut, &o.cut}, {&s.hep, &o.hep}, {&s.steps, &o.steps}, {&s.duplicates, &o.duplicates},
		{&s.vlanDuplicates, &o.vlanDuplicates}} {
		*m.sum += *m.more
	}
	maps.Copy(s.vlans, o.vlans)
	for e, n := range o.inside {
		s.inside[e] += n
	}
	s.directions.add(o.directions)
	s.otherPorts.add(o.otherPorts)
}

// transports returns the words of the transports that were seen, sorted.
func (s *observation) transports() []string {
	all := ledger.Sums{}
	for _, m := range []ledger.Sums{s.payloads, s.requests, s.responses} {
		for name, n := range m {
			all.Add(name, n)
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// mostPairs bounds the pairs of hosts, and of ports, that are remembered; others are not counted.
const mostPairs = 4096

// directions counts the messages in each direction between two hosts.
type directions map[hostPair]*[2]uint64

// A hostPair is two hosts that exchange messages over one transport, the lower address first.
type hostPair struct {
	low, high netip.Addr
	transport capture.Transport
}

// count counts a message of f.
func (d directions) count(f capture.Flow) {
	pair, direction := hostPair{f.Src.Addr(), f.Dst.Addr(), f.Transport}, 0
	if pair.high.Less(pair.low) {
		pair.low, pair.high, direction = pair.high, pair.low, 1
	}
	n := d[pair]
	if n == nil && len(d) < mostPairs {
		n = new([2]uint64)
		d[pair] = n
	}
	if n != nil {
		n[direction]++
	}
}

// add adds the counts of o.
func (d directions) add(o directions) {
	for pair, n := range o {
		if d[pair] == nil {
			d[pair] = new([2]uint64)
		}
		d[pair][0] += n[0]
		d[pair][1] += n[1]
	}
}

// oneWay returns how many messages were exchanged between two hosts of which only one sent, and how many in all.
func (d directions) oneWay(transport string) (n, all uint64) {
	for pair, m := range d {
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

// portPairs counts the messages between two ports, the lower first.
type portPairs map[[2]uint16]uint64

// count counts a message of f.
func (p portPairs) count(f capture.Flow) {
	pair := [2]uint16{min(f.Src.Port(), f.Dst.Port()), max(f.Src.Port(), f.Dst.Port())}
	if _, known := p[pair]; known || len(p) < mostPairs {
		p[pair]++
	}
}

// add adds the counts of o.
func (p portPairs) add(o portPairs) {
	for pair, n := range o {
		p[pair] += n
	}
}

// cover returns the fewest ports that cover the messages, at most so many: of each pair the port with more messages.
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

// heaviest returns the port with most messages, the lowest of several.
func heaviest(weight map[uint16]uint64) (port uint16) {
	for q, n := range weight {
		if n > weight[port] || n == weight[port] && q < port {
			port = q
		}
	}
	return port
}
