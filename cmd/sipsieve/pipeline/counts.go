package pipeline

import (
	"reflect"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/devices"
	"sipsieve/sip/legs"
	"sipsieve/sip/track"
)

// Counts are what a Domain has counted so far. While it runs, messages in a queue are counted under Sources only.
type Counts struct {
	Shards  []ShardCounts
	Sources []SourceCounts
	Legs    legs.Counts
	Devices devices.Counts
	Full    uint64 // messages that were dropped because a shard queue was full
}

// ShardCounts are those of one shard.
type ShardCounts struct {
	Track  track.Counts
	Others []track.OtherCounts // messages that make no record, by number of the trunk, 0 for none
	Late   uint64              // messages that came behind the watermark
}

// SourceCounts are those of one source.
type SourceCounts struct {
	Key      string // in the configuration; "" without one
	Source   capture.Source
	SIP      sip.Counts
	LastLoss int64 // when packets were last reported missing, packet time in Unix seconds; 0 for never
}

// since returns now less base, zero while there is no base.
func since[T any](now T, base *T) (n T) {
	if base == nil {
		return n
	}
	subtract(reflect.ValueOf(&now).Elem(), reflect.ValueOf(base).Elem())
	return now
}

// subtract subtracts every number of b from that of a, down to 0: a counter may be read before its base is known.
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
