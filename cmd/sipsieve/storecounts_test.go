package main

import (
	"syscall"
	"testing"

	"sipsieve/cmd/sipsieve/daemon"
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
	var report daemon.Status
	until(t, "the store", func() bool {
		var err error
		report, err = s.reported(t.Context())
		return err == nil && report.Ledger.Store["billing"].Kept == n && report.Ledger.Ops.Acknowledged > 0 &&
			report.Ledger.Ops.Pending == 0
	})
	if got, want := report.Ledger.Store["billing"], (ledger.Store{Received: n, Kept: n}); got != want {
		t.Errorf("store = %+v, want %+v", got, want)
	}
	put := report.Ledger.Ops.Acknowledged
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
