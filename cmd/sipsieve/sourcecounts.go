package main

import (
	"sipsieve/capture"
	"sipsieve/capture/afpacket"
	"sipsieve/capture/hep"
	"sipsieve/cmd/sipsieve/pipeline"
)

// A sourceLedger is what one source of the configuration has counted by itself. What its kind does not know is 0 and
// left out.
type sourceLedger struct {
	Seen          uint64 `json:"seen"`
	KernelDropped uint64 `json:"kernel_dropped"`
	LastLoss      peak   `json:"last_loss,omitempty"` // packet time, Unix seconds
	Undated       uint64 `json:"undated,omitempty"`   // frames of files whose time is not believed
	Stray         uint64 `json:"stray,omitempty"`     // likewise, for it is far from those around
	Late          uint64 `json:"late,omitempty"`      // frames of files that stand behind later ones
	Skewed        uint64 `json:"skewed,omitempty"`    // stamps that were replaced by the arrival
	Unstamped     uint64 `json:"unstamped,omitempty"` // HEP packets without a stamp

	Refused sums   `json:"refused,omitempty"` // frames, and HEP packets, that went no further, by reason
	Ring    uint64 `json:"ring,omitempty"`    // frames that passed the kernel's filter
	Downs   uint64 `json:"downs,omitempty"`   // times that the interface went down, lost its carrier or was removed
	Freezes uint64 `json:"freezes,omitempty"` // times that the kernel found no free block in a ring
	Losing  uint64 `json:"losing,omitempty"`  // blocks that it marked, having dropped frames shortly before
	Left    uint64 `json:"left,omitempty"`    // frames in a ring, unread, when it was given back

	Queued          uint64 `json:"queued,omitempty"`      // HEP packets that wait now
	QueueFull       uint64 `json:"queue_full,omitempty"`  // HEP packets that there was no room for
	Connections     uint64 `json:"connections,omitempty"` // of HEP feeds now
	TurnedAway      uint64 `json:"turned_away,omitempty"` // connections, for a limit
	Strangers       uint64 `json:"strangers,omitempty"`   // connections, for their address
	Unfinished      uint64 `json:"unfinished,omitempty"`  // TLS handshakes
	Broken          uint64 `json:"broken,omitempty"`      // connections closed because what came was not HEP
	Silent          uint64 `json:"silent,omitempty"`      // connections closed because nothing came
	Unaccepted      uint64 `json:"unaccepted,omitempty"`  // times that the system had no room for a connection
	LongCorrelation uint64 `json:"long_correlation,omitempty"`
	Agents          uint64 `json:"agents,omitempty"`       // numbers that senders of HEP give themselves, 64 at most
	OtherAgents     uint64 `json:"other_agents,omitempty"` // HEP packets of numbers beyond these
	OtherKinds      sums   `json:"other_kinds,omitempty"`  // HEP packets that carried something else than SIP
}

// addSource adds what a source has counted, if it has a key.
func (l *ledger) addSource(r *pipeline.SourceCounts) {
	if r.Key == "" {
		return
	}
	drops := r.Source.Drops()
	one := sourceLedger{Refused: sums{}, Seen: drops.Seen, KernelDropped: drops.Kernel, LastLoss: peak(max(r.LastLoss, 0))}
	switch s := unpaced(r.Source).(type) {
	case *afpacket.Source:
		c := s.Stats()
		one.Skewed, one.Freezes, one.Losing, one.Left = c.Skewed, c.Freezes, c.Losing, c.Left
		one.Ring, one.Downs = c.Packets, c.Downs
	case interface{ Stats() hep.Stats }:
		one.addFeed(s.Stats())
		one.QueueFull = drops.Refused[capture.QueueFull]
	}
	for reason, n := range drops.Refused {
		one.Refused.add(capture.Reason(reason).String(), n)
	}
	one.Undated, one.Stray, one.Late = undated(r.Source), strays(r.Source), lateFrames(r.Source)
	plus(&l.Sources, &map[string]sourceLedger{r.Key: one})
}

func (s *sourceLedger) addFeed(c hep.Stats) {
	plus(s, &sourceLedger{Skewed: c.Skewed, Unstamped: c.Unstamped, Queued: uint64(c.Waiting),
		Connections: uint64(c.Connections), TurnedAway: c.TurnedAway, Strangers: c.Strangers, Unfinished: c.Unfinished,
		Broken: c.Broken, Silent: c.Silent, Unaccepted: c.Unaccepted, LongCorrelation: c.LongCorrelation,
		OtherKinds: c.Kinds, Agents: uint64(len(c.Agents)), OtherAgents: c.OtherAgents})
}

// unpaced returns the source that s slows down, or s.
func unpaced(s capture.Source) capture.Source {
	if p, ok := s.(*pace); ok {
		return p.Source
	}
	return s
}
