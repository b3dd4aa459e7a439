package ledger

import (
	"sipsieve/capture"
	"sipsieve/capture/afpacket"
	"sipsieve/capture/hep"
	"sipsieve/cmd/sipsieve/pipeline"
)

// A Source is what one source of the configuration has counted by itself. What its kind does not count is 0 and left
// out.
type Source struct {
	Seen          uint64 `json:"seen"`
	KernelDropped uint64 `json:"kernel_dropped"`
	LastLoss      Peak   `json:"last_loss,omitempty"` // packet time, Unix seconds
	Undated       uint64 `json:"undated,omitempty"`   // frames of files whose time is not believed
	Stray         uint64 `json:"stray,omitempty"`     // likewise, for it is far from those around
	Late          uint64 `json:"late,omitempty"`      // frames of files that stand behind later ones
	Skewed        uint64 `json:"skewed,omitempty"`    // stamps that were replaced by the arrival
	Unstamped     uint64 `json:"unstamped,omitempty"` // HEP packets without a stamp

	Refused Sums   `json:"refused,omitempty"` // frames, and HEP packets, that went no further, by reason
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
	OtherKinds      Sums   `json:"other_kinds,omitempty"`  // HEP packets that carried something else than SIP
}

// newSource returns what the source of r has counted; drops are its own.
func newSource(r *pipeline.SourceCounts, drops *capture.Drops) Source {
	one := Source{Refused: Sums{}, Seen: drops.Seen, KernelDropped: drops.Kernel, LastLoss: Peak(max(r.LastLoss, 0))}
	switch s := r.Source.(type) {
	case *afpacket.Source:
		c := s.Stats()
		one.Skewed, one.Freezes, one.Losing, one.Left = c.Skewed, c.Freezes, c.Losing, c.Left
		one.Ring, one.Downs = c.Packets, c.Downs
	case liveFeed:
		one.addFeed(s.Stats())
		one.QueueFull = drops.Refused[capture.QueueFull]
	}
	for reason, n := range drops.Refused {
		one.Refused.Add(capture.Reason(reason).String(), n)
	}
	one.Undated, one.Stray, one.Late = FrameTimes(r.Source)
	return one
}

func (s *Source) addFeed(c hep.Stats) {
	plus(s, &Source{Skewed: c.Skewed, Unstamped: c.Unstamped, Queued: uint64(c.Waiting),
		Connections: uint64(c.Connections), TurnedAway: c.TurnedAway, Strangers: c.Strangers, Unfinished: c.Unfinished,
		Broken: c.Broken, Silent: c.Silent, Unaccepted: c.Unaccepted, LongCorrelation: c.LongCorrelation,
		OtherKinds: c.Kinds, Agents: uint64(len(c.Agents)), OtherAgents: c.OtherAgents})
}

// A Feed says what was odd about packets of HEP whose messages are used, and what else they carried.
type Feed struct {
	Skewed          uint64 `json:"skewed"`           // stamps that are not believed
	Unstamped       uint64 `json:"unstamped"`        // packets without one
	Trailing        uint64 `json:"trailing"`         // bytes behind a packet's own length
	Cut             uint64 `json:"cut"`              // packets that end in the middle of the message
	LongCorrelation uint64 `json:"long_correlation"` // correlation ids that are left out
	OtherKinds      Sums   `json:"other_kinds"`      // packets that carried something else than SIP
}

func (f *Feed) add(s hep.Stats) {
	plus(f, &Feed{Skewed: s.Skewed, Unstamped: s.Unstamped, Trailing: s.Trailing, Cut: s.Cut,
		LongCorrelation: s.LongCorrelation, OtherKinds: s.Kinds})
}

// A liveFeed is a HEP feed: one that listens, or one that is opened again when it fails.
type liveFeed interface{ Stats() hep.Stats }

// feedsOf returns what the HEP feeds of s have counted: of a live feed, or of those that its files hold.
func feedsOf(s capture.Source) []hep.Stats {
	switch s := s.(type) {
	case liveFeed:
		return []hep.Stats{s.Stats()}
	case interface{ Feeds() []hep.Stats }: // files
		return s.Feeds()
	}
	return nil
}
