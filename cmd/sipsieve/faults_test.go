package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/console"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/cmd/sipsieve/ledger"

	"golang.org/x/sys/unix"
)

// listensAt writes a configuration of a HEP feed and an HTTP address, whose state is in that folder.
func (s *site) listensAt(t *testing.T, state, feed, address string) {
	t.Helper()
	text := fmt.Sprintf("site = \"here\"\nsensor = \"sensor-1\"\nstate = %q\n[keys]\ndemo = true\n"+
		"[[source]]\ntype = \"hep\"\nlisten = [%q]\nallow = [\"10.0.0.0/8\"]\ninsecure = true\n"+
		"[bus]\n[store]\ntype = \"sqlite\"\n"+
		"[http]\nlisten = %q\nallow_remote = true\n", state, feed, address)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// taken takes a TCP port of loopback until give is called.
func taken(t *testing.T) (address string, give func()) {
	t.Helper()
	l, err := net.Listen("tcp", ownAddress()) // no other socket gets it after give
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String(), func() { _ = l.Close() }
}

// finalLedger reads the ledger that a daemon logs at its end.
func finalLedger(t *testing.T, log string) (l ledger.Ledger) {
	t.Helper()
	for line := range strings.Lines(log) {
		_, text, found := strings.Cut(line, " ledger=")
		if !found {
			continue
		}
		text, err := strconv.Unquote(strings.TrimSpace(text))
		if err == nil {
			err = json.Unmarshal([]byte(text), &l)
		}
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	t.Fatalf("no ledger in the log:\n%s", log)
	return l
}

// ended waits for the end of p and returns its exit code.
func (p *process) ended(t *testing.T) int {
	t.Helper()
	for range p.lines {
	}
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

// TestTakenPortsAreWaitedFor has the ports of a feed and of the pages be another's at the start.
func TestTakenPortsAreWaitedFor(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	feed, giveFeed := taken(t)
	pages, givePages := taken(t)
	s.listensAt(t, filepath.Join(s.dir, "state"), "tcp://"+feed, pages)
	p := s.start(t)
	s.up(t)
	s.await(t, "the ports of the feed and of the pages", func(r *daemon.Status) bool {
		const taken = "address already in use"
		why := strings.Join(r.Why, "; ")
		return strings.HasPrefix(why, "source.0: not listening: ") && strings.Contains(why, taken) &&
			strings.Contains(r.Troubles["http.listen"], taken)
	})
	giveFeed()
	givePages()
	s.awaits(t, "")
	reachable(t, "http://"+pages+"/readyz")
	if conn, err := net.Dial("tcp", feed); err != nil {
		t.Error(err)
	} else {
		_ = conn.Close()
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	logs(t, p, map[string]int{"not listening, tried again": 1, "cannot be read": 1})
}

// reachable waits until the page answers 200.
func reachable(t *testing.T, page string, inside ...string) {
	t.Helper()
	args := append(inside, "curl", "-sf", "--max-time", "5", page)
	for limit := time.Now().Add(patience); exec.Command(args[0], args[1:]...).Run() != nil; {
		time.Sleep(50 * time.Millisecond)
		if time.Now().After(limit) {
			t.Fatalf("%s does not answer", page)
		}
	}
}

// TestAddressesThatAreNotThereYetAreWaitedFor gives a host its address after the daemon has started.
func TestAddressesThatAreNotThereYetAreWaitedFor(t *testing.T) {
	t.Parallel()
	need(t, "curl")
	namespace := wire(t)
	s := newSite(t, 1)
	s.listensAt(t, filepath.Join(s.dir, "state"), "udp://10.9.9.9:9060", "10.9.9.9:9470")
	command(t, "ip", "-n", namespace, "link", "set", "lo", "up")
	p := s.startIn(t, namespace)
	s.await(t, "that the address is not there", func(r *daemon.Status) bool {
		return strings.Contains(strings.Join(r.Why, "; "), "cannot assign requested address")
	})
	command(t, "ip", "-n", namespace, "addr", "add", "10.9.9.9/32", "dev", "lo")
	s.awaits(t, "")
	reachable(t, "http://10.9.9.9:9470/healthz", "ip", "netns", "exec", namespace)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
}

// A fault keeps a daemon from starting until it is mended.
type fault struct {
	name    string
	prepare func(t *testing.T, s *site) (mend func())
	code    int
	says    string
}

var faults = []fault{
	{"the disk is full", fullDisk, exitFindings, "no space left"},
	{"the state folder is read-only", readOnly, exitFindings, "read-only file system"},
	{"the state folder is another's", otherDaemon, exitFindings, ""},
	{"the store is locked", lockedStore, exitFindings, "another sipsieve has it"},
	{"a key is wrong", withLines("nonsense = 1\n"), exitUsage, "nonsense"},
	{"a capture file is not there", withLines("[[source]]\ntype = \"file\"\npath = \"/none\"\n"), exitUsage,
		"no such file"},
}

// TestOnlyRefusedInputEndsWithTwo starts a daemon under faults that pass, and under some that do not.
func TestOnlyRefusedInputEndsWithTwo(t *testing.T) {
	t.Parallel()
	need(t, "mount", "umount")
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, 1)
			s.listensAt(t, filepath.Join(s.dir, "state"), "udp://127.0.0.1:0", "")
			mend := c.prepare(t, s)
			p := s.start(t)
			if code := p.ended(t); code != c.code || !strings.Contains(p.stderr.String(), c.says) {
				t.Errorf("exit code = %d, want %d because of %q:\n%s", code, c.code, c.says, p.stderr.String())
			}
			mend()
			p = s.start(t)
			s.up(t)
			s.awaits(t, "")
			if code := p.stop(t, syscall.SIGTERM); code != 0 {
				t.Errorf("once it was mended: exit code = %d, want 0\n%s", code, p.stderr.String())
			}
		})
	}
}

// withLines adds lines to the configuration.
func withLines(lines string) func(t *testing.T, s *site) (mend func()) {
	return func(t *testing.T, s *site) func() {
		text, err := os.ReadFile(s.config)
		if err == nil {
			err = os.WriteFile(s.config, append(slices.Clone(text), lines...), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return func() { _ = os.WriteFile(s.config, text, 0o600) }
	}
}

// lockedStore holds the lock of the store.
func lockedStore(t *testing.T, s *site) (mend func()) {
	folder := filepath.Join(s.dir, "state", "store")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() }
}

// otherDaemon has the state folder be in use.
func otherDaemon(t *testing.T, s *site) (mend func()) {
	other := s.start(t)
	s.up(t)
	return func() { other.stop(t, syscall.SIGTERM) }
}

// mounted mounts something on the state folder of s until the end of the test.
func mounted(t *testing.T, s *site, args ...string) (state string) {
	t.Helper()
	state = filepath.Join(s.dir, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	command(t, append(append([]string{"mount"}, args...), state)...)
	t.Cleanup(func() { _ = unix.Unmount(state, unix.MNT_DETACH) })
	return state
}

func fullDisk(t *testing.T, s *site) (mend func()) {
	return fillDisk(t, mounted(t, s, "-t", "tmpfs", "-o", "size=64m", "none"))
}

// fillDisk leaves no byte on the disk of state until mend is called, whatever a daemon deletes meanwhile.
func fillDisk(t *testing.T, state string) (mend func()) {
	filler := filepath.Join(state, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	fill := func() {
		for _, size := range []int{1 << 16, 1} {
			for err := error(nil); err == nil; {
				_, err = f.Write(make([]byte, size))
			}
		}
	}
	fill()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.Tick(time.Millisecond); ; fill() {
			select {
			case <-tick:
			case <-stop:
				return
			}
		}
	}()
	mend = sync.OnceFunc(func() {
		close(stop)
		<-stopped
		_ = f.Close()
		_ = os.Remove(filler)
	})
	t.Cleanup(mend)
	return mend
}

func readOnly(t *testing.T, s *site) (mend func()) {
	state := mounted(t, s, "-t", "tmpfs", "-o", "ro", "none")
	return func() { command(t, "mount", "-o", "remount,rw", state) }
}

// TestHangupDoesNotEndTheDaemon sends SIGHUP, and then stops it: the stop drains.
func TestHangupDoesNotEndTheDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t, 100)
	s.configure(t, 0)
	want := s.replayed(t)
	p := s.start(t)
	s.up(t)
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.await(t, len(want))
	s.up(t)
	if code := p.stop(t, syscall.SIGTERM); code != 0 || !strings.Contains(p.stderr.String(), "configuration read again") {
		t.Errorf("exit code = %d, want 0, and the reload in the log\n%s", code, p.stderr.String())
	}
	if l := finalLedger(t, p.stderr.String()); l.Excerpts["billing"].Acknowledged != uint64(len(want)) {
		t.Errorf("ledger: %d excerpts acknowledged, want %d", l.Excerpts["billing"].Acknowledged, len(want))
	}
	same(t, s.stored(t), want)
}

// TestIdleConnectionsStopNothing opens more idle connections to both windows than the daemon may have descriptors.
func TestIdleConnectionsStopNothing(t *testing.T) {
	t.Parallel()
	need(t, "curl")
	s := newSite(t, 1)
	pages, give := taken(t)
	give()
	s.listensAt(t, filepath.Join(s.dir, "state"), "udp://127.0.0.1:0", pages)
	p := s.launch(t, "sh", "-c", "ulimit -n 256; exec "+binary(t)+" run --config "+s.config)
	s.up(t)
	var idle []net.Conn
	t.Cleanup(func() {
		for _, c := range idle {
			_ = c.Close()
		}
	})
	for i := range 600 {
		network, address := "tcp", pages
		if i%2 == 1 {
			network, address = "unix", filepath.Join(s.dir, "state", "sipsieve.sock")
		}
		c, err := net.Dial(network, address)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if i%3 == 0 { // some have sent a part of a header
			_, _ = c.Write([]byte("GET /metrics HTTP/1.1\r\n"))
		}
		idle = append(idle, c)
	}
	s.awaits(t, "")
	reachable(t, "http://"+pages+"/metrics")
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Process.Pid))
	if err != nil || len(fds) > 2*console.MostConnections+64 {
		t.Errorf("descriptors = %d, %v, want %d at most", len(fds), err, 2*console.MostConnections+64)
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
}
