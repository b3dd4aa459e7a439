package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
)

// A strayCall is what a test compares of a record.
type strayCall struct {
	ID, Disposition, Status string
	Missing                 []string
	Duration                *int64 `json:"duration_ms"`
}

// callsOf returns the calls that replay writes for billing, by id.
func callsOf(t *testing.T, frames []capturetest.Frame) map[string]strayCall {
	t.Helper()
	var b, stdout, stderr bytes.Buffer
	if err := capturetest.WritePcap(&b, frames); err != nil {
		t.Fatal(err)
	}
	if code := execute(t.Context(), []string{"replay", "--demo-keys", "--purpose", "billing", written(t, b.Bytes())},
		&stdout, &stderr); code != exitFine {
		t.Fatalf("exit code = %d: %s", code, stderr.String())
	}
	calls := map[string]strayCall{}
	for _, line := range strings.Split(strings.TrimSpace(stdout.String()), "\n") {
		var c strayCall
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		calls[c.ID] = c
	}
	return calls
}

// TestOneStrayTimeMakesNoCallWrong dates one packet of a file of a hundred calls wrong, at every kind of place and by
// every kind of error: each call is as if it had come when the packet before it did.
func TestOneStrayTimeMakesNoCallWrong(t *testing.T) {
	t.Parallel()
	frames := capturetest.Corpus(100, 9)
	want := callsOf(t, frames)
	if len(want) != 100 {
		t.Fatalf("calls = %d, want 100", len(want))
	}
	last := len(frames) - 1
	for _, place := range []int{0, 1, 2, last / 3, last / 2, last - 1, last} {
		for _, off := range []time.Duration{24 * time.Hour, 55 * time.Minute, -24 * time.Hour, -55 * time.Minute,
			time.Unix(0, 0).Sub(frames[place].Time)} {
			if place == last && off == 55*time.Minute {
				continue // a call may be silent for as long
			}
			wrong := append([]capturetest.Frame(nil), frames...)
			wrong[place].Time = wrong[place].Time.Add(off)
			name := fmt.Sprintf("packet %d of %d, off by %s", place, last, off)
			got, most := callsOf(t, wrong), int64(1)
			if place > 0 {
				most += frames[place].Time.Sub(frames[place-1].Time).Milliseconds()
			}
			if len(got) != len(want) {
				t.Errorf("%s: calls = %d, want %d", name, len(got), len(want))
			}
			for id, w := range want {
				g := got[id]
				near := g.Duration != nil && w.Duration != nil && max(*g.Duration-*w.Duration, *w.Duration-*g.Duration) <= most
				if g.Disposition != w.Disposition || g.Status != w.Status || !near ||
					strings.Join(g.Missing, " ") != strings.Join(w.Missing, " ") {
					t.Errorf("%s: call = %+v, want %+v", name, g, w)
					break
				}
			}
		}
	}
}
