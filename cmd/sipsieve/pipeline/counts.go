package pipeline

import (
	"reflect"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/devices"
	"sipsieve/sip/legs"
	"sipsieve/sip/track"
)

// Counts are what a Domain has counted so far. While it runs, messages on their way to a shard stand in the Sources'
// counts only.
type Counts struct {
	Shards  []ShardCounts
	Sources []SourceCounts
	Legs    legs.Counts
	Devices devices.Counts
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
		one := ShardCounts{*s.counts.Load(), s.others.Counts(), s.late.Load()}
		c.Shards = append(c.Shards, since(one, s.base.Load()))
	}
	c.Legs, c.Devices, c.Full = d.legs.Counts(), *d.deviceCounts.Load(), d.full.Load()
	for _, r := range d.readers {
		c.Sources = append(c.Sources, SourceCounts{r.key, r.source, since(r.sip.Counts(), r.base.Load()), r.lastLoss.Load()})
	}
	return c
}

// since returns what was counted after base: nothing while there is none.
func since[T any](now T, base *T) (n T) {
	if base == nil {
		return n
	}
	subtract(reflect.ValueOf(&now).Elem(), reflect.ValueOf(base).Elem())
	return now
}

// subtract takes every number of b from that of a, not below 0: a counter may be read before its base is known.
func subtract(a, b reflect.Value) {
	switch a.Kind() {
	case reflect.Uint64:
		a.SetUint(a.Uint() - min(a.Uint(), b.Uint()))
	case reflect.Struct:
		for i := range a.NumField() {
			subtract(a.Field(i), b.Field(i))
		}
	case reflect.Array, reflect.Slice:
		for i := range min(a.Len(), b.Len()) {
			subtract(a.Index(i), b.Index(i))
		}
	}
}
