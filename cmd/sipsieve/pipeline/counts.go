package pipeline

import (
	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/track"
)

// Counts are what a Domain has counted so far. While it runs, messages on their way to a shard stand in the Sources'
// counts only.
type Counts struct {
	Shards  []ShardCounts
	Sources []SourceCounts
	Legs    track.LegCounts
	Devices track.DeviceCounts
	Full    uint64 // messages that a full shard queue had no room for
}

// ShardCounts are those of one shard.
type ShardCounts struct {
	Track  track.Counts
	Others []track.OtherCounts // messages that make no record, by number of the trunk, 0 for none
	Late   uint64              // messages that came after their turn
}

// SourceCounts are those of one source.
type SourceCounts struct {
	Key      string // in the configuration; "" without one
	Source   capture.Source
	SIP      sip.Counts
	LastLoss int64 // when packets were last reported missing, packet time in Unix seconds; 0 for never
}

// Counts returns what d has counted. It may be called from any goroutine, but for Legs, which are the Merger's.
func (d *Domain) Counts() (c Counts) {
	for _, s := range d.shards { // before the readers', so that the total is never behind
		c.Shards = append(c.Shards, ShardCounts{*s.counts.Load(), s.others.Counts(), s.late.Load()})
	}
	c.Legs, c.Devices, c.Full = d.legs.Counts(), *d.deviceCounts.Load(), d.full.Load()
	for _, r := range d.readers {
		c.Sources = append(c.Sources, SourceCounts{r.key, r.source, r.sip.Counts(), r.lastLoss.Load()})
	}
	return c
}
