package main

import (
	"context"
	"encoding/json"
	"net/http"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/source"
	"slices"
	"strings"
	"testing"

	"sipsieve/cmd/sipsieve/pipeline"
)

// withStop returns a context that stop ends, at the latest the end of the test.
func withStop(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	return ctx, stop
}

// reasons asks d whether it is ready, and returns why it is not.
func reasons(t *testing.T, d *daemon) []string {
	t.Helper()
	code, body := get(t, d, "/readyz")
	var answer struct {
		Ready bool
		Why   []string
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	want := map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable}[len(answer.Why) == 0]
	if code != want || answer.Ready != (len(answer.Why) == 0) {
		t.Errorf("code = %d, ready = %t with %v", code, answer.Ready, answer.Why)
	}
	return answer.Why
}

// listening adds a HEP feed to d. A daemon that opens it by itself gives up what it may do to the network, and the
// process of the tests with it.
func (d *daemon) listening(t *testing.T) *daemon {
	t.Helper()
	one := config.Source{Type: "hep", Name: "proxy-a", Insecure: true, Listen: []string{"udp://127.0.0.1:0"}}
	live, err := source.Open(&one, 0)
	if err != nil {
		t.Fatal(err)
	}
	key := config.SourceKey(len(d.Source))
	d.Source = append(d.Source, one)
	d.feeds = append(d.feeds, feedOf(liveFeed, d.Trunks, pipeline.New(live, d.Plan(1, true)).Named(key)))
	return d
}

// closedStore has a consumer of d bring what comes into a store that is closed.
func closedStore(t *testing.T, d *daemon) {
	st, err := openStore(d.Setup)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	c, done := d.bus.Consumer("billing", "store-here"), make(chan error, 1)
	d.consumers = append(d.consumers, c)
	go func() { done <- c.Run(t.Context(), st) }()
	t.Cleanup(func() { <-done })
}

// TestReadyzSaysEachReason has every reason come about by what causes it, but for a sweep and a sum that fail.
func TestReadyzSaysEachReason(t *testing.T) {
	for reason, spoil := range map[string]func(t *testing.T, d *daemon){
		"":                        func(*testing.T, *daemon) {},
		"source.1 has ended":      func(_ *testing.T, d *daemon) { _ = d.feeds[1].close() },
		"the store takes nothing": closedStore,
		"the last sweep did not forget everything": func(_ *testing.T, d *daemon) { d.sweepErr.Store(true) },
		"the ledger does not balance":              func(_ *testing.T, d *daemon) { d.feeds[0].past.Messages.Total++ },
	} {
		t.Run(reason, func(t *testing.T) {
			d := daemonOf(t, fileSource(ladderFile(t, storm))).listening(t)
			if got := reasons(t, d); !slices.Equal(got, []string{"not running"}) {
				t.Errorf("before it runs: got = %v", got)
			}
			ctx, stop := withStop(t)
			ended := make(chan error, 1)
			go func() { ended <- d.run(ctx) }()
			until(t, "the end of the file", func() bool { return d.stateOf("source.0") == stateEnded })
			spoil(t, d)
			until(t, "the reason", func() bool {
				why := reasons(t, d)
				return reason == "" && len(why) == 0 || slices.Equal(why, []string{reason})
			})
			stop()
			<-ended
		})
	}
}

// TestReadyzGivesDetails has a daemon that has seen some TLS.
func TestReadyzGivesDetails(t *testing.T) {
	d := daemonOf(t, fileSource(ladderFile(t, storm)))
	d.feeds[0].past.Packets.Passed = 8
	d.feeds[0].past.Packets.Refused.Add("opaque", 2)
	d.feeds[0].past.Messages.Late = 3
	_, body := get(t, d, "/readyz")
	var answer struct{ Details details }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if got := answer.Details; got.TLSShare != 0.25 || got.Late != 3 || got.Clock == "" {
		t.Errorf("details = %+v, want a share of 0.25, 3 late, and the clock", got)
	}
}

func TestFileThatEndsLeavesTheDaemonReady(t *testing.T) {
	d := daemonOf(t, fileSource(ladderFile(t, storm)))
	ctx, stop := withStop(t)
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	until(t, "the end of the file", func() bool { return d.stateOf("source.0") == stateEnded })
	if got := reasons(t, d); len(got) > 0 {
		t.Errorf("got = %v, want none", got)
	}
	stop()
	<-ended
}

func TestStatusSaysWhatEachSourceDoes(t *testing.T) {
	folder := t.TempDir()
	watched := "[[source]]\ntype = \"directory\"\npath = \"" + folder + "\"\n"
	d := daemonOf(t, fileSource(ladderFile(t, storm))+watched).listening(t)
	ctx, stop := withStop(t)
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	until(t, "the end of the file", func() bool { return d.stateOf("source.0") == stateEnded })
	_, body := get(t, d, "/status")
	var report statusReport
	if err := json.Unmarshal([]byte(body), &report); err != nil {
		t.Fatal(err)
	}
	want := []sourceReport{
		{Key: "source.0", Type: "file", Name: report.Sources[0].Name, State: stateEnded, Packets: 16},
		{Key: "source.1", Type: "directory", Name: folder, State: stateWaiting},
		{Key: "source.2", Type: "hep", Name: "proxy-a", State: stateReading},
	}
	if !slices.Equal(report.Sources, want) || strings.Contains(body, "ladder.pcap") {
		t.Errorf("sources = %+v, want %+v", report.Sources, want)
	}
	if !report.Ready || report.Balance != "balanced" || len(report.Bus) != len(d.Purposes) || report.Version == "" {
		t.Errorf("ready = %t, balance = %s, %d streams", report.Ready, report.Balance, len(report.Bus))
	}
	stop()
	<-ended
}
