package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
	"sipsieve/store/policy/risk"
)

// riskCalls is how many calls the captures of these tests have.
const riskCalls = 600

// riskCapture writes a capture with that many calls a second and returns its name.
func riskCapture(t *testing.T, rate int) string {
	t.Helper()
	if os.Getenv("SIPSIEVE_FULL") == "" {
		t.Skip("SIPSIEVE_FULL is not set")
	}
	var b bytes.Buffer
	mean := time.Second / time.Duration(rate)
	if err := capturetest.WritePcap(&b, capturetest.CorpusEvery(mean, riskCalls, 7)); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "traffic.pcap")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// output runs a command line that has to succeed and returns what it prints.
func output(t *testing.T, args ...string) string {
	t.Helper()
	var out, complaints bytes.Buffer
	if code := execute(t.Context(), args, &out, &complaints); code != exitFine {
		t.Fatalf("sipsieve %s: exit code %d: %s", strings.Join(args, " "), code, complaints.String())
	}
	return out.String()
}

func riskOf(t *testing.T, args ...string) (r risk.Report) {
	t.Helper()
	args = append([]string{"policy", "risk", "--format", "json", "--pcap"}, args...)
	if err := json.Unmarshal([]byte(output(t, args...)), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAnotherAttackerDoesNoBetterThanRiskSays has an attacker of its own: for each record of network_ops or fraud it takes
// the record of billing, not yet taken, whose times and lengths are nearest; and one that pairs them in order, as
// far as a purpose with windows has one: by the minute in which the call ended, and by id within it.
func TestAnotherAttackerDoesNoBetterThanRiskSays(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{1, 10, 100} {
		file := riskCapture(t, rate)
		report := riskOf(t, file)
		billing := stopsOf(t, file, "billing")
		for _, other := range []string{"fraud", "network_ops"} {
			i := slices.IndexFunc(report.Pairs, func(j risk.Join) bool {
				return j.Purpose == "billing" && j.With == other && j.Kind == "call"
			})
			if i < 0 {
				t.Fatalf("%d calls/s: no figures of billing with %s", rate, other)
			}
			j := report.Pairs[i]
			others := stopsOf(t, file, other)
			if other == "network_ops" { // it leaves each minute, sorted by id
				for n := range others {
					billing[n].Minute, others[n].Minute = billing[n].End.Truncate(time.Minute), billing[n].End.Truncate(time.Minute)
				}
			}
			if got := 100 * nearest(billing, others, true); got > j.Right {
				t.Errorf("%d calls/s: billing with %s: the nearest one is right for %.1f %%, risk says %g %%", rate, other, got, j.Right)
			}
			if got := 100 * nearest(billing, others, false); got > j.Fields {
				t.Errorf("%d calls/s: billing with %s: without order the nearest one is right for %.1f %%, risk says %g %%", rate,
					other, got, j.Fields)
			}
			switch {
			case other == "fraud" && j.Order != 100: // the k-th record of each is of one call
				t.Errorf("%d calls/s: billing with %s: by order %g %%, want 100", rate, other, j.Order)
			case other == "network_ops" && rate == 100 && j.Order > 99.9:
				t.Errorf("%d calls/s: billing with %s: by window %g %%, want less than by order", rate, other, j.Order)
			}
		}
	}
}

// A stop is what the attacker of the test reads of a record.
type stop struct {
	Stage    string
	Setup    time.Time  `json:"setup_time"`
	Answer   *time.Time `json:"answer_time"`
	Duration float64    `json:"duration_ms"`
	Delay    float64    `json:"pdd_ms"`
	Ring     float64    `json:"ring_ms"`
	Area     string     `json:"destination_area"`
	ID       string
	End      time.Time `json:"end_time"`
	Minute   time.Time `json:"-"` // in which it was published, if that is all that is known
}

// stopsOf returns the last records of the calls of a purpose, in the order of publication.
func stopsOf(t *testing.T, file, purpose string) (stops []stop) {
	t.Helper()
	for line := range strings.Lines(output(t, "replay", "--demo-keys", "--purpose", purpose, file)) {
		var s stop
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		if s.Stage == "stop" {
			stops = append(stops, s)
		}
	}
	return stops
}

// nearest returns the share of others that are joined with the record of the same number. Of records that are equally
// near it takes the first, in the order of publication or in another one.
func nearest(billing, others []stop, ordered bool) float64 {
	right, taken := 0, map[int]bool{}
	first, second := inOrder(len(billing)), inOrder(len(others))
	slices.SortStableFunc(second, func(a, b int) int {
		if others[a].Minute.IsZero() {
			return 0
		}
		return cmp.Or(others[a].Minute.Compare(others[b].Minute), cmp.Compare(others[a].ID, others[b].ID))
	})
	if !ordered {
		rnd := rand.New(rand.NewPCG(1, 2))
		first, second = rnd.Perm(len(billing)), rnd.Perm(len(others))
	}
	for _, n := range second {
		best, least := -1, math.Inf(1)
		for _, i := range first {
			far := distance(billing[i], others[n])
			if ordered && !billing[i].Minute.Equal(others[n].Minute) {
				far += 1000
			}
			if !taken[i] && far < least {
				best, least = i, far
			}
		}
		if taken[best] = true; best == n {
			right++
		}
	}
	return float64(right) / float64(len(others))
}

func inOrder(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// distance returns how far two records are apart: seconds, and much for another area.
func distance(b, o stop) float64 {
	far := math.Abs(b.Setup.Sub(o.Setup).Seconds()) + math.Abs(b.Duration-o.Duration)/1000
	if b.Answer != nil && o.Delay+o.Ring > 0 {
		far += math.Abs(b.Answer.Sub(b.Setup).Seconds() - (o.Delay+o.Ring)/1000)
	}
	if b.Area != o.Area {
		far += 1000
	}
	return far
}

// TestRiskFallsWithTheRateAndIsTheSameEveryTime compares the figures of three rates, and two runs.
func TestRiskFallsWithTheRateAndIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	last := 101.0
	for _, rate := range []int{1, 10} {
		file := riskCapture(t, rate)
		for _, j := range riskOf(t, file).Pairs {
			if j.Purpose != "billing" || j.With != "network_ops" {
				continue
			}
			if j.Fields >= last || j.Fields+j.Wrong > 100.1 {
				t.Errorf("%d calls/s: %g %% right and %g %% wrong, after %g %% right", rate, j.Fields, j.Wrong, last)
			}
			last = j.Fields
		}
		if one, again := output(t, "policy", "risk", "--pcap", file), output(t, "policy", "risk", "--pcap", file); one != again {
			t.Errorf("%d calls/s: the second run prints\n%s\nthe first\n%s", rate, again, one)
		}
	}
}

// TestRiskPrintsNoValue searches both forms of the output for every text and number of the excerpts of four digits or more.
func TestRiskPrintsNoValue(t *testing.T) {
	t.Parallel()
	file := riskCapture(t, 10)
	shown := output(t, "policy", "risk", "--pcap", file) + output(t, "policy", "risk", "--pcap", file, "--format", "json")
	for line := range strings.Lines(output(t, "replay", "--demo-keys", file)) {
		var x map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		for key, raw := range x {
			text := strings.Trim(string(raw), `"`)
			if key != "purpose" && key != "kind" && len(text) >= 4 && text != "null" && text != "true" && text != "false" &&
				text != "call" && strings.ContainsAny(text, "0123456789") && strings.Contains(shown, text) {
				t.Errorf("%s: its value %s is in the output", key, text)
			}
		}
	}
}
