package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
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

// wire is a network of its own: two interfaces, near and far, joined by a cable.
func wire(t *testing.T) (namespace string) {
	t.Helper()
	need(t, "ip", "tcpreplay")
	namespace = fmt.Sprintf("sipsieve-%d", os.Getpid())
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

// status asks the running daemon.
func (s *site) status(t *testing.T) (report statusReport) {
	t.Helper()
	out, err := exec.Command(binary(t), "status", "--config", s.config).Output()
	if err == nil {
		err = json.Unmarshal(out, &report)
	}
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// accounted waits until the daemon knows what became of n packets, and returns its ledger.
func (s *site) accounted(t *testing.T, n uint64) *ledger {
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
		if exec.Command(binary(t), "status", "--config", s.config).Run() == nil {
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
		s.listenOn(t, fanout)
		p := s.startIn(t, namespace)
		sent := s.replayedOnto(t, namespace, "--pps=2000", "--quiet")
		l := s.accounted(t, sent)
		p.stop(t, syscall.SIGTERM)
		if l.Packets.KernelDropped+l.Messages.Dropped > 0 {
			t.Skip("the machine is too busy: packets were lost, and counted")
		}
		got := outcomes(s.stored(t))
		for _, as := range []string{"answered", "busy", "cancelled", "failed"} {
			if got[as] != want[as] || len(got) == 0 {
				t.Errorf("%q: %s = %d, want %d", fanout, as, got[as], want[as])
			}
		}
	}
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

// TestARemovedInterfaceEndsTheDaemonSoThatItIsBegunAnew removes the near end, and then starts without it.
func TestARemovedInterfaceEndsTheDaemonSoThatItIsBegunAnew(t *testing.T) {
	namespace := wire(t)
	s := newSite(t, 20)
	s.listenOn(t, "")
	p := s.startIn(t, namespace)
	sent := s.replayedOnto(t, namespace, "--pps=2000", "--quiet")
	s.accounted(t, sent)
	command(t, "ip", "netns", "exec", namespace, "ip", "link", "del", "near")
	for range p.lines {
	}
	_ = p.Wait()
	if code := p.ProcessState.ExitCode(); code != exitFindings || !strings.Contains(p.stderr.String(), "begun anew") {
		t.Errorf("exit code = %d, want %d, and why:\n%s", code, exitFindings, p.stderr.String())
	}
	if got := len(s.stored(t)); got == 0 {
		t.Error("records = 0: what was read is lost")
	}
	p = s.launch(t, "ip", "netns", "exec", namespace, binary(t), "run", "--config", s.config)
	for range p.lines {
	}
	_ = p.Wait()
	if code := p.ProcessState.ExitCode(); code != exitFindings {
		t.Errorf("without the interface: exit code = %d, want %d\n%s", code, exitFindings, p.stderr.String())
	}
}
