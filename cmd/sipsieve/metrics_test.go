package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/console"
	"sipsieve/cmd/sipsieve/daemon"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"sipsieve/capture/capturetest"
)

// storm is messages of every method that makes no record, with bodies, to and from a trunk; and a call with digits.
const storm = `
phone is +13035550101 at 10.0.0.9
sbc is +13035550104 at 192.0.2.20
gw is +13035550102 at 203.0.113.5
00:00.000  gw -> sbc   OPTIONS
00:00.002  gw <- sbc   200 OPTIONS
00:01.000  sbc -> gw   OPTIONS
00:01.040  sbc <- gw   404 OPTIONS
00:02.000  phone -> sbc   OPTIONS
00:03.000  phone -> gw   MESSAGE
    Content-Type: text/plain
    | CANARY
00:03.100  phone <- gw   202 MESSAGE
00:04.000  phone -> sbc   INVITE
00:04.100  phone <- sbc   200 INVITE
00:04.200  phone -> sbc   ACK
00:05.000  phone -> sbc   INFO
    Content-Type: application/dtmf-relay
    | Signal=CANARY
00:05.100  phone <- sbc   200 INFO
00:09.000  phone -> sbc   BYE
00:09.100  phone <- sbc   200 BYE
00:40.000  phone -> sbc   SUBSCRIBE
00:40.100  phone <- sbc   489 SUBSCRIBE
`

const gateway = "[[trunk]]\nname = \"upstream-a\"\naddresses = [\"203.0.113.0/24\"]\ndirection = \"inbound\"\n"

// ladderFile writes a ladder as a capture file.
func ladderFile(t *testing.T, ladder string) string {
	t.Helper()
	frames, err := capturetest.Ladder([]byte(ladder))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, frames); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ladder.pcap")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// daemonOf returns a daemon with a bus that is not running yet. It is closed with the test.
func daemonOf(t *testing.T, extra string) *console.Console {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sipsieve.toml")
	text := "site = \"here\"\nsensor = \"sensor-1\"\nstate = \"" + t.TempDir() + "\"\n[keys]\ndemo = true\n[bus]\n" + extra
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := config.Resolve(c)
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.New(t.Context(), s, daemon.Options{Log: slog.New(slog.DiscardHandler), Out: io.Discard, Version: version()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return &console.Console{Daemon: d}
}

func fileSource(path string) string { return "[[source]]\ntype = \"file\"\npath = \"" + path + "\"\n" }

// until waits until done, and fails the test if that takes too long.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s: does not come", what)
		}
	}
}

// get asks d and returns the answer.
func get(t *testing.T, d *console.Console, path string) (code int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	d.Private().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// TestMetricsPageSaysWhatTheLedgerSays runs a daemon over a capture and reads its metrics, as Prometheus would.
func TestMetricsPageSaysWhatTheLedgerSays(t *testing.T) {
	d := daemonOf(t, fileSource(ladderFile(t, storm))+gateway)
	ended := make(chan error, 1)
	ctx, stop := withStop(t)
	go func() { ended <- d.Run(ctx) }()
	until(t, "the end of the file", func() bool {
		l := d.Ledger()
		return d.Reading() == 0 && l.Excerpts["billing"].Acknowledged == 1
	})
	code, page := get(t, d, "/metrics")
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if code != http.StatusOK || err != nil || len(problems) > 0 {
		t.Errorf("code = %d, err = %v, problems = %v", code, err, problems)
	}
	for line := range strings.Lines(stormMetrics + "sipsieve_build_info{version=\"" + version() + "\"} 1\n") {
		if !strings.Contains(page, "\n"+line) {
			t.Errorf("not on the page: %s", line)
		}
	}
	_, status := get(t, d, "/status")
	for _, text := range []string{page, status} {
		if strings.Contains(text, "CANARY") || strings.Contains(text, "3035550") {
			t.Error("a body or a number is shown")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := d.Ledger().Balance(false); err != nil {
		t.Error(err)
	}
}

const stormMetrics = `sipsieve_other_messages_total{class="2xx",method="INFO",trunk="none"} 1
sipsieve_other_messages_total{class="2xx",method="MESSAGE",trunk="upstream-a"} 1
sipsieve_other_messages_total{class="2xx",method="OPTIONS",trunk="upstream-a"} 1
sipsieve_other_messages_total{class="4xx",method="OPTIONS",trunk="upstream-a"} 1
sipsieve_other_messages_total{class="4xx",method="SUBSCRIBE",trunk="none"} 1
sipsieve_other_messages_total{class="request",method="INFO",trunk="none"} 1
sipsieve_other_messages_total{class="request",method="MESSAGE",trunk="upstream-a"} 1
sipsieve_other_messages_total{class="request",method="OPTIONS",trunk="none"} 1
sipsieve_other_messages_total{class="request",method="OPTIONS",trunk="upstream-a"} 2
sipsieve_other_messages_total{class="request",method="SUBSCRIBE",trunk="none"} 1
sipsieve_options_asked_total{trunk="none"} 1
sipsieve_options_asked_total{trunk="upstream-a"} 2
sipsieve_options_unfinished_total{reason="unanswered",trunk="none"} 1
sipsieve_options_latency_seconds_bucket{trunk="upstream-a",le="0.001"} 0
sipsieve_options_latency_seconds_bucket{trunk="upstream-a",le="0.0025"} 1
sipsieve_options_latency_seconds_bucket{trunk="upstream-a",le="0.025"} 1
sipsieve_options_latency_seconds_bucket{trunk="upstream-a",le="0.05"} 2
sipsieve_options_latency_seconds_bucket{trunk="upstream-a",le="+Inf"} 2
sipsieve_options_latency_seconds_sum{trunk="upstream-a"} 0.042
sipsieve_options_latency_seconds_count{trunk="upstream-a"} 2
sipsieve_options_latency_max_seconds{trunk="upstream-a"} 0.04
sipsieve_packets_passed_total 16
sipsieve_messages_total{fate="tracked"} 16
sipsieve_messages_total{fate="duplicates"} 0
sipsieve_requests_total{method="OPTIONS"} 3
sipsieve_calls_ended_total{disposition="answered"} 1
sipsieve_source_packets_total{source="source.0"} 16
sipsieve_source_up{source="source.0"} 0
sipsieve_excerpts_acknowledged_total{purpose="billing"} 1
sipsieve_bus_messages{purpose="billing"} 1
`
