package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/cmd/sipsieve/ledger"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/config"
)

// need skips the test if a command is missing, and fails it where everything must be there.
func need(t *testing.T, commands ...string) {
	t.Helper()
	for _, c := range commands {
		if _, err := exec.LookPath(c); err != nil || os.Getuid() != 0 {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s as root: %v", c, err)
			}
			t.Skipf("needs %s, as root", c)
		}
	}
}

// command runs a command that must succeed and returns what it wrote.
func command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// namespaces numbers the network namespaces of this process.
var namespaces atomic.Uint32

// namespaceName returns a name that no other network namespace of the host has.
func namespaceName() string { return fmt.Sprintf("sipsieve-%d-%d", os.Getpid(), namespaces.Add(1)) }

// wire is a network of its own: two interfaces, near and far, joined by a cable.
func wire(t *testing.T) (namespace string) {
	t.Helper()
	need(t, "ip", "tcpreplay")
	namespace = namespaceName()
	command(t, "ip", "netns", "add", namespace)
	t.Cleanup(func() { command(t, "ip", "netns", "del", namespace) })
	inside := []string{"ip", "netns", "exec", namespace}
	command(t, append(inside, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")...)
	command(t, append(inside, "ip", "link", "add", "near", "mtu", "9000", "type", "veth", "peer", "name", "far", "mtu", "9000")...)
	command(t, append(inside, "ip", "link", "set", "near", "up")...)
	command(t, append(inside, "ip", "link", "set", "far", "up")...)
	return namespace
}

// listenOn writes a configuration that listens on the near end of the wire.
func (s *site) listenOn(t *testing.T, extra string) {
	t.Helper()
	text := fmt.Sprintf("site = \"here\"\nsensor = \"sensor-1\"\nstate = %q\nshow = \"billing\"\n[keys]\ndemo = true\n"+
		"[[source]]\ntype = \"interface\"\ninterface = \"near\"\nports = [\"5060-5080\"]\n%s[bus]\n[store]\ntype = \"sqlite\"\n"+
		"[http]\nlisten = \"\"\n[calls]\njournal = false\n", filepath.Join(s.dir, "state"), extra)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replayedOnto sends the site's capture over the wire and returns how many packets that were.
func (s *site) replayedOnto(t *testing.T, namespace string, flags ...string) (sent uint64) {
	t.Helper()
	args := append([]string{"ip", "netns", "exec", namespace, "tcpreplay", "-i", "far"}, flags...)
	out := command(t, append(args, s.capture)...)
	for line := range strings.Lines(out) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "Successful packets:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("tcpreplay does not say how many packets it sent:\n%s", out)
	return 0
}

// status returns the report of the running daemon.
func (s *site) status(t *testing.T) daemon.Status {
	t.Helper()
	report, err := s.reported(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// reported reads the report of the daemon over its socket, as the verb status does, without a process.
func (s *site) reported(ctx context.Context) (report daemon.Status, err error) {
	body, err := ask(ctx, config.Config{State: filepath.Join(s.dir, "state")}, question{path: "/status"})
	if err != nil {
		return report, err
	}
	defer body.Close()
	return report, json.NewDecoder(body).Decode(&report)
}

// accounted waits until the daemon has counted n packets, and returns its ledger.
func (s *site) accounted(t *testing.T, n uint64) *ledger.Ledger {
	t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		l := s.status(t).Ledger
		if l.Packets.Seen+l.Packets.KernelDropped >= n {
			if got := l.Packets.Seen + l.Packets.KernelDropped; got != n {
				t.Errorf("packets = %d seen and %d dropped, want %d", l.Packets.Seen, l.Packets.KernelDropped, n)
			}
			return l
		}
		if time.Now().After(limit) {
			t.Fatalf("packets = %d seen and %d dropped, want %d", l.Packets.Seen, l.Packets.KernelDropped, n)
		}
	}
}

// up waits until the daemon answers.
func (s *site) up(t *testing.T) {
	t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if _, err := s.reported(t.Context()); err == nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatal("the daemon does not come up")
		}
	}
}

// startIn starts the daemon in a network namespace.
func (s *site) startIn(t *testing.T, namespace string) *process {
	t.Helper()
	p := s.launch(t, "ip", "netns", "exec", namespace, binary(t), "run", "--config", s.config)
	s.up(t)
	return p
}

// TestEveryPacketOfTheWireIsAccountedFor sends a capture at several rates, the last as fast as can be: what was sent is
// what was seen and what the kernel dropped, and every message has its fate.
func TestEveryPacketOfTheWireIsAccountedFor(t *testing.T) {
	namespace := wire(t)
	s := newSite(t, 400)
	s.listenOn(t, "ring = \"2MiB\"\n")
	p := s.startIn(t, namespace)
	sent := uint64(0)
	for _, rate := range [][]string{{"--pps=2000"}, {"--pps=20000", "--loop=3"}, {"--topspeed", "--loop=20"}} {
		sent += s.replayedOnto(t, namespace, append(rate, "--quiet")...)
		l := s.accounted(t, sent)
		t.Logf("%v: %d packets sent in all, %d dropped by the kernel, %d messages dropped", rate, sent,
			l.Packets.KernelDropped, l.Messages.Dropped)
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0: the ledger did not balance\n%s", code, p.stderr.String())
	}
}

// TestCallsOfTheWireAreThoseOfTheFile sends a capture at a rate that nothing is lost at, over one ring and over three.
func TestCallsOfTheWireAreThoseOfTheFile(t *testing.T) {
	namespace := wire(t)
	for _, fanout := range []string{"", "fanout = 3\n"} {
		s := newSite(t, 100)
		s.configure(t, 0)
		want := outcomes(s.replayed(t))
		s.replayedWhole(t, namespace, fanout)
		got := outcomes(s.stored(t))
		for _, as := range []string{"answered", "busy", "cancelled", "failed"} {
			if got[as] != want[as] || len(got) == 0 {
				t.Errorf("%q: %s = %d, want %d", fanout, as, got[as], want[as])
			}
		}
	}
}

// replayedWhole sends the site's capture over the wire to a daemon that loses nothing of it: slower, and to a new daemon,
// where the machine is too busy for the rate before.
func (s *site) replayedWhole(t *testing.T, namespace, extra string) {
	t.Helper()
	for _, rate := range []string{"--pps=2000", "--pps=300", "--pps=40"} {
		if err := os.RemoveAll(filepath.Join(s.dir, "state")); err != nil {
			t.Fatal(err)
		}
		s.listenOn(t, extra)
		p := s.startIn(t, namespace)
		l := s.accounted(t, s.replayedOnto(t, namespace, rate, "--quiet"))
		p.stop(t, syscall.SIGTERM)
		if l.Packets.KernelDropped+l.Messages.Dropped == 0 {
			return
		}
		t.Logf("%s: %d packets and %d messages were lost", rate, l.Packets.KernelDropped, l.Messages.Dropped)
	}
	t.Fatal("packets are lost at every rate")
}

// outcomes counts records by disposition.
func outcomes(rows map[string]string) map[string]int {
	n := map[string]int{}
	for _, text := range rows {
		var row struct{ Disposition string }
		_ = json.Unmarshal([]byte(text), &row)
		n[row.Disposition]++
	}
	return n
}

// page returns a page of the running daemon's socket, whatever its status.
func (s *site) page(t *testing.T, path string) string {
	t.Helper()
	need(t, "curl")
	return command(t, "curl", "-s", "--unix-socket", filepath.Join(s.dir, "state", "sipsieve.sock"), "http://daemon"+path)
}

// unready returns why the running daemon is not ready.
func (s *site) unready(t *testing.T) string { return strings.Join(s.status(t).Why, "; ") }

// awaits waits until what keeps the running daemon from being ready is that.
func (s *site) awaits(t *testing.T, want string) {
	t.Helper()
	for limit := time.Now().Add(patience); s.unready(t) != want; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not ready for %q, want %q", s.unready(t), want)
		}
	}
}

// TestInterfacesMayBeRemovedAndNotThereYet starts a daemon before one of its two interfaces is there, removes and makes
// anew the one and the other, and sends a capture each time. What is sent on the other goes on.
func TestInterfacesMayBeRemovedAndNotThereYet(t *testing.T) {
	t.Parallel()
	namespace := wire(t)
	link := func(args ...string) {
		t.Helper()
		command(t, append([]string{"ip", "-n", namespace, "link"}, args...)...)
	}
	s := newSite(t, 20)
	s.listenOn(t, "[[source]]\ntype = \"interface\"\ninterface = \"second\"\nfanout = 2\n")
	p := s.startIn(t, namespace)
	s.awaits(t, "source.1: interface second is not there")
	sent := s.replayedOnto(t, namespace, "--pps=2000", "--quiet")
	s.accounted(t, sent)

	link("add", "second", "type", "veth", "peer", "name", "third")
	s.awaits(t, "source.1: interface second is down")
	link("set", "second", "up")
	s.awaits(t, "source.1: interface second is without carrier")
	link("set", "third", "up")
	s.awaits(t, "")
	link("del", "near")
	s.awaits(t, "source.0: interface near is not there")
	report := s.examined(t, "ip", "netns", "exec", namespace)
	up0, up1 := "source_up{source=\"source.0\"} 0", "source_up{source=\"source.1\"} 1"
	if page := s.page(t, "/metrics"); !strings.Contains(page, up0) || !strings.Contains(page, up1) {
		t.Errorf("source_up is not 0 for the first and 1 for the second:\n%s", page)
	}
	if up := s.status(t).Sources; up[0].State != "interface near is not there" || up[1].State != daemon.StateReading {
		t.Errorf("sources = %+v, want the first away and the second read", up)
	}
	out, code := report()
	wantFindings(t, out, "source.0 (interface near)", "interface near is not there")
	if code != exitFindings {
		t.Errorf("doctor: exit code = %d, want %d", code, exitFindings)
	}

	link("add", "near", "mtu", "9000", "type", "veth", "peer", "name", "far", "mtu", "9000")
	link("set", "near", "up")
	link("set", "far", "up")
	s.awaits(t, "")
	s.accounted(t, sent+s.replayedOnto(t, namespace, "--pps=2000", "--quiet"))
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	logs(t, p, map[string]int{
		"cannot be read": 2, "is read again": 2, "interface near is not there": 1,
		"source=source.0 name=near": 2, "source=source.1 name=second": 2, // the lines of the filters have no source
	})
	l := finalLedger(t, p.stderr.String())
	if l.Sources["source.0"].Downs == 0 || l.Sources["source.0"].Ring != 2*sent {
		t.Errorf("ledger of source.0 = %+v, want %d frames and an interruption", l.Sources["source.0"], 2*sent)
	}
}

// logs checks how often p has logged each of them.
func logs(t *testing.T, p *process, want map[string]int) {
	t.Helper()
	for text, want := range want {
		if n := strings.Count(p.stderr.String(), text); n != want {
			t.Errorf("%d times %q in the log, want %d:\n%s", n, text, want, p.stderr.String())
		}
	}
}

// TestAFanoutThatLostItsInterfaceTwiceIsBegunAnew removes an interface once more than its rings have spare sockets.
func TestAFanoutThatLostItsInterfaceTwiceIsBegunAnew(t *testing.T) {
	t.Parallel()
	namespace := wire(t)
	s := newSite(t, 20)
	s.listenOn(t, "fanout = 2\n")
	p := s.startIn(t, namespace)
	s.awaits(t, "")
	command(t, "ip", "-n", namespace, "link", "del", "near")
	s.awaits(t, "source.0: interface near is not there")
	command(t, "ip", "-n", namespace, "link", "add", "near", "type", "veth", "peer", "name", "far")
	command(t, "ip", "-n", namespace, "link", "set", "far", "up")
	command(t, "ip", "-n", namespace, "link", "set", "near", "up")
	s.awaits(t, "")
	command(t, "ip", "-n", namespace, "link", "del", "near")
	for range p.lines {
	}
	_ = p.Wait()
	if code := p.ProcessState.ExitCode(); code != exitFindings || !strings.Contains(p.stderr.String(), "begun anew") {
		t.Errorf("exit code = %d, want %d, and why:\n%s", code, exitFindings, p.stderr.String())
	}
}
