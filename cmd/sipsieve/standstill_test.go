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
		return strings.Contains(r.Troubles["bus.billing"], why) && strings.Contains(got, "the bus takes nothing: state folder ") &&
			strings.Contains(got, why)
	})
	time.Sleep(300 * time.Millisecond) // for more lines, if there were any
	mend()
	p.await(t, len(want))
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	log := p.stderr.String()
	for _, line := range []string{"stream takes nothing, its excerpts are held", "stream takes excerpts again"} {
		if n := strings.Count(log, "msg=\""+line+"\" purpose=billing"); n != 1 {
			t.Errorf("%d lines of billing: %q, want 1:\n%s", n, line, log)
		}
	}
}
