package doctor

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/source"
	"slices"
	"strings"
	"testing"

	"sipsieve/capture"
	"sipsieve/sip/track"
)

// healthy returns an examination of one interface on which nothing is found.
func healthy() *Examination {
	x := &examined{Source: &config.Source{Type: "interface", Interface: "eth0"}, opened: 1, ledger: ledger.New(),
		seen: newObservation()}
	x.ledger.Packets.Seen, x.ledger.Packets.Passed = 1000, 1000
	x.seen.messages, x.seen.addressed = 1000, 1000
	x.seen.payloads["udp"], x.seen.requests["udp"], x.seen.responses["udp"] = 1000, 500, 500
	e := &Examination{Setup: &config.Setup{Limits: track.DefaultLimits()}, sources: []*examined{x}, whole: ledger.New()}
	e.File, e.Region = "sipsieve.toml", "US"
	e.whole.Messages.Total, e.whole.Messages.Tracked = 1000, 1000
	return e
}

// ill has, for each finding, its cause and its text: words of the finding, then its configuration lines.
var ill = map[string]struct {
	make func(e *Examination, x *examined)
	want []string
}{
	"broken": {func(_ *Examination, x *examined) { x.broken = append(x.broken, errors.New("gone")) }, []string{"gone"}},
	"unreached": {func(_ *Examination, x *examined) { *x = empty(x); x.unreached = "interface eth0 is down" },
		[]string{"interface eth0 is down"}},
	"interrupted": {func(_ *Examination, x *examined) { x.downs = 21 }, []string{"removed 21 times"}},
	"clock": {func(e *Examination, _ *examined) { e.clock = source.ClockState{Known: true, Unsynced: true} },
		[]string{"nothing synchronises the clock", "not synchronised"}},
	"silent": {func(_ *Examination, x *examined) { *x = empty(x) }, []string{"5160-5161", "promiscuous = true"}},
	"no_sip": {func(_ *Examination, x *examined) { x.seen = newObservation() },
		[]string{"none of 1000", "promiscuous = true"}},
	"tunnels": {func(_ *Examination, x *examined) { x.seen.inside[capture.GRE] = 3 },
		[]string{"3 in gre", `tunnels = ["gre"]`}},
	"ports": {func(_ *Examination, x *examined) { x.seen.otherPorts[[2]uint16{5080, 5080}] = 4 },
		[]string{"4 of 1000", `ports = ["5060-5061", "5080"]`}},
	"feed_in_file": {func(_ *Examination, x *examined) { x.Type, x.seen.hep = "file", 5 },
		[]string{"5 payloads", "hep = true"}},
	"encrypted": {func(e *Examination, x *examined) {
		x.ledger.Streams.TLS, x.ledger.Packets.Refused["opaque"] = 2, 100
		e.sources = append(e.sources, &examined{Source: &config.Source{Type: "hep"}, ledger: x.ledger, seen: x.seen})
	}, []string{"10.0 % of the payloads"}},
	"deflated": {func(_ *Examination, x *examined) { x.ledger.Streams.Deflated = 6 }, []string{"6 WebSocket messages"}},
	"one_sided": {func(_ *Examination, x *examined) { x.seen.requests["udp"] = 0 },
		[]string{"over udp 500 responses and no request", "promiscuous = true"}},
	"duplicates": {func(_ *Examination, x *examined) {
		x.seen.duplicates, x.seen.vlanDuplicates, x.seen.vlans[0], x.seen.vlans[100] = 50, 50, true, true
	}, []string{"50 of 1000", "vlans = [0] # frames without a tag", "vlans = [100]"}},
	"skewed":   {func(_ *Examination, x *examined) { x.stamps.skewed = 7 }, []string{"7 frames had a timestamp"}},
	"steps":    {func(_ *Examination, x *examined) { x.seen.steps = 2 }, []string{"set 2 times"}},
	"undated":  {func(_ *Examination, x *examined) { x.ledger.Packets.Undated = 8 }, []string{"8 frames have no valid timestamp"}},
	"stray":    {func(_ *Examination, x *examined) { x.ledger.Packets.Stray = 22 }, []string{"22 frames had a timestamp"}},
	"disorder": {func(_ *Examination, x *examined) { x.ledger.Packets.Late = 23 }, []string{"23 frames stand"}},
	"kernel": {func(_ *Examination, x *examined) { x.ledger.Packets.KernelDropped, x.stamps.freezes = 1000, 3 },
		[]string{"1000 frames (50.0 %)", "full 3 times", `ring = "64MiB"`}},
	"queue": {func(_ *Examination, x *examined) { x.ledger.Packets.Refused["queue_full"] = 9 },
		[]string{"9 packets of the feed"}},
	"insecure": {func(_ *Examination, x *examined) { x.Type, x.Insecure = "hep", true },
		[]string{"can forge calls", "key_file = "}},
	"region": {func(e *Examination, _ *examined) { e.Region = "" }, []string{"non_e164", `region = "US"`}},
	"refused_feed": {func(_ *Examination, x *examined) {
		x.ledger.Packets.Refused["hep_auth"], x.ledger.Packets.Refused["hep_source"] = 3, 1
	}, []string{"4 packets of the feed", "hep_auth 3, hep_source 1"}},
	"fragments": {func(_ *Examination, x *examined) {
		x.ledger.Packets.Lost["frag_timeout"], x.ledger.Packets.Lost["malformed"] = 11, 5
	}, []string{"11 fragments were dropped", "(frag_timeout 11)"}},
	"gaps": {func(_ *Examination, x *examined) { x.ledger.Packets.Lost["tcp_gap"] = 12 },
		[]string{"12 gaps in TCP streams"}},
	"cut": {func(_ *Examination, x *examined) { x.seen.cut = 13 }, []string{"13 payloads are truncated"}},
	"links": {func(_ *Examination, x *examined) { x.ledger.Packets.Refused["link_type"] = 14 },
		[]string{"14 frames have a link layer"}},
	"parts": {func(_ *Examination, x *examined) { x.ledger.Packets.Refused["sctp_part"] = 15 }, []string{"15 parts"}},
	"overlap": {func(e *Examination, _ *examined) { e.overlap = errors.New("eth0 and bond0") },
		[]string{"eth0 and bond0"}},
	"taps": {func(e *Examination, x *examined) {
		e.sources = append(e.sources, x)
		e.whole.Messages.Duplicates = 400
	}, []string{"400 messages were seen by two sources"}},
	"feed":   {func(e *Examination, x *examined) { x.ledger.Streams.DTLS = 1 }, []string{"[[source]]", `type = "hep"`}},
	"shards": {func(e *Examination, _ *examined) { e.Shards, e.full = 1, 16 }, []string{"16 messages were dropped"}},
	"late": {func(e *Examination, _ *examined) { e.whole.Messages.Late, e.Calls.Reorder = 21, "64MiB" },
		[]string{"21 messages came", "[calls]", `reorder = "128MiB"`}},
	"calls": {func(e *Examination, _ *examined) { e.whole.Calls.Bounds["calls_full"] = 17 },
		[]string{"17 calls or messages", "[calls]", "limit = 400000"}},
	"bindings": {func(e *Examination, _ *examined) { e.whole.Registrations["forgotten"] = 18 },
		[]string{"18 registrations", "[calls]", "bindings = 200000"}},
	"floods": {func(e *Examination, _ *examined) { e.whole.Calls.Bounds["source_rate"] = 19 },
		[]string{"19 messages were dropped"}},
	"refused": {func(e *Examination, _ *examined) { e.whole.Messages.Refused["no_call_id"] = 20 },
		[]string{"20 of 1000", "no_call_id 20"}},
}

func empty(x *examined) examined {
	return examined{Source: x.Source, ledger: ledger.New(), seen: newObservation()}
}

// found returns the names of what is found in e.
func (e *Examination) found() (names []string) {
	for _, x := range e.sources {
		for _, f := range sourceFindings {
			if f.test(x) {
				names = append(names, f.name)
			}
		}
	}
	for _, f := range wholeFindings {
		if f.test(e) {
			names = append(names, f.name)
		}
	}
	return names
}

func TestNothingIsFoundWhereAllIsWell(t *testing.T) {
	var b strings.Builder
	if n := healthy().Report(&b); n != 0 || !strings.Contains(b.String(), "nothing was found") {
		t.Errorf("findings = %d, want none:\n%s", n, b.String())
	}
}

// TestEveryFindingIsFoundAndSaid makes each of them, and has its words and lines in the report.
func TestEveryFindingIsFoundAndSaid(t *testing.T) {
	var all []string
	for _, f := range sourceFindings {
		all = append(all, f.name)
	}
	for _, f := range wholeFindings {
		all = append(all, f.name)
	}
	if cases := slices.Sorted(maps.Keys(ill)); !slices.Equal(cases, slices.Sorted(slices.Values(all))) {
		t.Errorf("cases = %v, want one for each of %v", cases, all)
	}
	for name, one := range ill {
		e := healthy()
		one.make(e, e.sources[0])
		if got := e.found(); !slices.Contains(got, name) {
			t.Errorf("%s: found = %v", name, got)
		}
		var b strings.Builder
		if n := e.Report(&b); n == 0 {
			t.Errorf("%s: findings = 0", name)
		}
		for _, text := range one.want {
			if !strings.Contains(b.String(), text) {
				t.Errorf("%s: %q is not said:\n%s", name, text, b.String())
			}
		}
	}
}

// TestMoreProcessorsAreUsedWhereThereAreSome has readers and shards that are fewer than processors, and as many.
func TestMoreProcessorsAreUsedWhereThereAreSome(t *testing.T) {
	n := runtime.GOMAXPROCS(0)
	e := healthy()
	x := e.sources[0]
	e.Shards, x.Fanout = n, n
	if got := shardLines(e); got != nil {
		t.Errorf("shards = %v, want none", got)
	}
	if got := fmt.Sprint(ringLines(x)); strings.Contains(got, "fanout") {
		t.Errorf("lines = %s, want no fanout", got)
	}
	x.Ring = "1024MiB"
	if got := ringLines(x); got != nil {
		t.Errorf("lines = %v, want none: the ring is large enough", got)
	}
}
