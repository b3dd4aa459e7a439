package hep

import "maps"

// Stats are what a Source counts beside its Drops.
type Stats struct {
	Skewed          uint64 // stamps replaced by the arrival, in a file by the frame's time
	Unstamped       uint64 // packets without a stamp: the arrival is used
	LongCorrelation uint64 // correlation identifiers of more than 512 bytes, which are dropped
	Trailing        uint64 // bytes behind the length field of a packet, which are not read
	Cut             uint64 // packets that end within their message
	Waiting         int    // packets that are queued

	Connections int    // TCP and TLS connections now
	TurnedAway  uint64 // connections beyond the limit of connections or of handshakes
	Strangers   uint64 // connections from addresses that are not allowed
	Unfinished  uint64 // TLS handshakes that were not completed
	Broken      uint64 // connections closed because the bytes were not HEP
	Silent      uint64 // connections closed because no bytes, or not the rest of a packet, came in time
	Unaccepted  uint64 // times that the system had no room for another connection

	Kinds       map[string]uint64 // packets that carried another payload than SIP, by its name
	Agents      map[uint32]uint64 // packets with SIP that were accepted, by the capture agent's number
	OtherAgents uint64            // the same, of agents beyond the first 64
}

const mostAgents = 64

func (s *Stats) init() { s.Kinds, s.Agents = map[string]uint64{}, map[uint32]uint64{} }

// agent counts a packet of that capture agent.
func (s *Stats) agent(n uint32) {
	if _, known := s.Agents[n]; !known && len(s.Agents) == mostAgents {
		s.OtherAgents++
		return
	}
	s.Agents[n]++
}

// odd counts the irregularities of m, whose message is used.
func (s *Stats) odd(m *mirrored) {
	switch {
	case m.misdated:
		s.Skewed++
	case m.stamp.IsZero():
		s.Unstamped++
	}
	if m.long {
		s.LongCorrelation++
	}
	if m.cut {
		s.Cut++
	}
	s.Trailing += uint64(m.trailing)
}

// Since returns the counts of s, of a File, less those of before.
func (s Stats) Since(before Stats) Stats {
	s.Skewed, s.Unstamped, s.Trailing = s.Skewed-before.Skewed, s.Unstamped-before.Unstamped, s.Trailing-before.Trailing
	s.Cut, s.LongCorrelation = s.Cut-before.Cut, s.LongCorrelation-before.LongCorrelation
	s.OtherAgents -= before.OtherAgents
	s.Kinds, s.Agents = less(s.Kinds, before.Kinds), less(s.Agents, before.Agents)
	return s
}

// Add adds what another Source has counted. Waiting and Connections, which are of now, stay.
func (s *Stats) Add(o Stats) {
	s.Skewed, s.Unstamped, s.Trailing = s.Skewed+o.Skewed, s.Unstamped+o.Unstamped, s.Trailing+o.Trailing
	s.Cut, s.LongCorrelation = s.Cut+o.Cut, s.LongCorrelation+o.LongCorrelation
	s.TurnedAway, s.Strangers, s.Unfinished = s.TurnedAway+o.TurnedAway, s.Strangers+o.Strangers, s.Unfinished+o.Unfinished
	s.Broken, s.Silent, s.Unaccepted = s.Broken+o.Broken, s.Silent+o.Silent, s.Unaccepted+o.Unaccepted
	s.OtherAgents += o.OtherAgents
	s.Kinds, s.Agents = more(s.Kinds, o.Kinds), more(s.Agents, o.Agents)
}

// more returns the counts of a, which may be nil, with those of b added to them.
func more[K comparable](a, b map[K]uint64) map[K]uint64 {
	if a == nil {
		a = map[K]uint64{}
	}
	for key, n := range b {
		a[key] += n
	}
	return a
}

// less returns the counts of a without those of b.
func less[K comparable](a, b map[K]uint64) map[K]uint64 {
	rest := map[K]uint64{}
	for key, n := range a {
		if n -= b[key]; n > 0 {
			rest[key] = n
		}
	}
	return rest
}

// clone returns a copy of s with the number of packets that are queued.
func (s *Stats) clone(waiting int) Stats {
	c := *s
	c.Waiting, c.Kinds, c.Agents = waiting, maps.Clone(s.Kinds), maps.Clone(s.Agents)
	return c
}
