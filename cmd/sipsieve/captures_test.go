package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/source"

	"sipsieve/capture"
	"sipsieve/capture/pcap"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip"
	"sipsieve/sip/event"
)

const captures = "../../../shared/captures"

// A truthFile is what tshark makes of a capture, by a script that is not ours.
type truthFile struct {
	Messages int
	Requests ledger.Sums
	Statuses ledger.Sums
}

// eachCapture calls test with every capture that there is.
func eachCapture(t *testing.T, test func(t *testing.T, name, path string)) {
	t.Helper()
	var files []string
	for _, pattern := range []string{"generated/*.pcap*", "public/*.pcap*"} {
		found, _ := filepath.Glob(filepath.Join(captures, pattern))
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Skip("no captures beside this checkout")
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		t.Run(name, func(t *testing.T) { test(t, name, path) })
	}
}

// follow runs a capture through readers, shards and the merger.
func follow(t *testing.T, path string, shards int, tell func(*event.Event)) *ledger.Ledger {
	t.Helper()
	s := demoSetup(t, "")
	source, err := source.OpenFiles([]string{path}, source.HEP{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := pipeline.New([]capture.Source{source}, s.Plan(shards, false))
	if err := d.Follow(t.Context(), tell); err != nil && !errors.Is(err, pcap.ErrTruncated) {
		t.Fatal(err)
	}
	l := ledger.New()
	c := d.Counts()
	l.AddDomain(&c, s.Trunks)
	if err := l.Balance(false); err != nil {
		t.Error(err)
	}
	return l
}

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

// TestMessagesOfEveryCaptureAreCountedAsTsharkDoes compares methods and statuses, and has every ledger balance.
func TestMessagesOfEveryCaptureAreCountedAsTsharkDoes(t *testing.T) {
	t.Parallel()
	eachCapture(t, func(t *testing.T, name, path string) {
		l := follow(t, path, 2, func(*event.Event) {})
		if name == "ndpi-fuzz-2594" {
			return // fuzzed bytes: they only must not break anything
		}
		text, err := os.ReadFile(strings.TrimSuffix(path, filepath.Ext(path)) + ".truth.json")
		if err != nil {
			t.Skip(err)
		}
		var truth truthFile
		if err := json.Unmarshal(text, &truth); err != nil {
			t.Fatal(err)
		}
		compareCounts(t, "requests", l.Messages.Requests, otherMethods(truth.Requests))
		compareCounts(t, "statuses", l.Messages.Statuses, truth.Statuses)
		if name == "d3-span-duplicates" && l.Messages.Duplicates != l.Messages.Total/2 {
			t.Errorf("duplicates = %d, want half of %d", l.Messages.Duplicates, l.Messages.Total)
		}
	})
}

// otherMethods ledger.Sums the methods outside the registry.
func otherMethods(in map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for name, n := range in {
		known := false
		for m := sip.Invite; m < sip.Other; m++ {
			known = known || m.String() == name
		}
		if !known {
			name = sip.Other.String()
		}
		out[name] += n
	}
	return out
}

func compareCounts(t *testing.T, what string, got, want map[string]uint64) {
	t.Helper()
	for _, key := range slices.Concat(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
		if got[key] != want[key] {
			t.Errorf("%s: %s = %d, want %d", what, key, got[key], want[key])
		}
	}
}

// TestOutputIsTheSameForAnyNumberOfShards replays every capture, and a generated one, with 1, 2 and 16 shards.
func TestOutputIsTheSameForAnyNumberOfShards(t *testing.T) {
	t.Parallel()
	generated := written(t, corpus(t, 200))
	test := func(t *testing.T, path string) {
		want := replayOutput(t, path, 1)
		for _, shards := range []int{1, 2, 16} {
			if got := replayOutput(t, path, shards); !bytes.Equal(got, want) {
				t.Errorf("%d shards: the output differs", shards)
			}
		}
	}
	t.Run("corpus", func(t *testing.T) { test(t, generated) })
	eachCapture(t, func(t *testing.T, _, path string) { test(t, path) })
}

// written writes a capture file and returns its path.
func written(t *testing.T, file []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "capture.pcap")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func replayOutput(t *testing.T, path string, shards int) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := execute(t.Context(), []string{"replay", "--demo-keys", "--shards", strconv.Itoa(shards), path}, &stdout, &stderr)
	if code != exitFine {
		t.Fatalf("exit code = %d: %s", code, stderr.String())
	}
	return stdout.Bytes()
}
