package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/configs"
	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/policy/approval"
)

// policyPath is the policy of a site that has one of its own.
func (s *site) policyPath() string { return filepath.Join(s.dir, "policy.toml") }

// ownPolicy has the configuration of s name its policy under [policy], and returns the text.
func (s *site) ownPolicy(t *testing.T) string {
	t.Helper()
	s.changes(t, fmt.Sprintf("policy = %q\n", s.policyPath()), "")
	s.changes(t, "[keys]\n", fmt.Sprintf("[policy]\nfile = %q\n[keys]\n", s.policyPath()))
	text, err := os.ReadFile(s.policyPath())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// writesPolicy puts that text in the place of the policy of s, and returns its hash.
func (s *site) writesPolicy(t *testing.T, text string) string {
	t.Helper()
	next := s.policyPath() + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, s.policyPath()); err != nil {
		t.Fatal(err)
	}
	return policy.HashOf([]byte(text))
}

// reload has p read its configuration again, and waits until so is true of the status.
func (s *site) reload(t *testing.T, p *process, so func(*daemon.Status) bool) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("reload: %+v", s.status(t).Reload)
		}
	}()
	s.await(t, "the reload", so)
}

// mirror sends packets to a feed, each of one message, until the end of the connection.
func mirror(address string, packets []capture.Packet) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	for i := range packets {
		if _, err := conn.Write(mirrored(&packets[i])); err != nil {
			return err
		}
	}
	return conn.Close()
}

// wholeCalls returns the packets of so many calls from their beginnings to their ends; other seeds make other calls.
func wholeCalls(t *testing.T, calls int, seed uint64) []capture.Packet {
	t.Helper()
	var file bytes.Buffer
	if err := capturetest.WritePcap(&file, capturetest.Corpus(calls, seed)); err != nil {
		t.Fatal(err)
	}
	return packetsOf(t, file.Bytes())
}

// TestReloadsUnderLoadLoseAndDoubleNothing changes the policy eight times while calls come. Each call is recorded once, under
// one of the policies, the stream OPS has when which was in force, without a gap, and the text of each.
func TestReloadsUnderLoadLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	const calls, rounds = 360, 8
	s, address := newSite(t, 1), ownAddress()
	s.awaitsFeed(t, address)
	text := s.ownPolicy(t)
	parts := make([][]capture.Packet, rounds+1) // each of whole calls
	for i := range parts {
		parts[i] = wholeCalls(t, calls/len(parts), uint64(i+1))
	}
	p := s.start(t)
	s.up(t)
	texts := map[string]string{policy.HashOf([]byte(text)): text}
	order := []string{policy.HashOf([]byte(text))}
	for i := range rounds {
		sent := make(chan error, 1)
		go func() { sent <- mirror(address, parts[i]) }()
		next := fmt.Sprintf("%s# change %d\n", text, i%4) // also one that was in force before
		hash := s.writesPolicy(t, next)
		s.reload(t, p, func(r *daemon.Status) bool { return r.Policy == hash })
		texts[hash], order = next, append(order, hash)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	if err := mirror(address, parts[rounds]); err != nil {
		t.Fatal(err)
	}
	s.await(t, "all records", func(r *daemon.Status) bool { return r.Records["billing"] == calls })
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	l := finalLedger(t, p.stderr.String())
	for purpose, n := range l.Excerpts {
		if n.Made != n.Acknowledged || purpose == "billing" && n.Made != calls {
			t.Errorf("%s: %d made, %d acknowledged, want each record once", purpose, n.Made, n.Acknowledged)
		}
	}
	if got := outcomes(s.stored(t)); got["answered"] != calls || len(got) != 1 {
		t.Errorf("records = %v, want %d that are answered", got, calls)
	}
	under := s.policies(t)
	for hash, n := range under {
		if texts[hash] == "" {
			t.Errorf("%d records are under policy %s, which never was in force", n, hash)
		}
	}
	if len(under) < 3 {
		t.Errorf("records by policy = %v, want them of several: the test shows nothing", under)
	}
	s.inForce(t, order, texts)
}

// policies returns how many records of billing there are under each policy.
func (s *site) policies(t *testing.T) map[string]int {
	t.Helper()
	n := map[string]int{}
	for line := range strings.Lines(command(t, binary(t), "query", "--config", s.config, "--purpose", "billing", "--request", "t-1")) {
		var row struct{ Policy string }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		n[row.Policy]++
	}
	return n
}

// inForce complains unless the stream OPS says that these policies were in force, in that order and without a gap, and has
// the text of each; so has policy show.
func (s *site) inForce(t *testing.T, order []string, texts map[string]string) {
	t.Helper()
	var spans []store.OpsRecord
	kept := map[string]string{}
	for _, r := range opsOf(t, s.setup(t)) {
		switch r.Kind {
		case store.PolicyInForce:
			spans = append(spans, r)
		case store.PolicyText:
			kept[r.Policy] = r.Text
		}
	}
	slices.SortFunc(spans, func(a, b store.OpsRecord) int { return a.From.Compare(b.From) })
	var got []string
	for i, r := range spans {
		if i > 0 && !r.From.Equal(spans[i-1].To) {
			t.Errorf("a gap between %v and %v", spans[i-1].To, r.From)
		}
		if n := len(got); n == 0 || got[n-1] != r.Policy { // a full hour ends a span
			got = append(got, r.Policy)
		}
	}
	if !slices.Equal(got, order) {
		t.Errorf("in force = %v\nwant       %v", got, order)
	}
	for hash, text := range texts {
		if kept[hash] != text {
			t.Errorf("OPS lacks the text of %s", hash)
		}
		if shown := command(t, binary(t), "policy", "show", "--config", s.config, hash); shown != text {
			t.Errorf("policy show %s prints another text", hash)
		}
	}
}

// TestAReloadThatIsRefusedChangesNothing: what is wrong, or waits for a restart, is named, and what was in force stays so.
func TestAReloadThatIsRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	s, address := newSite(t, 1), ownAddress()
	s.awaitsFeed(t, address)
	text := s.ownPolicy(t)
	good, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	p := s.start(t)
	s.up(t)
	hash := policy.HashOf([]byte(text))
	for _, one := range []struct{ from, to, why string }{ // of the configuration, or of the policy
		{"site = ", "sight = ", "sight: unknown key"},
		{"[store]", "[store", "sipsieve.toml:"},
		{"site = \"here\"", "site = \"there\"", ":1: site: this change waits for a restart"},
		{"skew = \"1h\"", "skew = \"2h\"", "source.0.skew: this change waits for a restart"},
		{"/state\"", "/state2\"", "state: this change waits for a restart"},
		{"[http]", "[[source]]\ntype = \"hep\"\nlisten = [\"udp://127.0.0.1:1\"]\ninsecure = true\n[http]", "source: this change waits"},
		{"[policy]", "[policy]\nrequire_approval = true\napprovers = [\"officer:ed25519:TLWr9q15+/WrvMr8wmnYXNJlHtS4hbWGnyQa7fCluik=\"]",
			"policy.toml.approval is not there"},
		{"[bus]", "[bus]\ndisk = \"2GiB\"", "bus.disk: this change waits"},
		{"default  = \"drop\"", "default  = \"keep\"", "policy.toml:10: default: want"},
		{"caller_number        =", "caler_number =", "policy.toml:60: purpose.billing.fields.caler_number: not in the register"},
		{"[purpose.billing]", "[purpose.billing]\nenabled = false", "policy.toml: purpose.billing: a purpose less: this change waits"},
		{"bus_retain = \"72 hours\"", "bus_retain = \"71 hours\"", "purpose.billing.bus_retain: the stream has that of the start"},
		{"reviewed = 2026-11-20", "reviewed = 2999-01-01", "policy.toml:8: reviewed: 2999-01-01 is in the future"},
	} {
		if strings.Contains(string(good), one.from) {
			s.changes(t, one.from, one.to)
			s.writesPolicy(t, text+"# another\n")
		} else {
			changed := strings.Replace(text, one.from, one.to, 1)
			if changed == text {
				t.Fatalf("%q is in no file", one.from)
			}
			s.writesPolicy(t, changed)
		}
		s.reload(t, p, func(r *daemon.Status) bool { return strings.Contains(r.Reload.Why, one.why) })
		if r := s.status(t); r.Policy != hash || r.Reload.Successful || !r.Ready {
			t.Errorf("%s: status = %+v, want that the policy before is in force", one.why, r)
		}
		if err := os.WriteFile(s.config, good, 0o600); err != nil {
			t.Fatal(err)
		}
		s.writesPolicy(t, text)
	}
	packets := packetsOf(t, corpus(t, 20))
	if err := mirror(address, packets); err != nil {
		t.Fatal(err)
	}
	s.await(t, "all records", func(r *daemon.Status) bool { return r.Records["billing"] == 20 })
	if n := s.policies(t); n[hash] != 20 {
		t.Errorf("records by policy = %v, want all under %s", n, hash)
	}
	narrower := s.writesPolicy(t, strings.Replace(text, "18 months", "17 months", 1))
	s.changes(t, "site = ", "log_level = \"debug\"\nsite = ")
	s.reload(t, p, func(r *daemon.Status) bool { return r.Reload.Successful })
	if r := s.status(t); r.Policy != narrower || r.Reload.Why != "" {
		t.Errorf("status = %+v, want policy %s in force", r.Reload, narrower)
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0", code)
	}
	logs(t, p, map[string]int{"configuration refused: the one before stays in force": 13, "configuration read again": 1,
		"narrowing change=\"billing: records are kept for a shorter time: 18 months → 17 months.\"": 1})
}

// TestAReloadCollectsAFieldWhoseHeaderWasNotRead: of calls that begin afterwards.
func TestAReloadCollectsAFieldWhoseHeaderWasNotRead(t *testing.T) {
	t.Parallel()
	s, address := newSite(t, 1), ownAddress()
	s.awaitsFeed(t, address)
	text := s.ownPolicy(t)
	head, _, _ := strings.Cut(text, "[purpose.billing.fields]")
	narrow := head + "[purpose.billing.fields]\ndisposition = \"keep\"\nsetup_time = \"truncate:second\"\n"
	s.writesPolicy(t, narrow)
	p := s.start(t)
	s.up(t)
	if err := mirror(address, wholeCalls(t, 10, 1)); err != nil {
		t.Fatal(err)
	}
	s.await(t, "the first records", func(r *daemon.Status) bool { return r.Records["billing"] == 10 })
	wide := s.writesPolicy(t, narrow+"asserted_number = { form = \"e164\", because = \"the test\" }\n")
	s.reload(t, p, func(r *daemon.Status) bool { return r.Policy == wide })
	if err := mirror(address, wholeCalls(t, 10, 2)); err != nil {
		t.Fatal(err)
	}
	s.await(t, "all records", func(r *daemon.Status) bool { return r.Records["billing"] == 20 })
	for line := range strings.Lines(command(t, binary(t), "query", "--config", s.config, "--purpose", "billing", "--request", "t-1")) {
		has := strings.Contains(line, "\"asserted_number\":\"+")
		if under := strings.Contains(line, wide); has != under || strings.Contains(line, "asserted_number") != under {
			t.Errorf("record %s\nhas the field: %t, is under the policy that keeps it: %t", line, has, under)
		}
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
}

// TestAReloadTakesAnApprovedPolicyOnly approves a policy, changes it, and approves that too, while the status and the metrics
// are read. The sign of the last reload is 1 only while the last one was taken.
func TestAReloadTakesAnApprovedPolicyOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "policy.toml")
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	officer, err := approval.ApproverOf("privacy-officer", key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(comment string) *policy.Policy {
		text := append(configs.Policy[:len(configs.Policy):len(configs.Policy)], comment...)
		p, err := policy.Parse(path, text)
		if err = errors.Join(err, os.WriteFile(path, text, 0o600)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	sign := func(p, before *policy.Policy) {
		a, err := approval.Sign(key, officer.Role, time.Now(), p, before)
		if err = errors.Join(err, approval.Add(path, a)); err != nil {
			t.Fatal(err)
		}
	}
	first := write("# the first\n")
	sign(first, nil)
	d := daemonOf(t, fmt.Sprintf("%s[policy]\nfile = %q\nrequire_approval = true\napprovers = [%q]\n", fileSource(ladderFile(t, storm)),
		path, officer))
	ctx, stop := withStop(t)
	ended, read := make(chan error, 1), make(chan struct{})
	go func() { ended <- d.Run(ctx) }()
	go func() {
		defer close(read)
		for ctx.Err() == nil {
			_ = d.Status(ctx)
		}
	}()
	reload := func(what string, want *policy.Policy, taken bool) {
		t.Helper()
		d.Reload(ctx)
		successful, _ := d.LastReload()
		if got := d.InForce().Policy.Hash(); successful != taken || got != want.Hash() {
			t.Errorf("%s: taken = %t, in force %s, want %t, %s", what, successful, got, taken, want.Hash())
		}
		sign := fmt.Sprintf("\nsipsieve_config_last_reload_successful %d\n", map[bool]int{true: 1}[taken])
		if _, text := get(t, d, "/metrics"); !strings.Contains(text, sign) {
			t.Errorf("%s: metrics lack %q", what, sign)
		}
	}
	reload("nothing changed", first, true)
	second := write("# the second\n")
	reload("not approved", first, false)
	sign(second, first)
	reload("approved", second, true)
	before, err := os.ReadFile(approval.PathOf(path))
	if err = errors.Join(err, os.Remove(approval.PathOf(path))); err != nil {
		t.Fatal(err)
	}
	reload("approved no more", second, false)
	if err := os.WriteFile(approval.PathOf(path), before, 0o600); err != nil {
		t.Fatal(err)
	}
	write("# the first\n")
	reload("the approval of another", second, false)
	write("# the second\n")
	reload("as it was", second, true)
	if who := d.Status(ctx).Approved; len(who) != 1 || !strings.HasPrefix(who[0], "privacy-officer on ") {
		t.Errorf("approved = %q", who)
	}
	stop()
	<-read
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
