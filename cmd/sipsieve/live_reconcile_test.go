package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/reconcile"
	"sipsieve/store"
)

// A reconciled is a report of the verb reconcile, and its exit code.
type reconciled struct {
	reconcile.Totals
	list []reconcile.Difference
	code int
}

// of returns the differences of a kind.
func (r *reconciled) of(kind string) (list []reconcile.Difference) {
	for _, d := range r.list {
		if d.Kind == kind {
			list = append(list, d)
		}
	}
	return list
}

// reconciled compares Kamailio's log with the store.
func (s *site) reconciled(t *testing.T, log string, flags ...string) (r reconciled) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "acc.log")
	if err := os.WriteFile(path, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	day := time.Now().UTC()
	cmd := exec.Command(binary(t), append([]string{"reconcile", "--config", s.config, "--sbc", path, "--profile", "kamailio",
		"--request", "live-1", "--format", "jsonl", "--from", day.AddDate(0, 0, -1).Format(time.RFC3339),
		"--to", day.AddDate(0, 0, 1).Format(time.RFC3339)}, flags...)...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.code = exit.ExitCode()
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if err := json.Unmarshal(lines[0], &r.Totals); err != nil {
		t.Fatalf("reconcile: exit code %d, %s\n%s", r.code, out, exit.Stderr)
	}
	for _, line := range lines[1:] {
		var d reconcile.Difference
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		r.list = append(r.list, d)
	}
	return r
}

var callIDOfRow = regexp.MustCompile(`[; ]call_id=([^;\s]+)`)

// callIDsOf returns the Call-IDs of a log, in their order.
func callIDsOf(log string) (ids []string) {
	for _, m := range callIDOfRow.FindAllStringSubmatch(log, -1) {
		if !slices.Contains(ids, m[1]) {
			ids = append(ids, m[1])
		}
	}
	return ids
}

// accountedRows returns the lines of a log that have a Call-ID, and those that have not.
func accountedRows(log, id string) (with, without string) {
	for line := range strings.Lines(log) {
		if m := callIDOfRow.FindStringSubmatch(line); m != nil && m[1] == id {
			with += line
		} else {
			without += line
		}
	}
	return with, without
}

// compareReconciled compares the records with Kamailio's log by the verb reconcile: as they are, with a call taken out of
// the log, and with one in it that was never on the wire.
func (sc *liveScenario) compareReconciled(t *testing.T, s *site, log string) {
	t.Helper()
	if sc.events != nil || sc.lossy {
		return
	}
	tolerance := "--tolerance=" + sc.played.busy().String()
	r := s.reconciled(t, log, tolerance)
	if r.SBC != sc.opened() || r.Sieve != sc.opened() || r.MatchedBy["call_id"] != sc.opened() || len(r.Lines.Refused) > 0 {
		t.Errorf("totals = %+v, want %d calls on both sides\n%v", r.Totals, sc.opened(), r.list)
	}
	for _, d := range r.list { // such as the end of a call whose BYE never came
		if d.Kind != reconcile.Differs || slices.Contains(d.Reasons, reconcile.ReasonUnexplained) {
			t.Errorf("difference = %+v, want none, or its reason", d)
		}
	}
	ids := callIDsOf(log)
	with, without := accountedRows(log, ids[1])
	took := s.reconciled(t, without, tolerance)
	if only := took.of(reconcile.OnlySieve); took.code != exitFindings || took.SBC != r.SBC-1 || took.Sieve != r.Sieve ||
		took.OnlySBC != 0 || len(only) != 1 {
		t.Errorf("with a call taken out: exit code %d, totals = %+v, %v", took.code, took.Totals, took.list)
	}
	more := s.reconciled(t, log+strings.ReplaceAll(with, "call_id="+ids[1], "call_id=never-seen@192.0.2.1"), tolerance)
	only := more.of(reconcile.OnlySBC)
	if more.code != exitFindings || more.SBC != r.SBC+1 || more.Sieve != r.Sieve || more.OnlySieve != 0 || len(only) != 1 ||
		only[0].CallID != "never-seen@192.0.2.1" {
		t.Errorf("with a call more: exit code %d, totals = %+v, %v", more.code, more.Totals, more.list)
	}
}

// TestLiveCallsWithoutASensorHaveTheirReason calls while the daemon runs, is stopped, runs, and is killed: what only
// Kamailio has is explained by the records of the stream OPS.
func TestLiveCallsWithoutASensorHaveTheirReason(t *testing.T) {
	if os.Getenv("SIPSIEVE_FULL") != "1" {
		t.Skip("SIPSIEVE_FULL=1 runs it")
	}
	n := newNetwork(t)
	sc := &liveScenario{calls: 3, caller: "call", called: oneDevice, devices: []string{"answer"}, played: n}
	proxy, s := n.proxies(t), sc.site(t)
	n.takes(t, sc)
	watched := func() *process {
		p := s.startIn(t, n.proxy)
		s.awaits(t, "")
		return p
	}
	daemon := watched()
	n.calls(t, sc)
	s.awaitRecords(t, 3)
	if code := daemon.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, daemon.stderr.String())
	}
	n.calls(t, sc)
	daemon = watched()
	n.calls(t, sc)
	s.awaitRecords(t, 6)
	daemon.stop(t, syscall.SIGKILL)
	n.calls(t, sc)
	daemon = watched()
	proxy.stop()
	log, tolerance := proxy.log.String(), "--tolerance="+n.busy().String()
	want := map[string]int{string(store.GapDown): 3, string(store.GapRestart): 3}
	for limit := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		r := s.reconciled(t, log, tolerance)
		if maps.Equal(r.Reasons[reconcile.OnlySBC], want) {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("totals = %+v, want the reasons %v\n%v", r.Totals, want, r.list)
		}
	}
	if code := daemon.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, daemon.stderr.String())
	}
	r := s.reconciled(t, log, tolerance)
	if r.code != exitFindings || r.SBC != 12 || r.Sieve != 6 || r.Equal != 6 || r.OnlySBC != 6 || !maps.Equal(r.Reasons[reconcile.OnlySBC], want) {
		t.Errorf("without the daemon: exit code %d, totals = %+v\n%v", r.code, r.Totals, r.list)
	}
}
