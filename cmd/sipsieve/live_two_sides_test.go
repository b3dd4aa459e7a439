package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A party is one SIPp of the caller's side: what it does, whom it calls, how often, and what its records must be.
type party struct {
	name, scenario, called string
	share, rate            int // of a hundred calls; calls a second
	disposition            string
	code                   int
}

// parties call at 20 calls a second in all.
var parties = []party{
	{"answered", "call", oneDevice, 55, 11, "answered", 200},
	{"busy", "refused", "+16025550100", 15, 3, "busy", 486},
	{"cancelled", "cancel", "+14025550100", 15, 3, "cancelled", 487},
	{"no answer", "refused", "+14025550100", 15, 3, "no_answer", 408},
}

// A sippCall is a call in SIPp's own log.
type sippCall struct {
	party               *party
	setup, final, ended time.Time // its INVITE and BYE as sent, the final response as received
	code                int
}

// A twoSides is a proxy with two interfaces and everything that watches both of them.
type twoSides struct {
	*network
	live, folder *site
	both         string // a capture file of both interfaces
	rotated      string // a folder of capture files, a new one every two seconds
	calls        int
}

// trunksOfBothSides names the networks beside the proxy.
const trunksOfBothSides = `
[[trunk]]
name = "carrier"
addresses = ["10.9.1.2"]
direction = "inbound"
[[trunk]]
name = "pbx"
addresses = ["10.9.2.2"]
direction = "outbound"
`

// watched writes the configuration of a daemon with the sources.
func (w *twoSides) watched(t *testing.T, sources string) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{dir: dir, config: filepath.Join(dir, "sipsieve.toml")}
	text := fmt.Sprintf("site = \"here\"\nsensor = \"sensor-1\"\nstate = %q\npolicy = %q\n[keys]\ndemo = true\n",
		filepath.Join(dir, "state"), beside(t, "policy.toml"))
	text += sources + "[bus]\n[store]\ntype = \"sqlite\"\n[http]\nlisten = \"\"\n" + trunksOfBothSides
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// rings are the settings of the rings of both interfaces, a pair for each round.
var rings = [][2]string{
	{"", ""},
	{"retire = \"10ms\"\n", "retire = \"250ms\"\n"},
	{"block = \"128KiB\"\nring = \"8MiB\"\n", "block = \"4MiB\"\nring = \"64MiB\"\n"},
	{"retire = \"1s\"\nblock = \"4MiB\"\n", "retire = \"1ms\"\nblock = \"128KiB\"\n"},
	{"fanout = 2\nretire = \"100ms\"\n", "retire = \"20ms\"\n"},
}

// TestBothSidesOfAProxyGiveSIPpsOwnLog calls through a proxy whose two interfaces are watched at once: by a live
// daemon with rings of different blocks and timeouts, by a capture file of both, and by a folder of rotated files whose
// reader is killed in the middle. Each gives every call of SIPp's log once, with both trunks.
func TestBothSidesOfAProxyGiveSIPpsOwnLog(t *testing.T) {
	need(t, "dumpcap")
	n := newNetwork(t)
	rounds, calls := 1, 40
	if os.Getenv("SIPSIEVE_FULL") == "1" {
		rounds, calls = 6, 130
	}
	for i := range rounds {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			w := &twoSides{network: n, calls: calls}
			w.round(t, rings[i%len(rings)], rand.New(rand.NewPCG(uint64(i), 1)))
		})
	}
}

func (w *twoSides) round(t *testing.T, ring [2]string, r *rand.Rand) {
	w.proxies(t)
	w.both, w.rotated = filepath.Join(t.TempDir(), "both.pcapng"), t.TempDir()
	const ports = "ports = [\"5060-5099\"]\n"
	w.live = w.watched(t, "[[source]]\ntype = \"interface\"\ninterface = \"access\"\n"+ports+ring[0]+
		"[[source]]\ntype = \"interface\"\ninterface = \"core\"\n"+ports+ring[1])
	w.folder = w.watched(t, fmt.Sprintf("[[source]]\ntype = \"directory\"\npath = %q\nsettle = \"3s\"\n", w.rotated))
	daemon, reader := w.live.startIn(t, w.proxy), w.folder.startIn(t, w.proxy)
	dumps := []*resident{w.dumps(t, "-w", w.both), w.dumps(t, "-b", "duration:2", "-w", filepath.Join(w.rotated, "r.pcapng"))}
	w.takes(t, &liveScenario{devices: []string{"answer", "busy", "ring"}})

	calling := w.call(t, parties, w.calls)
	time.Sleep(time.Duration(2000+r.IntN(2500)) * time.Millisecond) // at another place of the folder in each round
	reader.stop(t, syscall.SIGKILL)
	reader = w.folder.startIn(t, w.proxy)
	want := map[string]sippCall{}
	calling.await(t, want)
	time.Sleep(3 * time.Second) // by the clock of the captures a refused call is waited for
	w.call(t, parties[:1], 1).await(t, want)
	w.live.awaitRecords(t, len(want))
	for _, d := range dumps {
		d.stop()
	}
	w.folder.awaitRecords(t, len(want))
	for _, p := range []*process{daemon, reader} {
		if code := p.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
		}
	}
	w.compareWithSIPp(t, "live", w.live.kept(t, "billing"), want)
	w.compareWithSIPp(t, "folder", w.folder.kept(t, "billing"), want)
	w.compareWithSIPp(t, "file", w.replayedBoth(t), want)
}

// dumps starts a capture of both interfaces by dumpcap and waits until its first file is there.
func (w *twoSides) dumps(t *testing.T, args ...string) *resident {
	t.Helper()
	path := args[len(args)-1]
	d := w.start(t, w.proxy, append([]string{"dumpcap", "-q", "-B", "16", "-i", "access", "-i", "core", "-f", "udp portrange 5060-5099"},
		args...)...)
	pattern := strings.TrimSuffix(path, filepath.Ext(path)) + "*"
	for limit := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return d
		}
		if time.Now().After(limit) {
			t.Fatalf("dumpcap writes nothing: %s", d.log.String())
		}
	}
}

// A calling is SIPps that call, and where each logs its messages.
type calling struct {
	parties []party
	sipps   []*resident
	logs    []string
}

// call has parties call at once, n times in all.
func (w *twoSides) call(t *testing.T, parties []party, n int) *calling {
	t.Helper()
	c := &calling{parties: parties}
	for i, p := range parties {
		log := filepath.Join(t.TempDir(), "messages.csv")
		c.logs = append(c.logs, log)
		c.sipps = append(c.sipps, w.start(t, w.caller, "sipp", "-sf", beside(t, p.scenario+".xml"), "-inf",
			beside(t, "callers.csv"), "-s", p.called, "-i", "10.9.1.2", "-p", strconv.Itoa(5060+10*i), "-nostdin", "-m",
			strconv.Itoa(max(n*p.share/100, 1)), "-r", strconv.Itoa(p.rate), "-timeout", "240s", "-timeout_error",
			"-trace_shortmsg", "-shortmessage_file", log, "10.9.1.1:5060"))
	}
	return c
}

// await waits for the ends of the SIPps and adds what they logged to calls, by the pseudonym of the Call-ID.
func (c *calling) await(t *testing.T, calls map[string]sippCall) {
	t.Helper()
	for i, r := range c.sipps {
		err := <-r.ended
		r.ended <- err
		if err != nil {
			t.Errorf("sipp, %s: %v", c.parties[i].name, err)
		}
		readSIPpLog(t, c.logs[i], &c.parties[i], calls)
	}
}

// readSIPpLog adds the calls of a log of -trace_shortmsg: date, time, seconds, S or R, Call-ID, CSeq, start line.
func readSIPpLog(t *testing.T, path string, p *party, calls map[string]sippCall) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	k := billingKeys(t)
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		seconds, err := strconv.ParseFloat(f[2], 64)
		if err != nil || len(f) < 7 {
			t.Errorf("sipp: a line of its log is none: %v", f)
			continue
		}
		at := time.UnixMicro(int64(seconds * 1e6))
		name := callName(t, k, at, f[4])
		c := calls[name]
		c.party = p
		method, status := strings.Fields(f[5])[1], strings.Fields(f[6])
		switch {
		case f[3] == "S" && status[0] == "INVITE" && c.setup.IsZero():
			c.setup = at
		case f[3] == "S" && status[0] == "BYE" && c.ended.IsZero():
			c.ended = at
		case f[3] == "R" && method == "INVITE" && status[1] >= "200" && c.final.IsZero():
			c.final = at
			c.code, _ = strconv.Atoi(status[1])
		}
		calls[name] = c
	}
}

// awaitRecords waits until the store of a running daemon has n records of billing.
func (s *site) awaitRecords(t *testing.T, n int) {
	t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		r := s.status(t)
		if r.Records["billing"] >= n {
			return
		}
		if time.Now().After(limit) {
			t.Errorf("records = %d, want %d: %+v %+v %v %+v", r.Records["billing"], n, r.Ledger.Calls, r.Ledger.Packets, r.Troubles, r.Sources)
			return
		}
	}
}

// replayedBoth returns what billing gets of the capture file of both interfaces.
func (w *twoSides) replayedBoth(t *testing.T) []liveRecord {
	t.Helper()
	out := command(t, binary(t), "replay", "--config", w.folder.config, "--purpose", "billing", w.both)
	newest := map[string]liveRecord{}
	for _, r := range liveRecords(t, []byte(out[strings.Index(out, "{"):])) {
		newest[r.ID] = r // a correction follows what it corrects
	}
	return slices.Collect(maps.Values(newest))
}

// compareWithSIPp compares records with SIPp's log: each call once, as it came out, on both trunks, with the times
// of the wire: what SIPp sends is there a little later, what it gets a little earlier.
func (n *network) compareWithSIPp(t *testing.T, by string, records []liveRecord, want map[string]sippCall) {
	t.Helper()
	mostly, busy := n.mostly(), n.busy()
	seen := map[string]int{}
	var differ []time.Duration
	for _, r := range records {
		c, ok := want[r.Call]
		if seen[r.Call]++; !ok || seen[r.Call] > 1 {
			t.Errorf("%s: %s: a record of no call, or a second one: %s %s", by, r.Call, r.Disposition, r.Status)
			continue
		}
		if seen := fmt.Sprintf("%s with %d from %s to %s, billable %t, %s", r.Disposition, r.Code, r.TrunkIn, r.TrunkOut,
			r.Billable, r.Status); r.Disposition != c.party.disposition || r.Code != c.code || r.Code != c.party.code ||
			r.TrunkIn != "carrier" || r.TrunkOut != "pbx" || r.Billable != (c.code == 200) || r.Status != "complete" {
			t.Errorf("%s: %s: %s, want %s with %d, carrier to pbx, complete", by, r.Call, seen, c.party.disposition, c.code)
		}
		between(t, by+" "+r.Call+" setup", r.Setup.Sub(c.setup), -mostly, busy)
		final := r.Answer
		if c.code != 200 {
			final = r.End
		}
		between(t, by+" "+r.Call+" final response", c.final.Sub(final), -mostly, busy)
		if c.code == 200 {
			talk := r.talk() - c.ended.Sub(c.final)
			between(t, by+" "+r.Call+" talk", talk, -busy, busy)
			differ = append(differ, talk.Abs())
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%s: calls = %d, want %d", by, len(seen), len(want))
	}
	slices.Sort(differ)
	if k := len(differ); k > 0 && differ[k/2] > mostly {
		t.Errorf("%s: talk differs by %v, want no more than %v for most calls", by, differ, mostly)
	}
}
