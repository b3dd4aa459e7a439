package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A network is three network namespaces in a row: caller (10.9.1.2), proxy (10.9.1.1 on access, 10.9.2.1 on core) and
// callees (10.9.2.2), all with IPv6 beside (fd09:1::, fd09:2::).
type network struct {
	caller, proxy, callee string

	late atomic.Int64 // nanoseconds: the longest that this machine has kept a program from its clock, since newNetwork
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	need(t, "ip", "ss", "timeout", "kamailio", "sipp")
	name := namespaceName() + "-"
	n := &network{caller: name + "caller", proxy: name + "proxy", callee: name + "callee"}
	for _, namespace := range []string{n.caller, n.proxy, n.callee} {
		command(t, "ip", "netns", "add", namespace)
		t.Cleanup(func() { command(t, "ip", "netns", "del", namespace) })
	}
	for i, side := range []struct{ name, to string }{{"access", n.caller}, {"core", n.callee}} {
		command(t, "ip", "-n", n.proxy, "link", "add", side.name, "type", "veth", "peer", "name", "eth0", "netns", side.to)
		n.connect(t, n.proxy, side.name, i+1, 1)
		n.connect(t, side.to, "eth0", i+1, 2)
	}
	go n.watchClock(t.Context())
	return n
}

// watchClock measures how much later than it asked for a goroutine runs.
func (n *network) watchClock(ctx context.Context) {
	const pause = 2 * time.Millisecond
	for ctx.Err() == nil {
		began := time.Now()
		time.Sleep(pause)
		n.late.Store(max(n.late.Load(), int64(time.Since(began)-pause)))
	}
}

// mostly and busy are by how much the times of a program differ from those on the wire: for half of all calls, and for
// each. The machine may be shared; what it kept this process from its clock it keeps others, too.
func (n *network) mostly() time.Duration { return 50*time.Millisecond + 4*time.Duration(n.late.Load()) }
func (n *network) busy() time.Duration   { return time.Second + 10*time.Duration(n.late.Load()) }

// connect gives an interface its addresses.
func (n *network) connect(t *testing.T, namespace, name string, side, host int) {
	t.Helper()
	command(t, "ip", "-n", namespace, "addr", "add", fmt.Sprintf("10.9.%d.%d/24", side, host), "dev", name)
	command(t, "ip", "-n", namespace, "addr", "add", fmt.Sprintf("fd09:%d::%d/64", side, host), "dev", name, "nodad")
	command(t, "ip", "-n", namespace, "link", "set", name, "up")
}

// longest is how long a program of a scenario may run, whatever becomes of the test.
const longest = "300"

// A resident is a program in a network, and what it writes. Whoever has seen it end may read that.
type resident struct {
	*exec.Cmd
	log   bytes.Buffer
	ended chan error
}

// start runs a program in a namespace. It ends with the test, or when it has run for too long.
func (n *network) start(t *testing.T, namespace string, args ...string) *resident {
	t.Helper()
	r := &resident{ended: make(chan error, 1)}
	r.Cmd = exec.Command("timeout", append([]string{"-k", "60", longest, "ip", "netns", "exec", namespace}, args...)...)
	r.Dir, r.Stdout, r.Stderr = t.TempDir(), &r.log, &r.log
	r.WaitDelay = patience // for what outlives its group
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.Wait() }()
	t.Cleanup(func() { r.stop() })
	return r
}

// stop ends r, which is a process group of its own, and waits for its end.
func (r *resident) stop() {
	_ = r.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-r.ended:
		r.ended <- err
	case <-time.After(patience):
		_ = syscall.Kill(-r.Process.Pid, syscall.SIGKILL)
		r.ended <- <-r.ended
	}
}

// listens waits until the UDP port is bound in a namespace: datagrams that arrive from then on are queued.
func (n *network) listens(t *testing.T, namespace string, port int) {
	t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		out := command(t, "ip", "netns", "exec", namespace, "ss", "-Hlun", "sport", "=", fmt.Sprintf(":%d", port))
		if strings.TrimSpace(out) != "" {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("nobody listens on port %d", port)
		}
	}
}

// beside returns the absolute path of a file of the live tests.
func beside(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "live", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// proxies starts Kamailio. What it accounts for is in its log.
func (n *network) proxies(t *testing.T) *resident {
	t.Helper()
	dir := t.TempDir()
	r := n.start(t, n.proxy, "kamailio", "-DD", "-E", "-m", "32", "-M", "4", "-w", dir, "-Y", dir,
		"-f", beside(t, "kamailio.cfg"))
	n.listens(t, n.proxy, 5060)
	return r
}

// takes starts the devices of sc that take calls.
func (n *network) takes(t *testing.T, sc *liveScenario) {
	t.Helper()
	address := "10.9.2.2"
	if sc.ipv6 {
		address = "fd09:2::2"
	}
	for i, device := range sc.devices {
		port := 5060 + 10*i
		args := []string{"sipp", "-sf", beside(t, device+".xml"), "-i", address, "-p", strconv.Itoa(port), "-nostdin"}
		if sc.lossy {
			args = append(args, sc.flags...)
		}
		n.start(t, n.callee, append(args, address)...)
		n.listens(t, n.callee, port)
	}
}

// calls makes calls as in the SIPp scenario and returns SIPp's statistics at the end, by the name of the column.
func (n *network) calls(t *testing.T, sc *liveScenario) map[string]string {
	t.Helper()
	own, proxy := "10.9.1.2", "10.9.1.1:5060"
	if sc.ipv6 {
		own, proxy = "fd09:1::2", "[fd09:1::1]:5060"
	}
	dir := t.TempDir()
	table, complaints := filepath.Join(dir, "stat.csv"), filepath.Join(dir, "errors")
	args := append([]string{"sipp", "-sf", beside(t, sc.caller+".xml"), "-inf", beside(t, "callers.csv"), "-s", sc.called,
		"-i", own, "-p", "5060", "-m", strconv.Itoa(sc.calls), "-r", "8", "-nostdin", "-timeout", "240s", "-timeout_error",
		"-trace_stat", "-stf", table, "-trace_err", "-error_file", complaints}, sc.flags...)
	r := n.start(t, n.caller, append(args, proxy)...)
	err := <-r.ended
	r.ended <- err
	if text, _ := os.ReadFile(complaints); err != nil && !sc.lossy {
		t.Fatalf("sipp: %v\n%s", err, text)
	}
	return lastRow(t, table)
}

// lastRow reads the last line of a table of SIPp's by the names of its first.
func lastRow(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(string(text)))
	r.Comma, r.FieldsPerRecord = ';', -1
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("%d lines of statistics, %v", len(rows), err)
	}
	row := map[string]string{}
	for i, name := range rows[0] {
		if last := rows[len(rows)-1]; i < len(last) {
			row[name] = last[i]
		}
	}
	return row
}

// count reads a number of SIPp's statistics.
func count(t *testing.T, row map[string]string, column string) int {
	t.Helper()
	n, err := strconv.Atoi(row[column])
	if err != nil {
		t.Fatalf("sipp: column %s = %q", column, row[column])
	}
	return n
}

// span reads a time of SIPp's statistics, such as 00:00:01:250000, 0 if there is none.
func span(row map[string]string, column string) time.Duration {
	var h, m, s, us time.Duration
	if n, _ := fmt.Sscanf(row[column], "%d:%d:%d:%d", &h, &m, &s, &us); n < 4 {
		return 0
	}
	return h*time.Hour + m*time.Minute + s*time.Second + us*time.Microsecond
}
