package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for a process before it calls it stuck.
const patience = 60 * time.Second

// built is the product, built once for all tests that start it.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sipsieve-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sipsieve")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

// binary returns the path of the product.
func binary(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A site is a folder with a configuration and a capture of so many calls.
type site struct {
	dir, config, capture string
	calls                int
}

func newSite(t *testing.T, calls int) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{dir: dir, config: filepath.Join(dir, "sipsieve.toml"), capture: filepath.Join(dir, "calls.pcap"), calls: calls}
	if err := os.WriteFile(s.capture, corpus(t, calls), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// configure writes the configuration: the capture at that speed.
func (s *site) configure(t *testing.T, speed float64) {
	t.Helper()
	text := fmt.Sprintf("site = \"here\"\nsensor = \"sensor-1\"\nstate = %q\npolicy = %q\nshow = \"billing\"\nlog_level = \"debug\"\n"+
		"[keys]\ndemo = true\n[[source]]\ntype = \"file\"\npath = %q\nspeed = %g\n[bus]\n[store]\ntype = \"sqlite\"\n[http]\nlisten = \"\"\n",
		filepath.Join(s.dir, "state"), s.atOnce(t), s.capture, speed)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// atOnce writes the quickstart policy with no time coarser than a second in network_ops, so that no test waits for the end
// of a window, and returns its path.
func (s *site) atOnce(t *testing.T) (path string) {
	t.Helper()
	return s.withoutWindows(t, "../../configs/quickstart-policy.toml")
}

// withoutWindows is atOnce for another policy.
func (s *site) withoutWindows(t *testing.T, policy string) (path string) {
	t.Helper()
	text, err := os.ReadFile(policy)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(s.dir, "policy.toml")
	text = bytes.ReplaceAll(text, []byte(`"truncate:minute"`), []byte(`{ form = "truncate:second", because = "a test" }`))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A process is a running daemon whose standard output is read line by line.
type process struct {
	*exec.Cmd
	lines  chan string
	stderr bytes.Buffer
}

func (s *site) start(t *testing.T) *process {
	return s.launch(t, binary(t), "run", "--config", s.config)
}

func (s *site) launch(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(args[0], args[1:]...), lines: make(chan string, 1<<16)}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Stderr = &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	go func() {
		defer close(p.lines)
		for sc := bufio.NewScanner(out); sc.Scan(); {
			p.lines <- sc.Text()
		}
	}()
	return p
}

// await reads lines until there were n.
func (p *process) await(t *testing.T, n int) {
	t.Helper()
	limit := time.After(patience)
	for i := range n {
		select {
		case _, open := <-p.lines:
			if !open {
				t.Fatalf("the daemon ended after %d lines:\n%s", i, p.stderr.String())
			}
		case <-limit:
			t.Fatalf("%d lines, want %d", i, n)
		}
	}
}

// stop sends sig and returns the exit code.
func (p *process) stop(t *testing.T, sig syscall.Signal) int {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	for range p.lines {
	}
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

// records returns the billing records by id, from a verb's JSON lines, without the keys that depend on the sensor.
func records(t *testing.T, args ...string) map[string]string {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, stderr.String())
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(out)) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		id := row["id"].(string)
		if _, twice := rows[id]; twice {
			t.Errorf("an id stands twice")
		}
		for _, own := range []string{"site", "sensor", "policy", "expires"} {
			delete(row, own)
		}
		text, _ := json.Marshal(row)
		rows[id] = string(text)
	}
	return rows
}

func (s *site) stored(t *testing.T) map[string]string {
	return records(t, "query", "--config", s.config, "--purpose", "billing", "--request", "test-1")
}

func (s *site) replayed(t *testing.T) map[string]string {
	return records(t, "replay", "--config", s.config, "--purpose", "billing", s.capture)
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if len(want) == 0 || !maps.Equal(got, want) {
		ids := slices.Sorted(maps.Keys(want))
		for _, id := range ids {
			if got[id] != want[id] {
				t.Errorf("record:\n got %s\nwant %s", got[id], want[id])
				break
			}
		}
		for id, text := range got {
			if want[id] == "" {
				t.Errorf("record that is not wanted: %s", text)
			}
		}
		t.Errorf("records = %d, want %d", len(got), len(want))
	}
}

// TestTermDrainsAndLosesNothing stops the daemon while the last excerpts are under way.
func TestTermDrainsAndLosesNothing(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s := newSite(t, 300)
		s.configure(t, 0)
		want := s.replayed(t)
		p := s.start(t)
		p.await(t, len(want))
		if code := p.stop(t, sig); code != 0 {
			t.Errorf("%v: exit code = %d, want 0\n%s", sig, code, p.stderr.String())
		}
		same(t, s.stored(t), want)
	}
}

// TestInterruptedFileIsReadAgain stops in the middle of a file: what was open is not published as ended, and the next run
// completes the rest.
func TestInterruptedFileIsReadAgain(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		s := newSite(t, 300)
		want := s.replayed0(t)
		s.configure(t, 15) // 20 records after 3 s, the last one 10 s later
		p := s.start(t)
		p.await(t, 20)
		p.stop(t, sig)
		before := len(s.stored(t))
		if before >= len(want) {
			t.Fatalf("%v: all %d records before the restart: the test shows nothing", sig, before)
		}
		s.configure(t, 0)
		p = s.start(t)
		s.awaitStored(t, len(want))
		if code := p.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("%v: exit code = %d, want 0\n%s", sig, code, p.stderr.String())
		}
		same(t, s.stored(t), want)
	}
}

// replayed0 is replayed before the configuration of the run is written.
func (s *site) replayed0(t *testing.T) map[string]string {
	s.configure(t, 0)
	return s.replayed(t)
}

// awaitStored asks the running daemon until the store has n records of billing.
func (s *site) awaitStored(t *testing.T, n int) {
	t.Helper()
	for limit := time.Now().Add(patience); ; {
		report, err := s.reported(t.Context())
		if err == nil && report.Records["billing"] >= n && report.Reading == 0 {
			if report.Balance != "balanced" {
				t.Errorf("balance = %s", report.Balance)
			}
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("records of billing = %d, want %d", report.Records["billing"], n)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// follows writes a configuration that watches the folder at path.
func (s *site) follows(t *testing.T, folder string) {
	t.Helper()
	text := fmt.Sprintf("site = \"here\"\nsensor = \"sensor-1\"\nstate = %q\npolicy = %q\n[keys]\ndemo = true\n"+
		"[[source]]\ntype = \"directory\"\npath = %q\nsettle = \"1s\"\n[bus]\n[store]\ntype = \"sqlite\"\n[http]\nlisten = \"\"\n",
		filepath.Join(s.dir, "state"), s.withoutWindows(t, "../../configs/policy.toml"), folder)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEachFileOfAFolderIsReadOnce puts files into a folder that is watched, restarts, puts in another.
func TestEachFileOfAFolderIsReadOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, 40)
	folder := filepath.Join(s.dir, "captures")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(name string, calls int) {
		if err := os.WriteFile(filepath.Join(folder, name), corpus(t, calls), 0o600); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(filepath.Join(folder, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	put("a.pcap", 40)
	put("b.pcap", 60)
	if err := os.WriteFile(filepath.Join(folder, "c.pcap"), []byte("no capture file"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.follows(t, folder)
	p := s.start(t)
	s.awaitPackets(t, 40, 60)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	put("d.pcap", 20)
	p = s.start(t)
	s.awaitPackets(t, 20)
	time.Sleep(2 * time.Second) // another file would be read by now
	s.awaitPackets(t, 20)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
}

// awaitPackets waits until the daemon has read the corpora of so many calls each, and no packet more.
func (s *site) awaitPackets(t *testing.T, calls ...int) {
	t.Helper()
	want := 0
	for _, n := range calls {
		want += len(packetsOf(t, corpus(t, n)))
	}
	for limit := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		report, err := s.reported(t.Context())
		if err == nil && report.Ledger.Packets.Seen >= uint64(want) {
			if report.Ledger.Packets.Seen > uint64(want) {
				t.Errorf("packets = %d, want %d", report.Ledger.Packets.Seen, want)
			}
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("packets do not come to %d", want)
		}
	}
}
