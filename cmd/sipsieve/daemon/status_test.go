package daemon

import (
	"context"
	"encoding/json"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/cmd/sipsieve/source"
	"slices"
	"strings"
	"testing"
)

// withStop returns a context that stop ends, at the latest the end of the test.
func withStop(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	return ctx, stop
}

// listening adds a HEP feed to d. A daemon that opens it by itself gives up what it may do to the network, and the
// process of the tests with it.
func (d *Daemon) listening(t *testing.T) *Daemon {
	t.Helper()
	one := config.Source{Type: "hep", Name: "proxy-a", Insecure: true, Listen: []string{"udp://127.0.0.1:0"}}
	live, err := source.Open(&one, 0)
	if err != nil {
		t.Fatal(err)
	}
	key := config.SourceKey(len(d.Source))
	d.Source = append(d.Source, one)
	d.reading.feeds = append(d.reading.feeds, feedOf(liveFeed, d.Trunks, pipeline.New(live, d.Plan(1, true)).Named(key)))
	return d
}

// closedStore has d, which does not run yet, bring excerpts into a store that is closed.
func closedStore(t *testing.T, d *Daemon) {
	t.Helper()
	s := *d.Setup
	s.Store = &config.Store{Type: "sqlite"}
	st, err := openStore(&s)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	d.keeping.keepers = append(d.keeping.keepers, newKeeper(d.spool, "billing", PlaceStore, "store-here", st))
}

// miscount makes the ledger of f wrong by a message. The feed is still at its end when a file has ended.
func (f *feed) miscount() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.past.Messages.Total++
}

// TestUnreadyGivesEachReason has every reason come about by what causes it, but for a sweep and a sum that fail.
func TestUnreadyGivesEachReason(t *testing.T) {
	const closed = "CPNI_BILLING: the store takes nothing: unavailable"
	for reason, spoil := range map[string]func(d *Daemon){
		"":                   func(*Daemon) {},
		closed:               func(*Daemon) {}, // before it runs
		"source.1 has ended": func(d *Daemon) { _ = d.reading.feeds[1].close() },
		"the last sweep did not forget everything": func(d *Daemon) { d.keeping.sweepErr.Store(true) },
		"the ledger does not balance":              func(d *Daemon) { d.reading.feeds[0].miscount() },
	} {
		t.Run(reason, func(t *testing.T) {
			d := daemonOf(t, fileSource(ladderFile(t, storm))).listening(t)
			if got := d.Unready(d.Ledger()); !slices.Equal(got, []string{"not running"}) {
				t.Errorf("before it runs: got = %v", got)
			}
			if reason == closed {
				closedStore(t, d)
			}
			ctx, stop := withStop(t)
			ended := make(chan error, 1)
			go func() { ended <- d.Run(ctx) }()
			until(t, "the end of the file", func() bool { return d.SourceState("source.0") == StateEnded })
			until(t, "the reason", func() bool {
				spoil(d) // again, should the first sweep end now
				why := d.Unready(d.Ledger())
				return reason == "" && len(why) == 0 || slices.Equal(why, []string{reason})
			})
			stop()
			<-ended
		})
	}
}

func TestStatusSaysWhatEachSourceDoes(t *testing.T) {
	folder := t.TempDir()
	watched := "[[source]]\ntype = \"directory\"\npath = \"" + folder + "\"\n"
	d := daemonOf(t, fileSource(ladderFile(t, storm))+watched).listening(t)
	ctx, stop := withStop(t)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	var report Status
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("status = %+v", report)
		}
	})
	until(t, "each source as it is", func() bool {
		report = d.Status(t.Context())
		for i := range report.Sources {
			report.Sources[i].Written = ""
		}
		return report.Ready && slices.Equal(report.Sources, []SourceStatus{
			{Key: "source.0", Type: "file", Name: report.Sources[0].Name, State: StateEnded, Packets: 16},
			{Key: "source.1", Type: "directory", Name: folder, State: StateWaiting},
			{Key: "source.2", Type: "hep", Name: "proxy-a", State: StateReading},
		})
	})
	body, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	if report.Balance != "balanced" || len(report.Bus) != len(d.Purposes)+1 || report.Version == "" ||
		strings.Contains(string(body), "ladder.pcap") {
		t.Errorf("balance = %s, %d streams, version %q, or the name of the file", report.Balance, len(report.Bus), report.Version)
	}
	stop()
	<-ended
}

// TestStatusSaysWhyTheStoreWaits has a store that takes nothing.
func TestStatusSaysWhyTheStoreWaits(t *testing.T) {
	d := daemonOf(t, fileSource(ladderFile(t, storm)))
	closedStore(t, d)
	ctx, stop := withStop(t)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	var report Status
	until(t, "the trouble", func() bool {
		report = d.Status(t.Context())
		return report.Troubles["store.billing"] != ""
	})
	if why := report.Troubles["store.billing"]; !strings.Contains(why, "unavailable") {
		t.Errorf("trouble = %s, want that the store is unavailable", why)
	}
	stop()
	<-ended
}
