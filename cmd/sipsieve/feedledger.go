package main

import (
	"sipsieve/capture"
	"sipsieve/capture/hep"
)

// A feedLedger says what was odd about packets of HEP whose messages are used, and what else they carried.
type feedLedger struct {
	Skewed          uint64 `json:"skewed"`           // stamps that are not believed
	Unstamped       uint64 `json:"unstamped"`        // packets without one
	Trailing        uint64 `json:"trailing"`         // bytes behind a packet's own length
	Cut             uint64 `json:"cut"`              // packets that end in the middle of the message
	LongCorrelation uint64 `json:"long_correlation"` // correlation ids that are left out
	OtherKinds      sums   `json:"other_kinds"`      // packets that carried something else than SIP
}

func (l *feedLedger) add(s hep.Stats) {
	plus(l, &feedLedger{Skewed: s.Skewed, Unstamped: s.Unstamped, Trailing: s.Trailing, Cut: s.Cut,
		LongCorrelation: s.LongCorrelation, OtherKinds: s.Kinds})
}

// feedsOf returns what the HEP feeds of s have counted: of a live feed, or of those that its files hold.
func feedsOf(s capture.Source) []hep.Stats {
	switch s := unpaced(s).(type) {
	case interface{ Stats() hep.Stats }: // a live feed, or a file of one
		return []hep.Stats{s.Stats()}
	case *captureFiles:
		return s.Feeds()
	case *folderSource:
		return []hep.Stats{s.Feed()}
	}
	return nil
}
