package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/daemon"
)

// windowed is the purpose of the quickstart policy that is published each minute.
const windowed = "network_ops"

// TestKillWhileExcerptsWaitForTheirWindow kills a daemon, and stops the next one, while records wait for the end of their
// minute: neither publishes any, and after the last start each is stored once.
func TestKillWhileExcerptsWaitForTheirWindow(t *testing.T) {
	t.Parallel()
	if os.Getenv("SIPSIEVE_FULL") == "" {
		t.Skip("SIPSIEVE_FULL=1 runs it: it lasts for minutes")
	}
	s := newSite(t, 20)
	s.configure(t, 0)
	quickstart, err := filepath.Abs("../../configs/quickstart-policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	s.changes(t, s.atOnce(t), quickstart)
	want := records(t, "replay", "--config", s.config, "--purpose", windowed, s.capture)
	stored := func() map[string]string {
		return records(t, "query", "--config", s.config, "--purpose", windowed, "--request", "test-1")
	}
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		if now := time.Now(); now.Second() > 20 { // the minute is to last until the signal
			time.Sleep(time.Until(now.Truncate(time.Minute).Add(time.Minute)))
		}
		minute := time.Now().Truncate(time.Minute)
		p := s.start(t)
		s.up(t)
		s.await(t, "all records wait", func(r *daemon.Status) bool {
			x := r.Ledger.Excerpts[windowed]
			return r.Reading == 0 && int(x.Made) >= len(want) && r.Journal.Excerpts >= uint64(len(want)) || over(minute)
		})
		p.stop(t, signal)
		if n := len(stored()); n > 0 && !over(minute) {
			t.Errorf("%v: %d records are stored before the end of the minute", signal, n)
		}
	}
	minute := time.Now().Truncate(time.Minute)
	p := s.start(t)
	restored := uint64(0)
	for n := 0; n < len(want); {
		if time.Since(minute) > 5*time.Minute {
			t.Fatalf("stored = %d, want %d\n%s", n, len(want), p.stderr.String())
		}
		if r, err := s.reported(t.Context()); err == nil {
			n, restored = r.Records[windowed], r.Ledger.Excerpts[windowed].Restored
		}
		time.Sleep(100 * time.Millisecond)
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	if restored == 0 {
		t.Error("restored = 0: the log gave nothing back")
	}
	same(t, stored(), want)
}

// over reports whether the minute that began then is over.
func over(minute time.Time) bool { return time.Since(minute) >= time.Minute }
