package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/store/bus"
)

// tenMinutes returns ten minutes of traffic, 50 calls a second, as files of ten seconds of a capture that began an hour
// ago.
func tenMinutes(t *testing.T) (files [][]byte) {
	t.Helper()
	frames := capturetest.Corpus(30_000, 10) // a call every 20 ms
	by := time.Now().Add(-time.Hour).Truncate(time.Hour).Sub(frames[0].Time)
	for i := range frames {
		frames[i].Time = frames[i].Time.Add(by)
	}
	for len(frames) > 0 {
		n := 1
		for n < len(frames) && frames[n].Time.Sub(frames[0].Time) < 10*time.Second {
			n++
		}
		files = append(files, pcapFile(t, frames[:n]))
		frames = frames[n:]
	}
	return files
}

// eventually is until for what takes minutes on a busy machine.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for limit := time.Now().Add(5 * time.Minute); !done(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s: does not come", what)
		}
	}
}

// TestTenMinutesWithoutTheHubLoseNothing has the hub away from the start, for as many packets as ten minutes of 50 calls
// a second have, which come as fast as the daemon reads them: the spool gets in two minutes what it would in ten. It is
// stopped after a third of them and killed after another. When the hub has come, a storage host gets all of every purpose;
// the records of billing are those of the whole capture.
func TestTenMinutesWithoutTheHubLoseNothing(t *testing.T) {
	if os.Getenv("SIPSIEVE_FULL") == "" {
		t.Skip("SIPSIEVE_FULL=1 runs it")
	}
	t.Parallel()
	h := newHub(t)
	r := newRotation(t, tenMinutes(t))
	r.changes(t, "[store]\ntype = \"sqlite\"\n", "")
	r.pushesTo(t, h.url())
	third := len(r.files) / 3
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		r.grow(t, third)
		p := r.start(t)
		r.up(t)
		seen := r.status(t).Ledger.Packets.Seen
		r.await(t, "most of a third", func(s *daemon.Status) bool {
			return s.Ledger.Packets.Seen > seen+50_000 && s.Ledger.Excerpts["billing"].Acknowledged > 1000
		})
		p.stop(t, sig)
	}
	r.grow(t, len(r.files))
	p := r.start(t)
	r.up(t)
	eventually(t, "all that was captured on the spool", func() bool {
		s := r.status(t)
		return s.Sources[0].State == daemon.StateWaiting && !underWay(&s) && r.allRead(t)
	})
	began := time.Now()
	h.up(t)
	r.arrange(t, bus.Remote{URL: h.url()})
	storage := r.storageHost(t)
	q := storage.start(t)
	storage.up(t)
	eventually(t, "all in the store", func() bool {
		for _, one := range r.status(t).Bus {
			if one.Keepers[daemon.PlaceHub].Behind > 0 {
				return false
			}
		}
		for _, one := range storage.status(t).Bus {
			if one.Keepers[daemon.PlaceStore].Behind > 0 {
				return false
			}
		}
		return true
	})
	r.awaits(t, "")
	t.Logf("the spool was pushed and stored in %v: %v", time.Since(began), storage.status(t).Records)
	for _, one := range []*process{p, q} {
		if code := one.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code = %d, want 0\n%s", code, one.stderr.String())
		}
	}
	paths, err := filepath.Glob(filepath.Join(r.folder, "*.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, storage.stored(t), records(t, append([]string{"replay", "--config", r.config, "--purpose", "billing"}, paths...)...))
}
