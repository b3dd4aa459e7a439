package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/capture/capturetest"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/sqlite"
)

// pairPolicy keeps what a completed call is given: as the shipped policy does for billing and for fraud, and in full.
var pairPolicy = "version = 1\nname = \"pair\"\nowner = \"tests\"\nreviewed = 2026-11-20\ndefault = \"drop\"\n" +
	pairPurpose("billing", `"answer", "stop", "correction"`, "18 months", "truncate:second", "keep") +
	pairPurpose("fraud", `"stop"`, "30 days", "truncate:second", "bucket:6s") +
	pairPurpose("legal", `"stop"`, "1 year", "keep", "keep")

func pairPurpose(name, stages, retain, times, durations string) string {
	text := "[purpose.NAME]\nwhy = \"w\"\nbasis = \"b\"\nkinds = [\"call\"]\nstages = [STAGES]\n" +
		"audience = [\"NAME_desk\"]\nretain = \"RETAIN\"\nretain_why = \"r\"\n[purpose.NAME.fields]\n"
	for _, field := range []string{"disconnect_by", "disposition", "q850_cause", "billable", "end_cause",
		"end_time_source", "call_flags"} {
		text += field + " = { form = \"keep\", because = \"t\" }\n"
	}
	for _, field := range []string{"setup_time", "answer_time", "end_time"} {
		text += field + " = { form = \"TIMES\", because = \"t\" }\n"
	}
	text += "duration_ms = { form = \"DURATIONS\", because = \"t\" }\n"
	return strings.NewReplacer("NAME", name, "STAGES", stages, "RETAIN", retain, "TIMES", times,
		"DURATIONS", durations).Replace(text)
}

// splitCalls are calls whose messages host A of a pair sees up to =, and host B from there on.
var splitCalls = map[string]string{
	"the caller hangs up": `
00:00.000  alice -> bob   INVITE
00:01.200  alice <- bob   180
00:04.900  alice <- bob   200 INVITE
00:04.950  alice -> bob   ACK
=
01:05.300  alice -> bob   BYE
01:05.350  alice <- bob   200 BYE
`, "the callee hangs up": `
00:00.000  alice -> bob   INVITE
00:04.900  alice <- bob   200 INVITE
00:04.950  alice -> bob   ACK
=
01:05.300  alice <- bob   BYE
01:05.350  alice -> bob   200 BYE
`, "the fail-over is between BYE and its response": `
00:00.000  alice -> bob   INVITE
00:04.900  alice <- bob   200 INVITE
00:04.950  alice -> bob   ACK
01:05.300  alice <- bob   BYE
=
01:05.800  alice <- bob   BYE
01:05.850  alice -> bob   200 BYE
`, "the callee holds and hangs up": `
00:00.000  alice -> bob   INVITE
00:04.900  alice <- bob   200 INVITE
00:04.950  alice -> bob   ACK
=
00:20.000  alice <- bob   INVITE
00:20.050  alice -> bob   200 INVITE
00:20.100  alice <- bob   ACK
01:05.300  alice <- bob   BYE
01:05.350  alice -> bob   200 BYE
`}

// A pair is two hosts with the same keys and a policy.
type pair struct{ dir string }

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t.TempDir()}
	file := filepath.Join(p.dir, "policy.toml")
	for name, text := range map[string]string{
		"policy.toml": pairPolicy,
		"a.toml":      fmt.Sprintf("site = \"here\"\nsensor = \"host-a\"\npolicy = %q\n[keys]\ndemo = true\n", file),
		"b.toml":      fmt.Sprintf("site = \"here\"\nsensor = \"host-b\"\npolicy = %q\n[keys]\ndemo = true\n", file),
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// tells returns what a host publishes of frames.
func (p *pair) tells(t *testing.T, host string, frames []capturetest.Frame) (xs []policy.Excerpt) {
	t.Helper()
	var b, stdout, stderr bytes.Buffer
	if err := capturetest.WritePcap(&b, frames); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.dir, "frames.pcap")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"replay", "--config", filepath.Join(p.dir, host+".toml"), path}
	if code := execute(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code = %d: %s", code, stderr.String())
	}
	for line := range strings.Lines(stdout.String()) {
		x, err := policy.Received([]byte(strings.TrimSpace(line)))
		if err != nil {
			t.Fatal(err)
		}
		xs = append(xs, x)
	}
	return xs
}

// store opens an empty store with the policy of the pair.
func (p *pair) store(t *testing.T) *sqlite.Store {
	t.Helper()
	rules, err := policy.Parse("policy.toml", []byte(pairPolicy))
	if err != nil {
		t.Fatal(err)
	}
	if err := config.Bind(rules, demoSetup(t, "").Vault); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(sqlite.Config{Dir: t.TempDir(), Policy: rules})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// rowsOf returns the rows of a purpose, each without what is a sensor's own and without keys.
func rowsOf(t *testing.T, s *sqlite.Store, purpose string, without ...string) (rows []string) {
	t.Helper()
	for item, err := range s.Query(t.Context(), store.Query{Purpose: purpose}) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, stripped(t, item.Body, without...))
	}
	return rows
}

func stripped(t *testing.T, body []byte, without ...string) string {
	t.Helper()
	var row map[string]any
	if err := json.Unmarshal(body, &row); err != nil {
		t.Fatal(err)
	}
	for _, key := range append(without, "sensor", "revision") {
		delete(row, key)
	}
	text, _ := json.Marshal(row)
	return string(text)
}

// TestAFailOverOfAPairGivesTheRecordOfOneHostThatSawAll splits calls between two hosts, within a day and over
// midnight, and puts their excerpts into one store in every order, some of it twice.
func TestAFailOverOfAPairGivesTheRecordOfOneHostThatSawAll(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for name, ladder := range splitCalls {
		for _, start := range []time.Duration{0, 24*time.Hour - 30*time.Second} {
			first, second, _ := strings.Cut(ladder, "=")
			cut := bytes.Count([]byte(strings.TrimSpace(first)), []byte("\n")) + 1
			frames, err := capturetest.Ladder([]byte(first + second))
			if err != nil {
				t.Fatal(err)
			}
			day := frames[0].Time.Truncate(24 * time.Hour)
			shift := day.Add(start).Sub(frames[0].Time)
			for i := range frames {
				frames[i].Time = frames[i].Time.Add(shift)
			}
			whole := p.tells(t, "a", frames)
			all := slices.Concat(p.tells(t, "a", frames[:cut]), p.tells(t, "b", frames[cut:]))
			for _, purpose := range []string{"billing", "fraud", "legal"} {
				other := func(x policy.Excerpt) bool { return x.Purpose != purpose }
				want := slices.DeleteFunc(slices.Clone(whole), func(x policy.Excerpt) bool { return other(x) || x.Stage != "stop" })
				everyOrder(slices.DeleteFunc(slices.Clone(all), other), func(order []policy.Excerpt) {
					s := p.store(t)
					for _, x := range append(order, order[0]) {
						if err := s.Put(t.Context(), []policy.Excerpt{x}); err != nil {
							t.Fatal(err)
						}
					}
					got := rowsOf(t, s, purpose)
					if len(want) != 1 || !slices.Equal(got, []string{stripped(t, want[0].Body())}) {
						t.Errorf("%s at %v, %s:\ngot  %s\nwant %s", name, start, purpose, strings.Join(got, "\n     "), want[0].Body())
					}
				})
			}
		}
	}
}

// everyOrder calls try with every order of xs.
func everyOrder(xs []policy.Excerpt, try func([]policy.Excerpt)) {
	if len(xs) < 2 {
		try(xs)
		return
	}
	for i := range xs {
		rest := slices.Delete(slices.Clone(xs), i, i+1)
		everyOrder(rest, func(order []policy.Excerpt) { try(append([]policy.Excerpt{xs[i]}, order...)) })
	}
}
