package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
	"sipsieve/capture/capturetest/oracle"
	"sipsieve/capture/capturetest/randomcall"
)

// modelPolicy keeps all that the oracle has of a call.
const modelPolicy = `version = 1
name = "model"
owner = "tests"
reviewed = 2026-11-20
default = "drop"
[purpose.billing]
why = "compare with the oracle"
basis = "47 USC 222(d)(1)"
kinds = ["call"]
stages = ["stop", "correction"]
audience = ["billing"]
retain = "18 months"
retain_why = "tests"
[purpose.billing.fields]
`

var modelTimes = []string{"setup_time", "progress_time", "ring_time", "answer_time", "end_time"}

var modelFields = []string{"pdd_ms", "ring_ms", "setup_ms", "duration_ms", "disposition", "sip_code", "q850_cause",
	"end_cause", "end_time_source", "disconnect_by", "billable", "auth_challenges", "redirects", "forks", "reinvites",
	"holds", "hold_ms", "early_media", "transfer", "call_flags", "retransmissions"}

// A modelRow is one excerpt of a call.
type modelRow struct {
	ID           string
	Revision     int
	Status       string
	Missing      []string
	Completeness int

	Setup    *time.Time `json:"setup_time"`
	Progress *time.Time `json:"progress_time"`
	Ring     *time.Time `json:"ring_time"`
	Answer   *time.Time `json:"answer_time"`
	End      *time.Time `json:"end_time"`

	PDD      *int64 `json:"pdd_ms"`
	RingMS   *int64 `json:"ring_ms"`
	SetupMS  *int64 `json:"setup_ms"`
	Duration *int64 `json:"duration_ms"`

	Disposition  string
	EndCause     string `json:"end_cause"`
	EndSource    string `json:"end_time_source"`
	DisconnectBy string `json:"disconnect_by"`
	Code         int    `json:"sip_code"`
	Cause        int    `json:"q850_cause"`
	Billable     bool

	Challenges int `json:"auth_challenges"`
	Redirects  int
	Forks      int
	Reinvites  int
	Holds      int
	Held       *int64   `json:"hold_ms"`
	Early      bool     `json:"early_media"`
	Flags      []string `json:"call_flags"`
	Repeats    int      `json:"retransmissions"`
	Transfer   string
}

// record returns r in the form of the oracle.
func (r *modelRow) record() oracle.Record {
	x := oracle.Record{Setup: sinceStart(r.Setup), Progress: sinceStart(r.Progress), Ring: sinceStart(r.Ring),
		Answer: sinceStart(r.Answer), End: sinceStart(r.End), Disposition: r.Disposition, EndCause: r.EndCause,
		EndSource: r.EndSource, DisconnectBy: r.DisconnectBy, Status: r.Status, Code: r.Code, Cause: r.Cause,
		Completeness: r.Completeness, Missing: r.Missing, Flags: r.Flags, Billable: r.Billable, Challenges: r.Challenges,
		Redirects: r.Redirects, Forks: r.Forks, Reinvites: r.Reinvites, Holds: r.Holds, Early: r.Early,
		Transfer: r.Transfer, Repeats: r.Repeats, MostRepeats: r.Repeats}
	if r.Held != nil {
		x.Held = time.Duration(*r.Held) * time.Millisecond
	}
	return x
}

func sinceStart(t *time.Time) time.Duration {
	if t == nil {
		return oracle.Never
	}
	return t.Sub(oracle.Start)
}

// derives returns which durations of r do not follow from its times.
func (r *modelRow) derives() string {
	x := r.record()
	var b strings.Builder
	for _, d := range []struct {
		name string
		got  *int64
		want time.Duration
	}{{"pdd_ms", r.PDD, x.PostDial()}, {"ring_ms", r.RingMS, x.Ringing()}, {"setup_ms", r.SetupMS, x.SetupTime()},
		{"duration_ms", r.Duration, x.Duration()}} {
		got, want := int64(-1), int64(-1)
		if d.got != nil {
			got = *d.got
		}
		if d.want != oracle.Never {
			want = d.want.Milliseconds()
		}
		if got != want {
			fmt.Fprintf(&b, "%s = %d, want %d\n", d.name, got, want)
		}
	}
	return b.String()
}

// modelReplay returns what replay prints of the frames, and its ledger.
func modelReplay(t *testing.T, frames []capturetest.Frame) (excerpts, ledger []byte) {
	t.Helper()
	text := modelPolicy
	for _, field := range slices.Concat(modelTimes, modelFields) {
		text += fmt.Sprintf("%s = { form = \"keep\", because = \"the oracle says it\" }\n", field)
	}
	var file bytes.Buffer
	if err := capturetest.WritePcap(&file, frames); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	policyFile, path := filepath.Join(dir, "policy.toml"), filepath.Join(dir, "model.pcap")
	sums := filepath.Join(dir, "ledger")
	if err := os.WriteFile(policyFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	args := []string{"replay", "--demo-keys", "--policy", policyFile, "--ledger", sums, path}
	if code := execute(t.Context(), args, &stdout, &stderr); code != exitFine {
		t.Fatalf("exit code = %d: %s", code, stderr.String())
	}
	ledger, err := os.ReadFile(sums)
	if err != nil {
		t.Fatal(err)
	}
	return stdout.Bytes(), ledger
}

// modelRows returns the last revision of every id. A revision that is not higher than the one before fails the test.
func modelRows(t *testing.T, excerpts []byte) []modelRow {
	t.Helper()
	last := map[string]modelRow{}
	for line := range bytes.Lines(excerpts) {
		var r modelRow
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if before, ok := last[r.ID]; ok && before.Revision >= r.Revision {
			t.Errorf("revision %d behind revision %d of one id", r.Revision, before.Revision)
		}
		last[r.ID] = r
	}
	return slices.Collect(maps.Values(last))
}

// TestModelCallsOfAFile compares what replay prints of a file of random calls, all under way at once and written in
// another order within a second, with the oracle's record of each.
func TestModelCallsOfAFile(t *testing.T) {
	calls := 300
	if os.Getenv("SIPSIEVE_FULL") == "1" {
		calls = 5000
	}
	frames, want := modelFile(uint64(calls))
	excerpts, _ := modelReplay(t, outOfOrder(frames, rand.New(rand.NewPCG(1, 2))))
	var got []oracle.Record
	for _, r := range modelRows(t, excerpts) {
		if d := r.derives(); d != "" {
			t.Errorf("a call of %v: %s", r.Setup, d)
		}
		got = append(got, r.record())
	}
	oracle.Sort(got)
	if d := oracle.Difference(got, want); d != "" {
		t.Error(d)
	}
}

// TestModelFramesInAnyOrder shows that the order in which a file has its frames changes nothing, as long as none is
// more than a second behind a later one and those of one time keep theirs: excerpts and ledger are the same to the
// byte.
func TestModelFramesInAnyOrder(t *testing.T) {
	frames, _ := modelFile(200)
	excerpts, ledger := modelReplay(t, frames)
	for seed := range uint64(4) {
		mixed, sums := modelReplay(t, outOfOrder(frames, rand.New(rand.NewPCG(seed, 3))))
		if !bytes.Equal(mixed, excerpts) || !bytes.Equal(sums, ledger) {
			t.Errorf("seed %d: excerpts or ledger differ", seed)
		}
	}
}

// modelFile returns the frames of calls that begin within an hour, and their records. The capture goes on for six
// hours after the last.
func modelFile(calls uint64) (frames []capturetest.Frame, want []oracle.Record) {
	var all oracle.Call
	for seed := range calls {
		c := randomcall.Random(seed+1, modelKinds)
		shift := time.Duration(seed) * time.Hour / time.Duration(calls)
		for _, m := range c.Messages {
			m.Time += shift
			all.Messages = append(all.Messages, m)
			all.Until = max(all.Until, m.Time+6*time.Hour)
		}
	}
	slices.SortStableFunc(all.Messages, func(a, b oracle.Message) int { return int(a.Time - b.Time) })
	want = oracle.Records(all.Messages, all.Until)
	for i := range want {
		want[i].Held = want[i].Held.Truncate(time.Millisecond)
	}
	oracle.Sort(want)
	return all.Frames(), want
}

// modelKinds are the kinds in which tracker and oracle agree.
const modelKinds = randomcall.AllKinds &^ (1 << randomcall.MidCall)

// outOfOrder returns frames in another order: each is moved by less than a second, those of one time keep theirs.
func outOfOrder(frames []capturetest.Frame, r *rand.Rand) []capturetest.Frame {
	type moved struct {
		frame capturetest.Frame
		at    time.Time
	}
	ms := make([]moved, len(frames))
	for i, f := range frames {
		ms[i] = moved{f, f.Time.Add(time.Duration(r.IntN(999)) * time.Millisecond)}
		if i > 0 && f.Time.Equal(frames[i-1].Time) {
			ms[i].at = ms[i-1].at
		}
	}
	slices.SortStableFunc(ms, func(a, b moved) int { return a.at.Compare(b.at) })
	out := make([]capturetest.Frame, len(ms))
	for i, m := range ms {
		out[i] = m.frame
	}
	return out
}
