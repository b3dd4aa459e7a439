package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"sipsieve/capture/capturetest"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/console"
	"sipsieve/cmd/sipsieve/daemon"
)

// withStop returns a context that stop ends, at the latest the end of the test.
func withStop(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	return ctx, stop
}

// reasons asks d whether it is ready, and returns why it is not.
func reasons(t *testing.T, d *console.Console) []string {
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

// TestReadyzGivesDetails has a daemon that has seen some TLS.
func TestReadyzGivesDetails(t *testing.T) {
	d := daemonOf(t, fileSource(ladderFile(t, storm)))
	_, body := get(t, d, "/readyz")
	var answer struct{ Details console.Details }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Details.Clock == "" {
		t.Errorf("details = %+v, %v, want the clock", answer.Details, err)
	}
	l := d.Ledger()
	l.Packets.Passed, l.Packets.Refused["opaque"], l.Messages.Late = 8, 2, 3
	if got := d.Details(l); got.TLSShare != 0.25 || got.Late != 3 || got.Clock == "" {
		t.Errorf("details = %+v, want a share of 0.25, 3 late, and the clock", got)
	}
}

// TestReadyzShowsTLSAndLateMessages has a daemon that reads a file of DTLS and a feed whose packets are a minute old: they
// are behind the watermark.
func TestReadyzShowsTLSAndLateMessages(t *testing.T) {
	t.Parallel()
	f := newFeeder(t, threeCalls, "")
	frames, err := capturetest.Ladder([]byte(storm))
	if err != nil {
		t.Fatal(err)
	}
	dtls := filepath.Join(f.dir, "dtls.pcap")
	text, err := os.ReadFile(f.config)
	if err := errors.Join(err, os.WriteFile(dtls, pcapFile(t, encrypted(frames)), 0o600),
		os.WriteFile(f.config, append(text, fileSource(dtls)...), 0o600)); err != nil {
		t.Fatal(err)
	}
	p := f.begin(t)
	f.send(t, f.packets[:untilRestart])
	until(t, "the end of the file", func() bool { return f.status(t).Reading == 1 })
	l := f.status(t).Ledger
	body, err := ask(t.Context(), config.Config{State: filepath.Join(f.dir, "state")}, question{path: "/readyz"})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var answer struct{ Details console.Details }
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	share := float64(len(frames)) / float64(len(frames)+untilRestart)
	if got := answer.Details; got.TLSShare != share || got.Late != l.Messages.Late || got.Late == 0 {
		t.Errorf("details = %+v, want a share of %v and %d late, some", got, share, l.Messages.Late)
	}
	p.stop(t, syscall.SIGTERM)
}

func TestFileThatEndsLeavesTheDaemonReady(t *testing.T) {
	d := daemonOf(t, fileSource(ladderFile(t, storm)))
	if got := reasons(t, d); !slices.Equal(got, []string{"not running"}) {
		t.Errorf("before it runs: got = %v", got)
	}
	ctx, stop := withStop(t)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	until(t, "the end of the file", func() bool { return d.SourceState("source.0") == daemon.StateEnded })
	until(t, "that it is ready", func() bool { return len(reasons(t, d)) == 0 })
	stop()
	<-ended
}
