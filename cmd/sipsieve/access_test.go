package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sipsieve/cmd/sipsieve/console"
)

// logOf returns the access log of a site without times and process ids, which must be there.
func logOf(t *testing.T, s *site) (lines []string) {
	t.Helper()
	path := filepath.Join(s.dir, "state", console.AccessFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want 0600", st.Mode())
	}
	for line := range strings.Lines(string(text)) {
		var a console.Access
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		if a.Time == "" || a.PID <= 0 || a.UID != os.Getuid() {
			t.Errorf("time, pid, uid = %q, %d, %d, want those of the reading and uid %d", a.Time, a.PID, a.UID, os.Getuid())
		}
		a.Time, a.PID, a.UID = "", 0, 0
		short, _ := json.Marshal(a)
		lines = append(lines, string(short))
	}
	return lines
}

// TestEveryReadingIsLoggedBeforeAndAfter reads through a daemon, by tail and by query, and without it.
func TestEveryReadingIsLoggedBeforeAndAfter(t *testing.T) {
	t.Parallel()
	s := newSite(t, 20)
	s.configure(t, 0)
	p := s.start(t)
	p.await(t, len(s.replayed(t)))
	s.awaitStored(t, len(s.replayed(t)))
	n := len(s.stored(t))
	tail := tailOf(t, s, "watch-1")
	if err := tail.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = tail.Wait()
	open := tailOf(t, s, "watch-2") // until the daemon stops
	defer func() { _ = open.Wait() }()
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	s.stored(t)
	got := logOf(t, s)
	last := got[len(got)-2:]
	const offline = `"verb":"query","uid":0,"pid":0,"daemon":false,"purpose":"billing","request":"test-1"`
	if last[0] != `{"time":"","event":"begin",`+offline+`}` ||
		last[1] != `{"time":"","event":"end",`+offline+`,"count":`+jsonOf(n)+`,"whole":true}` {
		t.Errorf("without a daemon: %s, want both entries with %d records", last, n)
	}
	all := strings.Join(got, "\n")
	for _, want := range []string{
		`"event":"begin","verb":"query","uid":0,"pid":0,"daemon":true,"purpose":"billing","request":"test-1"}`,
		`"event":"end","verb":"query","uid":0,"pid":0,"daemon":true,"purpose":"billing","request":"test-1","count":` + jsonOf(n) + `,"whole":true}`,
		`"event":"begin","verb":"tail","uid":0,"pid":0,"daemon":true,"purpose":"billing","request":"watch-1"}`,
		`"event":"end","verb":"tail","uid":0,"pid":0,"daemon":true,"purpose":"billing","request":"watch-1","count":`,
		`"event":"end","verb":"tail","uid":0,"pid":0,"daemon":true,"purpose":"billing","request":"watch-2","count":`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no entry %s in\n%s", want, all)
		}
	}
}

// tailOf starts a tail of billing and reads the first records.
func tailOf(t *testing.T, s *site, request string) *exec.Cmd {
	t.Helper()
	tail := exec.Command(binary(t), "tail", "--config", s.config, "--purpose", "billing", "--all", "--request", request)
	out, err := tail.StdoutPipe()
	if err == nil {
		err = tail.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range 2 {
		lines.Scan()
	}
	return tail
}

func jsonOf(n int) string { text, _ := json.Marshal(n); return string(text) }

// TestWithoutALogThereAreNoRecords has something in the place of the log that cannot be written to.
func TestWithoutALogThereAreNoRecords(t *testing.T) {
	t.Parallel()
	s := newSite(t, 5)
	s.configure(t, 0)
	p := s.start(t)
	s.awaitStored(t, len(s.replayed(t)))
	path := filepath.Join(s.dir, "state", console.AccessFile)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	refuses := func(args ...string) {
		t.Helper()
		cmd := exec.Command(binary(t), append(args, "--config", s.config, "--purpose", "billing")...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, _ := cmd.Output()
		if len(out) > 0 || cmd.ProcessState.ExitCode() != exitFindings || !strings.Contains(stderr.String(), "access log") {
			t.Errorf("%v: exit code %d, %d bytes, %s, want none and why", args, cmd.ProcessState.ExitCode(), len(out), stderr.String())
		}
	}
	refuses("query", "--request", "test-1")
	refuses("tail", "--all", "--request", "test-1")
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	refuses("query", "--request", "test-1")
}

// TestAQueryKeepsNoDaemonFromStarting has a reader that pages stop in the middle of its answer.
func TestAQueryKeepsNoDaemonFromStarting(t *testing.T) {
	t.Parallel()
	s := newSite(t, 300) // more than a pipe takes
	s.configure(t, 0)
	p := s.start(t)
	want := s.replayed(t)
	p.await(t, len(want))
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	query := exec.Command(binary(t), "query", "--config", s.config, "--purpose", "billing", "--request", "test-1")
	out, err := query.StdoutPipe()
	if err == nil {
		err = query.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the query has no first line")
	}
	p = s.start(t)
	p.await(t, len(want)) // it reads the file again, and its store takes what it makes
	same(t, s.stored(t), want)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	n := 1
	for lines.Scan() {
		n++
	}
	if err := query.Wait(); err != nil || n != len(want) {
		t.Errorf("the query ends with %v and %d records, want %d", err, n, len(want))
	}
}
