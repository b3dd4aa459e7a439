package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestARestoredHostHasEachRecordOnce is the drill of systemd/README.md: a host's state folder is copied while the daemon
// is stopped, the host is lost after it has read more, and another begins with the copy and reads everything again.
func TestARestoredHostHasEachRecordOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, 60)
	whole := s.capture
	want := s.replayed0(t)
	part := newSite(t, 30)
	s.changes(t, whole, part.capture) // the first half of the same calls
	p := s.start(t)
	s.awaitStored(t, 30)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	state := filepath.Join(s.dir, "state")
	copied := filepath.Join(s.dir, "copied")
	if err := os.CopyFS(copied, os.DirFS(state)); err != nil {
		t.Fatal(err)
	}

	s.changes(t, part.capture, whole)
	p = s.start(t)
	s.awaitStored(t, len(want))
	p.stop(t, syscall.SIGKILL)
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}

	if err := os.Rename(copied, state); err != nil {
		t.Fatal(err)
	}
	if got := s.stored(t); len(got) != 30 {
		t.Errorf("records of the copy = %d, want 30", len(got))
	}
	p = s.start(t)
	s.awaitStored(t, len(want))
	same(t, s.stored(t), want)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	same(t, s.stored(t), want)
}
