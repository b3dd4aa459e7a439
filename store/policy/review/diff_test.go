package review

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

func base(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile("../testdata/base.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

func parse(t *testing.T, src string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("p.toml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Each edit has one line in one direction and one in the other.
func TestDiffNamesWhatBecomesDifferent(t *testing.T) {
	for _, c := range []struct{ old, new, there, back string }{
		{"user_agent     = \"family\"", "", "narrowing: fraud: user_agent: no longer collected: family → nothing.",
			"widening: fraud: user_agent: new field: nothing → family."},
		{"\"ip_prefix:24,48\"", "\"ip_prefix:16,48\"", "narrowing: fraud: source_address: reveals less: ip_prefix:24,48 → ip_prefix:16,48.",
			"widening: fraud: source_address: reveals more: ip_prefix:16,48 → ip_prefix:24,48."},
		{"caller_number  = \"pseudonym\"", "caller_number  = [\"pseudonym\", \"area\"]",
			"widening: fraud: caller_number: reveals something else: pseudonym → pseudonym and area.",
			"narrowing: fraud: caller_number: reveals less: pseudonym and area → pseudonym."},
		{"retain     = \"30 days\"", "retain     = \"1 month\"", "widening: fraud: records are kept longer: 30 days → 1 month.",
			"widening: fraud: records are kept longer: 1 month → 30 days."},
		{"bus_retain = \"72 hours\"", "bus_retain = \"1 month\"", "widening: billing: records stay on the bus longer: 72 hours → 1 month.",
			"narrowing: billing: records stay on the bus for a shorter time: 1 month → 72 hours."},
		{"epoch      = \"7 days\"", "epoch      = \"8 days\"", "widening: fraud: pseudonyms change every: 7 days → 8 days.",
			"narrowing: fraud: pseudonyms change every: 8 days → 7 days."},
		{"[\"fraud_desk\"]", "[\"fraud_desk\", \"board\"]", "widening: fraud: new audience: nothing → board.",
			"narrowing: fraud: audience no more: board → nothing."},
		{"noc        = { outside = false }", "noc        = {}", "neutral: comments, layout or names of keys only", "neutral: "},
		{"[\"call\", \"registration\"]", "[\"call\"]", "narrowing: fraud: kind of record no more: registration → nothing.",
			"widening: fraud: new kind of record: nothing → registration."},
		{"\"correction\"]", "\"start\"]", "widening: billing: new stage of a record: nothing → start.",
			"widening: billing: new stage of a record: nothing → correction."},
		{"\"PCMU\", ", "\"PCMU\", \"G729\", ", "widening: network_ops: media_codecs: new word on its list: nothing → G729.",
			"narrowing: network_ops: media_codecs: no longer on its list: G729 → nothing."},
		{"\"PCMU\"", "\"pcmu\"", "neutral: network_ops: media_codecs: letters of a word on its list: PCMU → pcmu.", "neutral: "},
		{"priority   = 1", "min_correlation = 50",
			"widening: billing: legs of one call are joined from a score of: 90 → 50.", "narrowing: billing: legs of one call"},
		{"epoch      = \"7 days\"", "epoch      = \"7 days\"\nwhen = \"emergency\"",
			"narrowing: fraud: records are made of: all calls → emergency calls only.", "widening: fraud: records are made of: "},
		{"epoch      = \"7 days\"", "epoch      = \"7 days\"\nfrom = \"receipt\"",
			"widening: fraud: retention counts from: the call or event → receipt.", "narrowing: fraud: retention counts from"},
		{"222(d)(2)", "222(d)(3)", "widening: fraud: legal basis: \"47 USC 222(d)(2)\" → \"47 USC 222(d)(3)\".", "widening: fraud: legal basis"},
		{"consent    = \"none\"", "consent    = \"opt_in\"", "narrowing: billing: consent: none → opt_in.", "widening: billing: consent: opt_in → none."},
		{"review_every = \"1 year\"", "review_every = \"2 years\"", "widening: is reviewed less often: every: 1 year → 2 years.", "narrowing: "},
		{"enabled    = false\nwhy        = \"Answer", "enabled    = true\nwhy        = \"Answer",
			"widening: legal: the purpose is enabled: nothing → records of call for traceback, kept 180 days.",
			"narrowing: legal: the purpose is disabled: records of call for traceback, kept 180 days → nothing."},
		{"\"180 days\"", "\"90 days\"", "neutral: legal: records are kept for a shorter time (the purpose is disabled): 180 days → 90 days.", "neutral: "},
		{"setup_time    = \"truncate:second\"", "setup_time    = { form = \"truncate:second\", because = \"x\" }",
			"neutral: billing: setup_time: its reason: nothing → \"x\".", "widening: billing: setup_time: its reason is removed: \"x\" → nothing."},
		{"setup_time    = \"truncate:minute\"", "setup_time    = \"truncate:month\"",
			"narrowing: network_ops: expires shows of the time of a call its: day → month.",
			"widening: network_ops: expires shows of the time of a call its: month → day."},
		{"setup_time    = \"truncate:minute\"\n", "", "narrowing: network_ops: setup_time: no longer collected: ",
			"widening: network_ops: setup_time: new field: "},
		{"Find toll", "Find more toll", "neutral: fraud: why: ", "neutral: fraud: why: "},
	} {
		src := base(t)
		if !strings.Contains(src, c.old) {
			t.Fatalf("base.toml has no %s", c.old)
		}
		before, after := parse(t, src), parse(t, strings.Replace(src, c.old, c.new, 1))
		for i, got := range [][]Change{Diff(before, after), Diff(after, before)} {
			if len(got) == 0 || !strings.HasPrefix(got[0].Effect.String()+": "+got[0].String(), []string{c.there, c.back}[i]) {
				t.Errorf("%s → %s: %v, want %s", c.old, c.new, got, []string{c.there, c.back}[i])
			}
		}
	}
}

// TestATimeThatIsDroppedShowsItsDay: without a field for it, records of a month have days of deletion.
func TestATimeThatIsDroppedShowsItsDay(t *testing.T) {
	src := base(t)
	before := parse(t, strings.Replace(src, `"truncate:minute"`, `"truncate:month"`, 1))
	after := parse(t, strings.Replace(src, "setup_time    = \"truncate:minute\"\n", "", 1))
	got := fmt.Sprint(Diff(before, after))
	if !Widens(Diff(before, after)) || !strings.Contains(got, "expires shows of the time of a call its: month → day") {
		t.Errorf("changes = %s, want what expires shows then", got)
	}
}

// A mutation of a policy as it is decoded. It returns false if it has nothing to do there.
type mutation func(r *rand.Rand, purpose map[string]any) bool

// widenings are mutations whose undoing narrows.
var widenings = []mutation{
	func(r *rand.Rand, u map[string]any) bool {
		return swap(u, "retain", fmt.Sprint(600+r.IntN(400), " days"))
	},
	func(r *rand.Rand, u map[string]any) bool {
		u["audience"] = append(u["audience"].([]any), "new_role")
		return true
	},
	func(r *rand.Rand, u map[string]any) bool {
		_, there := u["stages"]
		u["stages"] = []any{"stop", "correction", "start"}
		return !there || len(u["stages"].([]any)) == 3
	},
	func(r *rand.Rand, u map[string]any) bool { return swap(u, "min_correlation", int64(r.IntN(60))) },
	func(r *rand.Rand, u map[string]any) bool { return swap(u, "from", "receipt") },
	func(r *rand.Rand, u map[string]any) bool { // another field
		fields := u["fields"].(map[string]any)
		e := cpni.Field(r.IntN(cpni.Fields())).Entry()
		if _, there := fields[e.Name]; there || e.Never || len(e.Transforms) == 0 {
			return false
		}
		form := e.Transforms[r.IntN(len(e.Transforms))]
		fields[e.Name] = map[string]any{"form": form, "because": "a test"}
		return form != "drop"
	},
}

func swap(u map[string]any, key string, value any) bool { u[key] = value; return true }

func decode(t *testing.T, src string) (tree map[string]any) {
	t.Helper()
	if _, err := toml.Decode(src, &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

func encode(t *testing.T, tree map[string]any) string {
	t.Helper()
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(tree); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Whatever is widened is reported, with its purpose; undoing it is not; a policy does not differ from itself.
func TestEveryWideningIsReportedAndNoNarrowingIsOne(t *testing.T) {
	plain := encode(t, decode(t, base(t)))
	before := parse(t, plain)
	if got := Diff(before, before); got != nil {
		t.Errorf("a policy and itself: %v", got)
	}
	tried := map[int]int{}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		tree := decode(t, plain)
		name := []string{"billing", "fraud", "network_ops"}[r.IntN(3)]
		n := r.IntN(len(widenings))
		if !widenings[n](r, tree["purpose"].(map[string]any)[name].(map[string]any)) {
			continue
		}
		after, err := policy.Parse("p.toml", []byte(encode(t, tree)))
		if err != nil {
			continue
		}
		tried[n]++
		if got := Diff(before, after); len(got) == 0 || got[0].Effect != Widening || got[0].Purpose != name {
			t.Errorf("seed %d: %v, want a widening of %s", seed, got, name)
		}
		if got := Diff(after, before); Widens(got) || len(got) == 0 {
			t.Errorf("seed %d, undone: %v, want no widening", seed, got)
		}
	}
	if len(tried) != len(widenings) {
		t.Errorf("mutations that were tried: %v", slices.Sorted(maps.Keys(tried)))
	}
}

// Of any two forms of a field, the one that reveals more widens, and the other narrows; a pseudonym and a part of the
// number each show what the other does not.
func TestFormsWidenAsTheyReveal(t *testing.T) {
	src := base(t)
	with := func(form string) *policy.Policy {
		return parse(t, strings.Replace(src, "caller_number  = \"pseudonym\"",
			fmt.Sprintf("caller_number = { form = %q, because = \"a test\" }", form), 1))
	}
	all := []string{"presence", "country", "area", "pseudonym", "e164"}
	for i, less := range all {
		for _, more := range all[i+1:] {
			if got := Diff(with(less), with(more)); !Widens(got) {
				t.Errorf("%s → %s: %v, want a widening", less, more, got)
			}
			want := Narrowing
			if more == "pseudonym" && less != "presence" {
				want = Widening
			}
			if got := Diff(with(more), with(less)); len(got) == 0 || got[0].Effect != want {
				t.Errorf("%s → %s: %v, want a %v", more, less, got, want)
			}
		}
	}
}
