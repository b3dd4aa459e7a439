package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sipsieve/cmd/sipsieve/source"
)

// terminal returns a pseudo-terminal of 80 columns, and what is written to it in the end.
func terminal(t *testing.T) (tty *os.File, written func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(&b, master) }() // it ends with an error when nobody has it open
	t.Cleanup(func() { _ = master.Close() })
	return tty, func() string {
		_ = tty.Close()
		<-done
		return b.String()
	}
}

// TestProgressIsShownOnATerminalOnly replays with standard error on a terminal, with both outputs there, and with none.
func TestProgressIsShownOnATerminalOnly(t *testing.T) {
	s := newSite(t, 50)
	for name, on := range map[string]struct{ stdout, stderr, bar bool }{
		"standard error": {stderr: true, bar: true}, "both": {stdout: true, stderr: true}, "neither": {},
	} {
		tty, written := terminal(t)
		p := exec.Command(binary(t), "replay", s.capture)
		var plain bytes.Buffer
		p.Stdout, p.Stderr = io.Discard, &plain
		if on.stdout {
			p.Stdout = tty
		}
		if on.stderr {
			p.Stderr = tty
		}
		if err := p.Run(); err != nil {
			t.Fatal(err)
		}
		if text := written() + plain.String(); strings.Contains(text, "%") != on.bar {
			t.Errorf("%s: a bar = %t, want %t:\n%q", name, !on.bar, on.bar, text)
		}
	}
}

func TestTooManyFilesAreRefusedAtOnce(t *testing.T) {
	args := []string{"replay"}
	for range source.MostFiles + 1 {
		args = append(args, filepath.Join(t.TempDir(), "none.pcap"))
	}
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), args, &stdout, &stderr); code != exitUsage {
		t.Errorf("exit code = %d, want %d", code, exitUsage)
	}
	if want := fmt.Sprintf("%d files are to be merged", source.MostFiles+1); !strings.Contains(stderr.String(), want) {
		t.Errorf("standard error = %q, want %q in it", stderr.String(), want)
	}
}

// TestFramesWithoutATimeStandInTheLedger reads a file whose second frame has a fraction of two seconds.
func TestFramesWithoutATimeStandInTheLedger(t *testing.T) {
	s := newSite(t, 1)
	text, err := os.ReadFile(s.capture)
	if err != nil {
		t.Fatal(err)
	}
	second := 24 + 16 + int(text[24+8]) + int(text[24+9])<<8
	copy(text[second+4:], []byte{0x80, 0x84, 0x1e, 0}) // 2,000,000 microseconds
	if err := os.WriteFile(s.capture, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ledger := filepath.Join(s.dir, "ledger.json")
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), []string{"replay", "--demo-keys", "--ledger", ledger, s.capture}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code = %d: %s", code, stderr.String())
	}
	out, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), `"undated": 1,`) {
		t.Errorf("ledger = %s, want one undated", out)
	}
}
