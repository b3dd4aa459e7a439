package doctor

import (
	"fmt"
	"runtime"

	"sipsieve/sip/calls"
)

// wholeFindings are the faults of all sources together, in the order of the report.
var wholeFindings = []finding[*Examination]{
	{"overlap", func(e *Examination) bool { return e.overlap != nil },
		func(e *Examination) string { return "run refuses these sources: " + e.overlap.Error() }, nil},
	{"clock", func(e *Examination) bool { return e.clock.Unsynced && e.anyLive() }, func(*Examination) string {
		return "nothing synchronises the clock of this host (chrony, NTP, PTP): the times of calls are as wrong as the " +
			"clock, and legs that two hosts see cannot be put in order"
	}, nil},
	{"taps", func(e *Examination) bool { return len(e.sources) > 1 && 100*seenByTwo(e) > e.whole.Messages.Total },
		func(e *Examination) string {
			return fmt.Sprintf("%d messages were seen by two sources: they count once but cost twice; one of the sources "+
				"may be enough", seenByTwo(e))
		}, nil},
	{"feed", needsFeed, func(*Examination) string {
		return "encrypted traffic can be read by a HEP feed from the switch that decrypts it"
	}, func(*Examination) []string {
		return []string{"[[source]]", "type = \"hep\"",
			"listen = [\"udp://127.0.0.1:9060\"]",
			"key_file = \"/etc/sipsieve/hep.key\" # mode 0600; its first line is the key of the senders"}
	}},
	{"region", func(e *Examination) bool { return e.MissingRegion() != "" },
		func(e *Examination) string { return "region: " + e.MissingRegion() },
		func(*Examination) []string { return []string{"region = \"US\" # above the first section"} }},
	{"shards", func(e *Examination) bool { return e.full > 0 }, func(e *Examination) string {
		return fmt.Sprintf("%d messages were dropped because the queue of their shard was full: %d shards are too few, or "+
			"this host is too slow", e.full, e.Trackers())
	}, shardLines},
	{"late", func(e *Examination) bool { return e.whole.Messages.Late > 0 }, func(e *Examination) string {
		return fmt.Sprintf("%d messages came after later messages of other sources had been read: their feed takes more "+
			"than 200 ms, this host is too slow, or the reorder buffer is too small", e.whole.Messages.Late)
	}, reorderLines},
	{"calls", func(e *Examination) bool { return overLimit(e) > 0 }, func(e *Examination) string {
		return fmt.Sprintf("%d calls or messages exceeded the limit of %d calls that are followed at once", overLimit(e),
			e.Limits.Calls)
	}, func(e *Examination) []string { return []string{"[calls]", fmt.Sprintf("limit = %d", 2*e.Limits.Calls)} }},
	{"bindings", func(e *Examination) bool { return e.whole.Registrations["forgotten"] > 0 },
		func(e *Examination) string {
			return fmt.Sprintf("%d registrations were evicted: the limit is %d that are followed at once",
				e.whole.Registrations["forgotten"], e.Limits.Bindings)
		}, func(e *Examination) []string {
			return []string{"[calls]", fmt.Sprintf("bindings = %d", 2*e.Limits.Bindings)}
		}},
	{"floods", func(e *Examination) bool { return flood(e) > 0 }, func(e *Examination) string {
		return fmt.Sprintf("%d messages were dropped because their source opens more calls than one source may: a scanner "+
			"or a flood, to be blocked before the SBC", flood(e))
	}, nil},
	{"refused", func(e *Examination) bool { return 100*e.whole.Messages.Refused.Total() > e.whole.Messages.Total },
		func(e *Examination) string {
			return fmt.Sprintf("%d of %d messages do not conform to RFC 3261 and are not used (%s)",
				e.whole.Messages.Refused.Total(), e.whole.Messages.Total, e.whole.Messages.Refused.Words())
		}, nil},
}

// seenByTwo returns how many messages two sources have seen.
func seenByTwo(e *Examination) uint64 {
	n := e.whole.Messages.Duplicates
	for _, x := range e.sources {
		n -= min(n, x.seen.duplicates)
	}
	return n
}

// needsFeed reports whether there is encrypted traffic and no source that is a feed.
func needsFeed(e *Examination) (needs bool) {
	for _, x := range e.sources {
		if x.Type == "hep" {
			return false
		}
		needs = needs || x.encrypted() > 0
	}
	return needs
}

// shardLines proposes a shard for each processor if there are fewer.
func shardLines(e *Examination) []string {
	if n := e.Trackers(); n < runtime.GOMAXPROCS(0) {
		return []string{fmt.Sprintf("shards = %d # above the first section", runtime.GOMAXPROCS(0))}
	}
	return nil
}

// reorderLines proposes a reorder buffer of twice the size.
func reorderLines(e *Examination) []string {
	limit, _ := e.Calls.ReorderLimit()
	return []string{"[calls]", fmt.Sprintf("reorder = \"%dMiB\"", max(2*limit>>20, 1))}
}

// overLimit returns how many calls and messages the limit of calls kept out or evicted.
func overLimit(e *Examination) uint64 {
	return bounds(e, calls.CallsBound, calls.OldestBound, calls.RingingBound)
}

// flood returns how many messages the limits of one source kept out or evicted.
func flood(e *Examination) uint64 {
	return bounds(e, calls.SourceBound, calls.RateBound, calls.HeaviestBound)
}

// bounds returns how often one of the limits was reached.
func bounds(e *Examination, list ...calls.Bound) (n uint64) {
	for _, bound := range list {
		n += e.whole.Calls.Bounds[bound.String()]
	}
	return n
}
