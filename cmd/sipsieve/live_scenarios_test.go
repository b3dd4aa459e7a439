package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sipsieve/cmd/sipsieve/ledger"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A liveScenario is calls of one kind through a proxy, with the daemon beside the proxy.
type liveScenario struct {
	name       string
	quick      bool     // not only where the long tests are asked for
	calls      int      // that SIPp makes
	caller     string   // what the caller does: a SIPp scenario
	called     string   // the number, by which the proxy decides
	devices    []string // what the devices do, at ports 5060 and 5070
	interfaces []string // at which the daemon listens; access, the caller's side, if there is none
	flags      []string // of the caller's SIPp
	ipv6       bool
	lossy      bool // every SIPp loses messages: its own counts are of what it lost, too
	dialogs    int  // that each of SIPp's calls makes, 1 if it is 0
	frames     int  // that are to come beside those of messages, at least
	as         string
	each       func(r *liveRecord) bool // whether a record of network operations says what it must
	events     map[string]int           // registrations
	played     *network                 // where
}

func (sc *liveScenario) opened() int { return sc.calls * max(sc.dialogs, 1) }

// Numbers by which the proxy of testdata/live/kamailio.cfg decides.
const (
	oneDevice = "+12025550100"
	inTurn    = "+17025550100" // the second device when the first does not take the call
	atOnce    = "+18025550100" // both devices
	password  = "+19025550100" // one device, for a password
)

var liveScenarios = []liveScenario{
	{name: "answered", quick: true, calls: 6, caller: "call", called: oneDevice, devices: []string{"answer"},
		as: "answered", each: func(r *liveRecord) bool {
			return r.Code == 200 && r.HungUp == "caller" && r.EndCause == "normal"
		}},
	{name: "busy", quick: true, calls: 5, caller: "refused", called: oneDevice, devices: []string{"busy"},
		as: "busy", each: func(r *liveRecord) bool { return r.Code == 486 && r.HungUp == "callee" }},
	{name: "cancel", quick: true, calls: 5, caller: "cancel", called: oneDevice, devices: []string{"ring"},
		as: "cancelled", each: func(r *liveRecord) bool {
			return r.Code == 487 && r.HungUp == "caller" && r.EndCause == "cancel"
		}},
	{name: "no answer", calls: 5, caller: "refused", called: oneDevice, devices: []string{"ring"},
		as: "no_answer", each: func(r *liveRecord) bool {
			return r.Code == 408 && r.HungUp == "network" && r.EndCause == "timeout"
		}},
	{name: "race", calls: 5, caller: "race", called: oneDevice, devices: []string{"race-answer"},
		as: "answered", each: func(r *liveRecord) bool {
			return slices.Contains(r.Flags, "cancel_race") && r.EndCause == "normal"
		}},
	{name: "redirect", calls: 5, caller: "redirected", called: oneDevice, devices: []string{"redirect"},
		as: "answered", each: func(r *liveRecord) bool { return r.Redirects == 1 }},
	{name: "serial fork", calls: 5, caller: "call", called: inTurn, devices: []string{"ring", "answer"},
		as: "answered", each: func(r *liveRecord) bool { return r.Forks == 2 }},
	{name: "parallel fork", calls: 5, caller: "call", called: atOnce, devices: []string{"ring", "answer"},
		as: "answered", each: func(r *liveRecord) bool { return r.Forks == 2 }},
	{name: "parallel fork, both sides", calls: 5, caller: "call", called: atOnce, devices: []string{"ring", "answer"},
		interfaces: bothSides, as: "answered", each: func(r *liveRecord) bool { return r.Forks == 2 }},
	{name: "hold", calls: 5, caller: "hold", called: oneDevice, devices: []string{"held"},
		as: "answered", each: func(r *liveRecord) bool {
			return r.Reinvites == 2 && r.Holds == 1 && r.HoldMS >= 400 && r.HoldMS < 4000
		}},
	{name: "blind transfer", calls: 5, caller: "transferred", called: oneDevice,
		devices: []string{"transferring", "answer"}, interfaces: bothSides, dialogs: 2,
		as: "answered", each: func(r *liveRecord) bool { return r.Transfer == "blind" }},
	{name: "attended transfer", calls: 5, caller: "attended", called: oneDevice,
		devices: []string{"joining", "replaced"}, interfaces: bothSides, dialogs: 3,
		as: "answered", each: func(r *liveRecord) bool { return r.Transfer == "attended" }},
	{name: "auth", calls: 5, caller: "password", called: password, devices: []string{"answer"},
		as: "answered", each: func(r *liveRecord) bool { return r.Challenges == 1 }},
	{name: "PRACK", calls: 5, caller: "prack", called: oneDevice, devices: []string{"early"},
		as: "answered", each: func(r *liveRecord) bool { return r.Early }},
	{name: "UPDATE", calls: 5, caller: "update", called: oneDevice, devices: []string{"updated"},
		as: "answered", each: func(r *liveRecord) bool { return r.Reinvites == 1 && r.SessionExpires == 90 }},
	{name: "session timer expires", calls: 5, caller: "silent", called: oneDevice, devices: []string{"expiring"},
		as: "answered", each: func(r *liveRecord) bool {
			return r.EndCause == "session_timer" && r.EndSource == "session_timer"
		}},
	{name: "TCP", calls: 6, caller: "call", called: oneDevice, devices: []string{"answer"},
		flags: []string{"-t", "t1"}, as: "answered", each: func(r *liveRecord) bool { return r.Transport == "tcp" }},
	{name: "IPv6", calls: 6, caller: "call", called: oneDevice, devices: []string{"answer"}, ipv6: true,
		as: "answered"},
	{name: "fragments", calls: 6, caller: "large", called: oneDevice, devices: []string{"answer"}, frames: 12,
		as: "answered"},
	{name: "loss", calls: 12, caller: "call", called: oneDevice, devices: []string{"answer"},
		flags: []string{"-lost", "15"}, lossy: true},
	{name: "register", calls: 6, caller: "register", events: map[string]int{"registered": 6},
		each: func(r *liveRecord) bool { return r.Expires == 600 }},
	{name: "unregister", calls: 6, caller: "unregister", events: map[string]int{"registered": 6, "deregistered": 6}},
}

// bothSides are the proxy's interfaces: the caller's and the callees'.
var bothSides = []string{"access", "core"}

// TestLiveCallsAreThoseOfTheProxyAndItsEndpoints lets SIPp call through Kamailio in a network of its own, with the
// daemon at the proxy: its records are Kamailio's CDRs and SIPp's statistics.
func TestLiveCallsAreThoseOfTheProxyAndItsEndpoints(t *testing.T) {
	n := newNetwork(t)
	for i := range liveScenarios {
		if sc := &liveScenarios[i]; sc.quick || os.Getenv("SIPSIEVE_FULL") == "1" {
			t.Run(sc.name, func(t *testing.T) { sc.run(t, n) })
		}
	}
}

// run plays sc and compares.
func (sc *liveScenario) run(t *testing.T, n *network) {
	sc.played = n
	proxy := n.proxies(t)
	s := sc.site(t)
	daemon := s.startIn(t, n.proxy)
	n.takes(t, sc)
	stats := n.calls(t, sc)
	l := s.settled(t, sc)
	if l.Packets.KernelDropped+l.Messages.Dropped > 0 {
		t.Errorf("lost = %d packets and %d messages, want none", l.Packets.KernelDropped, l.Messages.Dropped)
	}
	if more := int(l.Packets.Seen) - int(l.Messages.Total); more < sc.frames {
		t.Errorf("frames beside those of messages = %d, want %d or more", more, sc.frames)
	}
	if code := daemon.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, daemon.stderr.String())
	}
	proxy.stop()
	billing, ops := s.kept(t, "billing"), s.kept(t, "network_ops")
	sc.compareProxy(t, proxy.log.String(), billing)
	sc.compareReconciled(t, s, proxy.log.String())
	sc.compareEndpoints(t, stats, billing, ops)
	sc.compareOutcome(t, billing, ops)
}

// site writes the configuration of a daemon that listens on the interfaces of sc.
func (sc *liveScenario) site(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{dir: dir, config: filepath.Join(dir, "sipsieve.toml")}
	text := fmt.Sprintf("site = \"here\"\nsensor = \"sensor-1\"\nstate = %q\npolicy = %q\n[keys]\ndemo = true\n",
		filepath.Join(dir, "state"), beside(t, "policy.toml"))
	interfaces := sc.interfaces
	if len(interfaces) == 0 {
		interfaces = []string{"access"}
	}
	for _, name := range interfaces {
		text += fmt.Sprintf("[[source]]\ntype = \"interface\"\ninterface = %q\nports = [\"5060-5080\"]\n", name)
	}
	text += "[bus]\n[store]\ntype = \"sqlite\"\n[http]\nlisten = \"\"\n[calls]\nring = \"8s\"\nmax_call = \"20s\"\n"
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// settled waits until the daemon has published every call that sc makes, and returns its ledger.
func (s *site) settled(t *testing.T, sc *liveScenario) *ledger.Ledger {
	t.Helper()
	registrations := uint64(0)
	for _, n := range sc.events {
		registrations += uint64(n)
	}
	opened := uint64(sc.opened())
	if registrations > 0 {
		opened = 0
	}
	for limit := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		l := s.status(t).Ledger
		if l.Calls.Opened >= opened && l.Calls.Live == 0 && l.Registrations.Total() >= registrations {
			return l
		}
		if time.Now().After(limit) {
			t.Fatalf("calls = %+v, messages = %+v, registrations = %v, want %d calls and %d registrations, all told of", l.Calls,
				l.Messages, l.Registrations, opened, registrations)
		}
	}
}

// kept returns the records of a purpose in the store of a daemon that has ended.
func (s *site) kept(t *testing.T, purpose string) []liveRecord {
	t.Helper()
	args := []string{"query", "--config", s.config, "--purpose", purpose, "--request", "live-1"}
	out, err := exec.Command(binary(t), args...).Output()
	if err != nil {
		t.Fatalf("query: %v", err)
	}
	return liveRecords(t, out)
}

var (
	accLine = regexp.MustCompile(`ACC: ([a-z ]+): (.*)`)
	cdrLine = regexp.MustCompile(`log_write_cdr\(\): (.*)`)
)

// accountingOf reads the rows and CDRs in Kamailio's log.
func accountingOf(log string) (a accounting) {
	for line := range strings.Lines(log) {
		if m := accLine.FindStringSubmatch(line); m != nil {
			v := pairs(m[2])
			a.Transactions = append(a.Transactions,
				accRow{Event: m[1], Exact: v["exact"], Method: v["method"], Code: v["code"], CallID: v["call_id"]})
		}
		if m := cdrLine.FindStringSubmatch(line); m != nil {
			v := pairs(m[1])
			a.CDRs = append(a.CDRs,
				accCDR{Start: v["start_time"], End: v["end_time"], Duration: v["duration"], CallID: v["call_id"]})
		}
	}
	return a
}

// pairs reads name=value; name=value.
func pairs(text string) map[string]string {
	v := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		v[name] = value
	}
	return v
}

// compareProxy compares the records with Kamailio's accounting, or its registrar's word.
func (sc *liveScenario) compareProxy(t *testing.T, log string, records []liveRecord) {
	t.Helper()
	if sc.events != nil {
		made, ended := strings.Count(log, "REGISTERED: +1"), strings.Count(log, ";expires=0")
		if made-ended != sc.events["registered"] || ended != sc.events["deregistered"] {
			t.Errorf("the registrar took %d and %d of them away, want what the records have: %v", made, ended, sc.events)
		}
		return
	}
	a, k := accountingOf(log), billingKeys(t)
	if got, want := len(a.calls(t, k)), sc.opened(); got != want {
		t.Errorf("calls of the proxy = %d, want %d: the scenario was not played\n%s", got, want, log)
	}
	mostly, busy := sc.played.mostly(), sc.played.busy()
	differ := a.agree(t, k, records, side{-busy, busy, -busy, busy, true})
	t.Logf("%d records against %d rows and %d CDRs: the times of %d answered calls differ by %v", len(records),
		len(a.Transactions), len(a.CDRs), len(differ), differ)
	if n := len(differ); n > 0 && differ[n/2] > mostly {
		t.Errorf("times differ by %v, want no more than %v for most calls", differ, mostly)
	}
}

// compareEndpoints compares the records with the statistics of the caller's SIPp: how many calls, how many came out as
// they had to, and how long on average until the final response and from the answer to the BYE.
func (sc *liveScenario) compareEndpoints(t *testing.T, stats map[string]string, billing, ops []liveRecord) {
	t.Helper()
	made, good := count(t, stats, "TotalCallCreated"), count(t, stats, "SuccessfulCall(C)")
	if made != sc.calls || !sc.lossy && good != made {
		t.Errorf("sipp: calls = %d, %d of them successful, want %d", made, good, sc.calls)
	}
	if sc.events != nil || sc.lossy {
		return
	}
	if got := len(billing); got != sc.opened() {
		t.Errorf("records = %d, want %d", got, sc.opened())
	}
	repeats := 0
	for _, r := range ops {
		repeats += r.Retransmissions
	}
	if sent := count(t, stats, "Retransmissions(C)"); repeats < sent {
		t.Errorf("retransmissions = %d, want %d or more", repeats, sent)
	}
	if sc.dialogs > 1 {
		return // SIPp measures the first dialog of each
	}
	setup, talk := means(billing)
	busy := sc.played.busy()
	if want := span(stats, "ResponseTimesetup(C)"); (setup - want).Abs() > busy/2 {
		t.Errorf("mean time to the final response = %v, sipp has %v", setup, want)
	}
	if want := span(stats, "ResponseTimetalk(C)"); want > 0 && (talk-want).Abs() > busy/2 {
		t.Errorf("mean talk = %v, sipp has %v", talk, want)
	}
}

// means returns the mean time from INVITE to final response, and from answer to BYE.
func means(records []liveRecord) (setup, talk time.Duration) {
	for _, r := range records {
		final := r.Answer
		if final.IsZero() {
			final = r.End
		}
		setup += final.Sub(r.Setup)
		talk += r.talk()
	}
	n := time.Duration(max(len(records), 1))
	return setup / n, talk / n
}

// compareOutcome compares the records with what the scenario is about.
func (sc *liveScenario) compareOutcome(t *testing.T, billing, ops []liveRecord) {
	t.Helper()
	events, groups := map[string]int{}, map[string]int{}
	for _, r := range ops {
		if r.Kind == "registration" {
			events[r.Registration]++
		}
		if r.Group != "" {
			groups[r.Group]++
		}
		if sc.as != "" && r.Disposition != sc.as || sc.each != nil && !sc.each(&r) {
			t.Errorf("record = %+v, want what %s makes", r, sc.name)
		}
	}
	if !maps.Equal(events, sc.events) {
		t.Errorf("registrations = %v, want %v", events, sc.events)
	}
	for group, n := range groups {
		if n != sc.dialogs {
			t.Errorf("calls of session group %s = %d, want %d", group, n, sc.dialogs)
		}
	}
	if sc.dialogs > 1 && len(groups) != sc.calls {
		t.Errorf("session groups = %d, want %d", len(groups), sc.calls)
	}
	callers := map[string]int{}
	for _, r := range billing {
		callers[r.Caller]++
		if want := r.Disposition == "answered" && r.EndSource == "observed"; r.Billable != want {
			t.Errorf("billable = %v, want %v: %+v", r.Billable, want, r)
		}
	}
	if sc.dialogs == 0 && len(callers) != len(billing) {
		t.Errorf("callers = %v, want another one each", callers)
	}
}
