package main

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"sipsieve/cmd/sipsieve/ledger"
)

func TestTheLedgerSaysWhatBusAndStoreDid(t *testing.T) {
	t.Parallel()
	s := newSite(t, 20)
	s.configure(t, 0)
	n := uint64(len(s.replayed(t)))
	p := s.start(t)
	p.await(t, int(n))
	s.awaitStored(t, int(n))
	var report statusReport
	until(t, "the store", func() bool {
		var err error
		report, err = s.reported(t.Context())
		return err == nil && report.Ledger.Store["billing"].Kept == n
	})
	if got, want := report.Ledger.Store["billing"], (ledger.Store{Received: n, Kept: n}); got != want {
		t.Errorf("store = %+v, want %+v", got, want)
	}
	var put uint64
	for _, x := range report.Ledger.Excerpts {
		put += x.Acknowledged
	}
	if got, want := report.Ledger.Bus, (ledger.Bus{Published: put}); got != want || put < n {
		t.Errorf("bus = %+v, want %+v", got, want)
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
}

// TestStatusSaysWhyTheStoreWaits has a store that takes nothing.
func TestStatusSaysWhyTheStoreWaits(t *testing.T) {
	d := daemonOf(t, fileSource(ladderFile(t, storm)))
	ctx, stop := withStop(t)
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	until(t, "the end of the file", func() bool { return d.stateOf("source.0") == stateEnded })
	closedStore(t, d)
	var report statusReport
	until(t, "the trouble", func() bool {
		_, body := get(t, d, "/status")
		return json.Unmarshal([]byte(body), &report) == nil && report.Troubles["store.billing"] != ""
	})
	if why := report.Troubles["store.billing"]; !strings.Contains(why, "unavailable") {
		t.Errorf("trouble = %s, want that the store is unavailable", why)
	}
	stop()
	<-ended
}
