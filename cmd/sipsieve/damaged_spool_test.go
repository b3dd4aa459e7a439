package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sipsieve/cmd/sipsieve/daemon"
)

// TestADamagedSpoolIsSaidAndAnnounced flips a bit of a record that waits in the spool for the hub. All others get into the
// store that the host has afterwards, with a record of the loss.
func TestADamagedSpoolIsSaidAndAnnounced(t *testing.T) {
	t.Parallel()
	const store = "[store]\ntype = \"sqlite\"\n"
	s, h := newSite(t, 20), newHub(t)
	s.configure(t, 0)
	want := s.replayed(t)
	s.changes(t, store, "")
	s.pushesTo(t, h.url())
	p := s.start(t)
	p.await(t, len(want))
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	path := filepath.Join(s.dir, "state", "bus", "jetstream", "$G", "streams", "CPNI_BILLING", "msgs", "1.blk")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(data[len(data)/2:], []byte(`"kind"`)) + len(data)/2 // within a record
	data[i] ^= 4
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}

	s.readsNothingMore(t)
	s.changes(t, "[http]\n", store+"[http]\n")
	p = s.start(t)
	s.up(t)
	s.await(t, "the records, one less, and that of the loss", func(one *daemon.Status) bool {
		return one.Records["billing"] == len(want)
	})
	s.await(t, "the damage in the status", func(one *daemon.Status) bool {
		return strings.Contains(one.Troubles["bus.damaged.billing"], "1 records lost") && one.Ledger.Bus.Damages == 1 &&
			one.Ledger.Bus.Lost == 1
	})
	if page := s.page(t, "/metrics"); !strings.Contains(page, "sipsieve_bus_damaged_lost_total 1\n") {
		t.Error("the metrics have no sipsieve_bus_damaged_lost_total of 1")
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	logs(t, p, map[string]int{"the spool was damaged": 1})
	losses := 0
	for id, record := range s.stored(t) {
		switch {
		case strings.Contains(record, `"reason":"damaged"`):
			if losses++; !strings.Contains(record, `"kind":"loss"`) || !strings.Contains(record, `"count":1`) {
				t.Errorf("loss = %s, want of one record", record)
			}
		case record != want[id]:
			t.Errorf("record:\n got %s\nwant %s", record, want[id])
		}
	}
	if losses != 1 {
		t.Errorf("records of the loss = %d, want 1", losses)
	}
}
