package main

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/collector"
	"sipsieve/store/vault"
)

// TestAFullCheckpointLogIsRestoredInLittleMemory starts a daemon whose log has as many calls as it may follow, and looks
// at how much memory it needed at most: what the calls take, and a part of the log on top.
func TestAFullCheckpointLogIsRestoredInLittleMemory(t *testing.T) {
	t.Parallel()
	n := 40_000
	if os.Getenv("SIPSIEVE_FULL") == "1" {
		n = 400_000
	}
	f := newFeeder(t, threeCalls, fmt.Sprintf("[calls]\nlimit = %d\nper_source = 0\n", n))
	s := demoSetup(t, "")
	c := checkpoint.Config{Path: f.journalPath(), Policy: s.Policy.Hash(), Sealer: vault.Demo().Sealer("journal"),
		Log: slog.New(slog.DiscardHandler)}
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o700); err != nil {
		t.Fatal(err)
	}
	l := checkpoint.Open(c)
	if err := l.Trouble(); err != nil {
		t.Fatal(err)
	}
	go l.Run()
	encoder := collector.NewEncoder(s.Records, s.Purposes)
	for i := 0; i < n; i += 1000 {
		opened, _ := openCalls(t, s, i, 1000)
		var entries []checkpoint.Entry
		for j := range opened {
			entries = encoder.Append(entries, &opened[j])
		}
		l.Put(entries)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	binary(t)
	began := time.Now()
	p := f.launch(t, "env", "GOMEMLIMIT=1400MiB", binary(t), "run", "--config", f.config) // as the unit has it
	f.up(t)
	took, r := time.Since(began), f.status(t)
	peak := highWater(t, p.Process.Pid)
	p.stop(t, syscall.SIGKILL)
	t.Logf("%d calls of %d bytes each: up after %v, %d MiB at most", n, checkpoint.Reported(l).Bytes/uint64(n), took, peak>>20)
	if r.Journal.Restored != uint64(n) {
		t.Fatalf("restored = %d, want %d", r.Journal.Restored, n)
	}
	if most := uint64(180<<20) + uint64(n)*3072; peak > most { // 1352 MiB of 400,000 calls; the unit allows 2 GiB
		t.Errorf("memory = %d MiB, want %d at most", peak>>20, most>>20)
	}
}

// highWater returns the most memory that a process had at once, in bytes.
func highWater(t *testing.T, pid int) uint64 {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if kib, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(kib, "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
