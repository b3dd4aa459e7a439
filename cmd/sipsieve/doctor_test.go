package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/cmd/sipsieve/source"
)

// wrap turns a ladder into a capture file whose frames are wrapped, in each tunnel or tag that is named, the
// innermost first; the word plain keeps the frames as they are, too: wrap IN [plain] KIND... OUT.
func wrap() {
	drawn(func(frames []capturetest.Frame) ([]capturetest.Frame, error) {
		var out []capturetest.Frame
		wrapped := frames
		for _, name := range os.Args[2 : len(os.Args)-1] {
			if name == "plain" {
				out = frames
				continue
			}
			kind, ok := encapsulations()[name]
			if !ok {
				return nil, errors.New("no such encapsulation")
			}
			wrapped = capturetest.Encapsulate(wrapped, capturetest.Wrapping{Kind: kind})
		}
		return append(out[:len(out):len(out)], wrapped...), nil
	})
}

func encapsulations() map[string]capture.Encapsulation {
	all := map[string]capture.Encapsulation{}
	for e := range capture.Encapsulations {
		all[e.String()] = e
	}
	return all
}

// cipher turns a ladder into a capture file whose payloads are records of TLS, or of DTLS over UDP: cipher IN OUT.
func cipher() {
	drawn(func(frames []capturetest.Frame) ([]capturetest.Frame, error) { return encrypted(frames), nil })
}

// encrypted turns the payloads of frames into records of TLS, or of DTLS over UDP.
func encrypted(frames []capturetest.Frame) []capturetest.Frame {
	for _, f := range frames {
		payload, head := f.Data[14+20+8:], []byte{0x17, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1}
		if f.Data[14+9] == 6 {
			payload, head = f.Data[14+20+20:], []byte{0x17, 3, 3}
		}
		if len(payload) > len(head)+2 {
			n := copy(payload, head)
			length := len(payload) - n - 2
			payload[n], payload[n+1] = byte(length>>8), byte(length)
			clear(payload[n+2:])
		}
	}
	return frames
}

// examined starts doctor and returns, once it listens, what ends it and gives its report and exit code.
func (s *site) examined(t *testing.T, args ...string) (report func() (string, int)) {
	t.Helper()
	args = append(args, binary(t), "doctor", "--config", s.config, "--for", patience.String())
	p := exec.Command(args[0], args[1:]...)
	var out strings.Builder
	p.Stdout = &out
	stderr, err := p.StderrPipe()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	lines := bufio.NewReader(stderr)
	if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "listening") {
		rest, _ := io.ReadAll(lines)
		t.Fatalf("doctor says %q, want that it listens: %s", line, rest)
	}
	return func() (string, int) {
		if err := p.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, lines)
		_ = p.Wait()
		return out.String(), p.ProcessState.ExitCode()
	}
}

func wantFindings(t *testing.T, report string, want ...string) {
	t.Helper()
	for _, line := range want {
		if !strings.Contains(report, line) {
			t.Errorf("report lacks %q:\n%s", line, report)
		}
	}
}

// TestDoctorSeesAFeedWhoseClockIsWrong sends it a feed of a year ago.
func TestDoctorSeesAFeedWhoseClockIsWrong(t *testing.T) {
	t.Parallel()
	path := filepath.Join(captures, "generated", "g25-hep3-core.pcap")
	if _, err := os.Stat(path); err != nil {
		t.Skip(err)
	}
	file, err := source.OpenFiles([]string{path}, source.HEP{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	address := ownAddress()
	s := newSite(t, 1)
	text := fmt.Sprintf("[[source]]\ntype = \"hep\"\nname = \"core\"\ninsecure = true\nlisten = [\"tcp://%s\"]\n", address)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	report := s.examined(t)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	for p, err := file.Next(); err == nil; p, err = file.Next() {
		if string(p.Payload[:min(4, len(p.Payload))]) == "HEP3" {
			sent++
			if _, err := conn.Write(p.Payload); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, conn) // it ends when all has been taken
	out, code := report()
	wantFindings(t, out, "source.0 (feed core)", fmt.Sprintf("%d packets had a timestamp that is more than 2s off", sent),
		fmt.Sprintf("all sources\n    messages     %d:", sent))
	if code != exitFindings {
		t.Errorf("exit code = %d, want %d", code, exitFindings)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "state")); err == nil {
		t.Error("doctor has made a state folder")
	}
}

// TestDoctorSeesWhatAnInterfaceIsNotAskedFor sends calls on another port, in a tunnel, beside a daemon that runs.
func TestDoctorSeesWhatAnInterfaceIsNotAskedFor(t *testing.T) {
	t.Parallel()
	namespace := wire(t)
	s := newSite(t, 20)
	s.listenOn(t, "")
	text, err := os.ReadFile(s.config)
	if err == nil {
		err = os.WriteFile(s.config, []byte(strings.Replace(string(text), "5060-5080", "5061", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.startIn(t, namespace)
	report := s.examined(t, "ip", "netns", "exec", namespace)
	frames := capturetest.Encapsulate(capturetest.Corpus(20, 1), capturetest.Wrapping{Kind: capture.VXLAN})
	w, err := os.Create(s.capture)
	if err == nil {
		err = errors.Join(capturetest.WritePcap(w, frames), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	s.replayedOnto(t, namespace, "--pps=200", "--quiet") // so slow that the first are read before the last are sent
	out, code := report()
	wantFindings(t, out, "source.0 (interface near)", "carried in   vxlan",
		"tunnels = [\"vxlan\"]", "ports = [\"5061\", \"5060\"]")
	if code != exitFindings {
		t.Errorf("exit code = %d, want %d", code, exitFindings)
	}
}
