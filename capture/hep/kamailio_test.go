package hep

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"sipsieve/capture"
	reader "sipsieve/sip"
)

const (
	calls   = 10
	perCall = 13 // a 100 of the proxy; INVITE, 180, 200, ACK, BYE and 200 on both of its sides
)

// TestKamailioAndSippAreHeardWhole has SIPp call SIPp through Kamailio, which mirrors with each version of HEP.
func TestKamailioAndSippAreHeardWhole(t *testing.T) {
	for _, program := range []string{"kamailio", "sipp"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("%s is not installed", program)
		}
	}
	for version := 1; version <= 3; version++ {
		t.Run("version "+strconv.Itoa(version), func(t *testing.T) {
			s := opened(t, func(c *Config) {
				if c.Listen = c.Listen[:1]; version == 3 {
					c.KeyFile = secretFile(t)
				}
			})
			placeCalls(t, s, version)
			receive(t, s, version)
		})
	}
}

func secretFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// placeCalls starts callee and proxy, and returns when the caller has made its calls.
func placeCalls(t *testing.T, s *Source, version int) {
	t.Helper()
	host := ownAddress()
	dir := t.TempDir()
	start(t, dir, "sipp", "-sn", "uas", "-i", host, "-p", calleePort, "-nostdin", "-timeout", "120s")
	config, err := filepath.Abs("testdata/kamailio.cfg")
	if err != nil {
		t.Fatal(err)
	}
	start(t, dir, "kamailio", "-f", config, "-DD", "-E", "-m", "32", "-M", "4", "-Y", dir,
		"-l", "udp:"+host+":"+proxyPort, "-A", fmt.Sprintf("COLLECTOR=\"sip:%s\"", s.Addrs()[0]),
		"-A", "VERSION="+strconv.Itoa(version), "-A", fmt.Sprintf("CALLEE=\"sip:%s:%s\"", host, calleePort))
	await(t, "the callee listens", func() bool { return listens(t, host, calleePort) })
	await(t, "the proxy listens", func() bool { return listens(t, host, proxyPort) })
	done := start(t, dir, "sipp", "-sn", "uac", host+":"+proxyPort, "-i", host, "-p", callerPort, "-nostdin",
		"-m", strconv.Itoa(calls), "-r", "50", "-d", "20", "-timeout", "60s", "-timeout_error")
	if err := <-done; err != nil {
		t.Fatalf("the caller: %v", err)
	}
}

// start runs a program that is ended with the test, with all that it started, and returns how it ended. It ends by
// itself after two minutes, should the test be killed.
func start(t *testing.T, dir, program string, args ...string) <-chan error {
	t.Helper()
	cmd := exec.Command("timeout", append([]string{"120", program}, args...)...)
	cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done, gone := make(chan error, 1), make(chan struct{})
	go func() {
		done <- cmd.Wait()
		close(gone)
	}()
	t.Cleanup(func() {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			_ = syscall.Kill(-cmd.Process.Pid, sig)
			select {
			case <-gone:
			case <-time.After(5 * time.Second):
			}
		}
		if t.Failed() {
			t.Logf("%s output: %s", program, output.Bytes()[max(0, output.Len()-2000):])
		}
	})
	return done
}

// ownAddress returns an address of loopback that no other process of tests has, so that its ports are free. Process
// numbers have 22 bits at most.
func ownAddress() string {
	pid := os.Getpid()
	return net.IPv4(127, 64|byte(pid>>16), byte(pid>>8), byte(pid)).String()
}

// Ports of ownAddress.
const proxyPort, calleePort, callerPort = "5060", "5070", "5080"

// listens reports whether the UDP port is bound: after a datagram to an unbound port the next write fails.
func listens(t *testing.T, host, port string) bool {
	t.Helper()
	conn, err := net.Dial("udp", host+":"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("\r\n\r\n")) // a keepalive, RFC 5626
	time.Sleep(10 * time.Millisecond)
	_, err = conn.Write([]byte("\r\n\r\n"))
	return err == nil
}

// receive takes packets until every message of every call has come, on each side of the proxy.
func receive(t *testing.T, s *Source, version int) {
	t.Helper()
	r := reader.NewReader(reader.Selection{}, reader.DefaultLimits())
	received := map[string]int{} // a retransmission counts once
	kinds, packets := map[string]int{}, 0
	for ; len(received) < calls*perCall; packets++ {
		p, err := next(s)
		if err != nil {
			t.Fatalf("%d different messages, want %d: %v: %v", len(received), calls*perCall, kinds, err)
		}
		if p.Flow.Transport != capture.UDP || !p.Flow.Src.Addr().IsLoopback() || time.Since(p.Time).Abs() > patience {
			t.Errorf("got = %+v", p.Flow)
		}
		r.Read(&p, func(m *reader.Message) {
			received[fmt.Sprint(m.Flow, m.Status, m.Method, m.CSeq, string(m.Value(reader.CallID)))]++
			kinds[fmt.Sprint(m.Status, m.Method)]++
		})
	}
	d, st := s.Drops(), s.Stats()
	if d.Kernel != 0 || d.Refused != [capture.Reasons]uint64{} || d.Seen != uint64(packets) {
		t.Errorf("drops = %+v after %d packets", d, packets)
	}
	if agent := map[int]uint32{1: 0, 2: 2001, 3: 2001}[version]; st.Agents[agent] < uint64(packets) || st.Skewed != 0 {
		t.Errorf("stats = %+v after %d packets", st, packets)
	}
}
