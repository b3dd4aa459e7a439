package collector

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/event"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// demoSetup returns the defaults with the demonstration keys and that policy.
func demoSetup(t testing.TB, policyFile string) *config.Setup {
	t.Helper()
	c := config.Default()
	c.Keys.Demo, c.Rules.File = true, policyFile
	s, err := config.Resolve(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// configOf returns the settings of a Collector without a Sink.
func configOf(s *config.Setup) Config {
	return Config{Site: s.Site, Sensor: s.Sensor, Purposes: s.Purposes, Records: s.Records, OpenCalls: s.Limits.Calls,
		Log: slog.New(slog.DiscardHandler)}
}

// follow calls take with the events of a corpus of so many calls, as the setup of the shipped policy has them.
func follow(t testing.TB, calls int, take func(*event.Event)) {
	t.Helper()
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, capturetest.Corpus(calls, 1)); err != nil {
		t.Fatal(err)
	}
	file, err := pcap.New("corpus", &b, pcap.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	s := demoSetup(t, "")
	if err := pipeline.New([]capture.Source{file}, s.Plan(1, false)).Follow(t.Context(), take); err != nil {
		t.Fatal(err)
	}
}
