package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/daemon"
)

// TestAFullDiskIsNamedOnceAndWaitedFor fills the disk of the state folder of a daemon that runs.
func TestAFullDiskIsNamedOnceAndWaitedFor(t *testing.T) {
	t.Parallel()
	need(t, "mount", "umount")
	s := newSite(t, 200)
	s.configure(t, 30)
	want := s.replayed(t)
	state := mounted(t, s, "-t", "tmpfs", "-o", "size=64m", "none")
	p := s.start(t)
	s.up(t)
	mend := fillDisk(t, state)
	const why = "no space left on device"
	s.await(t, "that the bus takes nothing, and why", func(r *daemon.Status) bool {
		got := strings.Join(r.Why, "\n")
		return strings.Contains(r.Troubles["bus"], why) && strings.Contains(got, "the bus takes nothing: state folder ") &&
			strings.Contains(got, why)
	})
	time.Sleep(300 * time.Millisecond) // for more lines, if there were any
	mend()
	p.await(t, len(want))
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0", code)
	}
	log := p.stderr.String()
	if n := strings.Count(log, "bus unavailable"); n != 1 || strings.Count(log, "bus takes excerpts again") != 1 {
		t.Errorf("%d lines that the bus is unavailable, want 1, and 1 that it takes excerpts again:\n%s", n, log)
	}
}
