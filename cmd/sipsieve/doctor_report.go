package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"sipsieve/capture"
	"sipsieve/sip/track"
)

// wholeFindings are what can be wrong with all sources together.
var wholeFindings = []finding[*examination]{
	{"overlap", func(e *examination) bool { return e.overlap != nil },
		func(e *examination) string { return "run refuses this: " + e.overlap.Error() }, nil},
	{"clock", func(e *examination) bool { return e.clock.Unsynced && e.anyLive() }, func(*examination) string {
		return "nothing sets the clock of this host (chrony, NTP, PTP): the times of calls are as wrong as it is, and legs " +
			"that two hosts see cannot be put in order"
	}, nil},
	{"taps", func(e *examination) bool { return len(e.sources) > 1 && 100*e.taps() > e.whole.Messages.Total },
		func(e *examination) string {
			return fmt.Sprintf("%d messages were seen by two sources: they count once, but cost twice; "+
				"one of the sources may do", e.taps())
		}, nil},
	{"feed", (*examination).needsFeed, func(*examination) string {
		return "what is encrypted on the wire can be had from the switch that decrypts it, by a HEP feed"
	}, func(*examination) []string {
		return []string{"[[source]]", "type = \"hep\"",
			"listen = [\"udp://127.0.0.1:9060\"]",
			"key_file = \"/etc/sipsieve/hep.key\" # mode 0600; its first line is the key of the senders"}
	}},
	{"region", func(e *examination) bool { return e.MissingRegion() != "" },
		func(e *examination) string { return "region: " + e.MissingRegion() },
		func(*examination) []string { return []string{"region = \"US\" # above the first section"} }},
	{"shards", func(e *examination) bool { return e.full > 0 }, (*examination).fullWords, (*examination).shardLines},
	{"late", func(e *examination) bool { return e.whole.Messages.Late > 0 }, func(e *examination) string {
		return fmt.Sprintf("%d messages came when later ones of other sources had been read: their feed is on its way for "+
			"more than 200 ms, this host is too slow, or too many had to wait for each other", e.whole.Messages.Late)
	}, (*examination).reorderLines},
	{"calls", func(e *examination) bool { return e.crowded() > 0 }, func(e *examination) string {
		return fmt.Sprintf("%d calls or messages found no room among the %d calls that are followed at once",
			e.crowded(), e.Limits.Calls)
	}, func(e *examination) []string { return []string{"[calls]", fmt.Sprintf("limit = %d", 2*e.Limits.Calls)} }},
	{"bindings", func(e *examination) bool { return e.whole.Registrations["forgotten"] > 0 }, func(e *examination) string {
		return fmt.Sprintf("%d registrations had to make room among the %d that are followed at once",
			e.whole.Registrations["forgotten"], e.Limits.Bindings)
	}, func(e *examination) []string {
		return []string{"[calls]", fmt.Sprintf("bindings = %d", 2*e.Limits.Bindings)}
	}},
	{"floods", func(e *examination) bool { return e.flood() > 0 }, func(e *examination) string {
		return fmt.Sprintf("%d messages were kept out because their source opens more calls than one source may: a "+
			"scanner, or a flood; keep it out before it comes here", e.flood())
	}, nil},
	{"refused", func(e *examination) bool { return 100*e.whole.Messages.Refused.Total() > e.whole.Messages.Total },
		func(e *examination) string {
			return fmt.Sprintf("%d of %d messages are not SIP as RFC 3261 has it, and are not used (%s)",
				e.whole.Messages.Refused.Total(), e.whole.Messages.Total, e.whole.Messages.Refused.Words())
		}, nil},
}

// reorderLines doubles the memory for messages that wait for each other.
func (e *examination) reorderLines() []string {
	limit, _ := e.Calls.ReorderLimit()
	return []string{"[calls]", fmt.Sprintf("reorder = \"%dMiB\"", max(2*limit>>20, 1))}
}

// anyLive reports whether a source is dated by this host's clock.
func (e *examination) anyLive() bool {
	return slices.ContainsFunc(e.sources, func(x *examined) bool { return !x.isFile() })
}

// needsFeed reports whether there is encrypted traffic and no source of feeds.
func (e *examination) needsFeed() (needs bool) {
	for _, x := range e.sources {
		if x.Type == "hep" {
			return false
		}
		needs = needs || x.encrypted() > 0
	}
	return needs
}

// taps returns how many messages two sources have seen.
func (e *examination) taps() uint64 {
	n := e.whole.Messages.Duplicates
	for _, x := range e.sources {
		n -= min(n, x.seen.twins)
	}
	return n
}

func (e *examination) crowded() (n uint64) {
	b := e.whole.Calls.Bounds
	for _, bound := range []track.Bound{track.CallsBound, track.OldestBound, track.RingingBound} {
		n += b[bound.String()]
	}
	return n
}

func (e *examination) flood() (n uint64) {
	b := e.whole.Calls.Bounds
	for _, bound := range []track.Bound{track.SourceBound, track.RateBound, track.HeaviestBound} {
		n += b[bound.String()]
	}
	return n
}

func (e *examination) fullWords() string {
	return fmt.Sprintf("%d messages found the queue of their shard full: %d shards are too few or this host is too slow",
		e.full, e.Trackers())
}

func (e *examination) shardLines() []string {
	if n := e.Trackers(); n < runtime.GOMAXPROCS(0) {
		return []string{fmt.Sprintf("shards = %d # above the first section", runtime.GOMAXPROCS(0))}
	}
	return nil
}

// report writes what was seen, then what was found, and returns how many findings there are.
func (e *examination) report(w io.Writer) (n int) {
	fmt.Fprintf(w, "listened for %s\n", e.took.Round(time.Second/10))
	for _, x := range e.sources {
		x.describe(w)
	}
	e.describe(w)
	tell := func(of, words, where string, lines []string) {
		n++
		fmt.Fprintf(w, "\n%d. %s: %s.\n", n, of, words)
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(w, "   %s\n", where)
		for _, line := range lines {
			fmt.Fprintf(w, "       %s\n", line)
		}
	}
	for _, x := range e.sources {
		for _, f := range sourceFindings {
			if f.test(x) {
				where := fmt.Sprintf("%s:%d: in this [[source]], in place of such a line if there is one", e.File,
					e.Line(x.key()))
				tell(x.String(), f.words(x), where, f.lines(x))
			}
		}
	}
	for _, f := range wholeFindings {
		if f.test(e) {
			tell("all sources", f.words(e), e.File+":", f.lines(e))
		}
	}
	if n == 0 {
		fmt.Fprintln(w, "\nnothing was found")
	}
	return n
}

// lines returns the lines that mend f, nil without any.
func (f finding[T]) lines(x T) []string {
	if f.remedy == nil {
		return nil
	}
	return f.remedy(x)
}

// describe writes what was seen of x.
func (x *examined) describe(w io.Writer) {
	p := x.ledger.Packets
	fmt.Fprintf(w, "\n%s\n", x)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "    %-12s %s\n", what, fmt.Sprintf(format, args...))
	}
	if x.Type == "directory" {
		line("files", "%d", x.opened)
	}
	line("frames", "%d seen, %d passed, %d lost in the kernel", p.Seen, p.Passed, p.KernelDropped)
	line("refused", "%s", p.Refused.Words())
	if len(p.Lost) > 0 {
		line("lost since", "%s", p.Lost.Words())
	}
	line("link layer", "%s", x.linkWords())
	line("carried in", "%s", p.Carried.Words())
	for _, name := range x.seen.transports() {
		line(name, "%d payloads, %d requests, %d responses", x.seen.payloads[name], x.seen.requests[name],
			x.seen.responses[name])
	}
	line("encrypted", "%s of the payloads: TLS in %d directions of connections, DTLS in %d datagrams",
		percent(p.Refused[capture.Opaque.String()], x.seen.payloads.Total()), x.ledger.Streams.TLS, x.ledger.Streams.DTLS)
	line("seen twice", "%d messages", x.seen.twins)
	if s := x.stamps; s.skewed+s.unstamped+p.Undated > 0 {
		line("stamps", "%d replaced by the arrival, %d missing, %d not believed", s.skewed, s.unstamped, p.Undated)
	}
}

// linkWords says what the link layer is, as far as packets tell.
func (x *examined) linkWords() string {
	c := x.ledger.Packets.Carried
	switch all := x.seen.payloads.Total(); {
	case all == 0:
		return "unknown"
	case c[capture.CookedV1.String()]+c[capture.CookedV2.String()] > 0:
		return "Linux cooked: a capture on \"any\""
	case x.seen.addressed == 0:
		return "without addresses: raw IP, loopback, or a feed"
	case x.seen.addressed < all:
		return fmt.Sprintf("Ethernet, %d payloads without a link address", all-x.seen.addressed)
	}
	return "Ethernet"
}

// describe writes what was seen of all sources together.
func (e *examination) describe(w io.Writer) {
	m, c := e.whole.Messages, e.whole.Calls
	fmt.Fprintf(w, "\nall sources\n    %-12s %d: %d tracked, %d duplicates, %d refused, %d dropped; %d came late\n",
		"messages", m.Total, m.Tracked, m.Duplicates, m.Refused.Total(), m.Dropped, m.Late)
	if e.anyLive() {
		fmt.Fprintf(w, "    %-12s %s\n", "clock", e.clock)
	}
	fmt.Fprintf(w, "    %-12s %d opened, %d of no call that was seen to begin; limits: %s\n", "calls", c.Opened,
		c.Orphans+c.MidCall, c.Bounds.Words())
}
