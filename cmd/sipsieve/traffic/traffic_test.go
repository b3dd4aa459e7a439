package traffic

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"sipsieve/store/policy"
)

// purposeOf returns a purpose that keeps fields, each as a line of a policy has it.
func purposeOf(t *testing.T, lines ...string) *policy.Purpose {
	t.Helper()
	text := "version = 1\nname = \"t\"\nowner = \"t\"\nreviewed = 2026-01-01\ndefault = \"drop\"\n[purpose.network_ops]\nwhy = \"w\"\n" +
		"basis = \"b\"\nkinds = [\"call\"]\naudience = [\"a\"]\nretain = \"1 day\"\nretain_why = \"r\"\n[purpose.network_ops.fields]\n"
	for _, line := range lines {
		name, form, _ := strings.Cut(line, "=")
		text += name + " = { form = \"" + form + "\", because = \"b\" }\n"
	}
	p, err := policy.Parse("policy.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	one, ok := p.Purpose("network_ops")
	if !ok {
		t.Fatal("no purpose")
	}
	return one
}

// everything is what all figures are made of.
var everything = []string{"setup_time=truncate:second", "disposition=keep", "sip_code=keep", "ring_ms=bucket:1s",
	"duration_ms=keep", "pdd_ms=keep", "direction=keep", "trunk_in=keep", "trunk_out=keep", "account_id=keep", "call_flags=keep"}

// rows adds bodies and returns the rows as text, one line each.
func rows(t *testing.T, by string, bodies ...string) []string {
	t.Helper()
	r, missing, err := New(by, purposeOf(t, everything...), nil)
	if err != nil || len(missing) > 0 {
		t.Fatal(err, missing)
	}
	for _, body := range bodies {
		r.Add([]byte(body))
	}
	return textsOf(r)
}

func textsOf(r *Report) (lines []string) {
	for _, row := range r.Rows() {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = fmt.Sprint(cell)
		}
		lines = append(lines, strings.Join(line, " "))
	}
	return lines
}

// call returns a record: an answered call of acme's from carrier-a to carrier-b at noon, with some keys changed.
func call(changes ...string) string {
	x := map[string]json.RawMessage{}
	_ = json.Unmarshal([]byte(`{"kind":"call","stage":"stop","setup_time":"2026-11-24T12:00:00Z","disposition":"answered",
		"sip_code":200,"ring_ms":2000,"duration_ms":60000,"pdd_ms":500,"direction":"inbound","trunk_in":"carrier-a",
		"trunk_out":"carrier-b","account_id":"acme","call_flags":[]}`), &x)
	for _, one := range changes {
		key, value, _ := strings.Cut(one, "=")
		x[key] = json.RawMessage(value)
	}
	text, _ := json.Marshal(x)
	return string(text)
}

// unanswered returns a record of a call that ended with a code.
func unanswered(disposition string, code int, changes ...string) string {
	return call(append([]string{fmt.Sprintf("disposition=%q", disposition), fmt.Sprintf("sip_code=%d", code), "duration_ms=0"}, changes...)...)
}

// TestFiguresAreThoseOfAHandComputedHour has twelve calls of an hour. Attempts 12. One 302 and one 407 are no seizures:
// 10. Answered 2 of 60 s and 30.5 s: ASR 2/10. Reached the terminal: the answered, 486, 480, 603, 607, 487 after ringing
// = 7; not 503, 404, nor 487 without ringing. PDD: 500 ms of eleven and 1600 ms of one, 7100/12 = 591.67. The first
// answered call is inbound, the second transit: 1.51 minutes in, 0.51 out.
func TestFiguresAreThoseOfAHandComputedHour(t *testing.T) {
	bodies := []string{
		call(), call("duration_ms=30500", `direction="transit"`, "pdd_ms=1600"),
		unanswered("redirected", 302), unanswered("auth_failed", 407), unanswered("busy", 486), unanswered("unreachable", 480),
		unanswered("rejected", 603), unanswered("rejected", 607), unanswered("cancelled", 487),
		unanswered("cancelled", 487, "ring_ms=null"), unanswered("failed", 503), unanswered("unreachable", 404),
	}
	want := "2026-11-24T12:00:00Z 12 10 2 20 70 45.3 592 1.51 0.51"
	if got := rows(t, "hour", bodies...); len(got) != 1 || got[0] != want {
		t.Errorf("rows = %q, want %q", got, want)
	}
}

// TestATrunkHasARowForEachSide has two calls between two trunks and one of no known trunk.
func TestATrunkHasARowForEachSide(t *testing.T) {
	got := rows(t, "trunk", call(), call(`trunk_in="carrier-b"`, `trunk_out="carrier-a"`, "duration_ms=120000"),
		unanswered("failed", 503, "trunk_in=null", "trunk_out=null", "pdd_ms=null"))
	want := []string{
		"carrier-a in 1 1 1 100 100 60 500 1 0", "carrier-a out 1 1 1 100 100 120 500 0 2",
		"carrier-b in 1 1 1 100 100 120 500 2 0", "carrier-b out 1 1 1 100 100 60 500 0 1",
		"none in 1 1 0 0 0 <nil> <nil> 0 0", "none out 1 1 0 0 0 <nil> <nil> 0 0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows = %q, want %q", got, want)
	}
}

// TestWhatIsNoAttemptIsInNoRatio has a second fork, whose minutes count, a call that goes on, one whose INVITE was not
// seen, and a loss.
func TestWhatIsNoAttemptIsInNoRatio(t *testing.T) {
	r, _, err := New("account", purposeOf(t, everything...), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{call(), call(`call_flags=["second_fork"]`), call(`stage="start"`), call("setup_time=null"),
		`{"kind":"loss"}`, call(`stage="correction"`, "account_id=null")} {
		r.Add([]byte(body))
	}
	want := []string{"acme 1 1 1 100 100 60 500 2 0", "none 1 1 1 100 100 60 500 1 0"}
	if got := textsOf(r); !slices.Equal(got, want) {
		t.Errorf("rows = %q, want %q", got, want)
	}
	if r.Open != 1 || r.Unseen != 1 || r.Other != 1 {
		t.Errorf("open, unseen, other = %d, %d, %d, want 1 each", r.Open, r.Unseen, r.Other)
	}
}

// TestMinutesWithoutADirectionAreCounted has a call of each direction, two that have none, and one of those that was not
// answered.
func TestMinutesWithoutADirectionAreCounted(t *testing.T) {
	for _, c := range []struct {
		by       string
		measures []string
		want     int
	}{{"hour", nil, 2}, {"account", nil, 2}, {"hour", []string{"minutes_out"}, 2}, {"hour", []string{"acd"}, 0}, {"trunk", nil, 0}} {
		r, _, err := New(c.by, purposeOf(t, everything...), c.measures)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{call(`direction="inbound"`), call(`direction="internal"`), call(`direction="transit"`),
			call("direction=null"), call("direction=null"), unanswered("busy", 486, "direction=null")} {
			r.Add([]byte(body))
		}
		if r.Undirected != c.want {
			t.Errorf("by %s, %v: undirected = %d, want %d", c.by, c.measures, r.Undirected, c.want)
		}
	}
}

// TestAFieldThatIsNotKeptIsNamed has purposes that keep too little, or too coarsely.
func TestAFieldThatIsNotKeptIsNamed(t *testing.T) {
	without := func(name string) (lines []string) {
		for _, line := range everything {
			if field, _, _ := strings.Cut(line, "="); field != name {
				lines = append(lines, line)
			}
		}
		return lines
	}
	for _, c := range []struct {
		by, lacks, instead string
		measures           []string
		want               string
	}{
		{"hour", "disposition", "", nil, "does not keep disposition"},
		{"account", "account_id", "", nil, "does not keep account_id"},
		{"hour", "setup_time", "setup_time=truncate:day", nil, "keeps setup_time as truncate:day"},
		{"hour", "pdd_ms", "", []string{"asr", "pdd"}, "pdd: the purpose network_ops does not keep pdd_ms"},
		{"hour", "duration_ms", "duration_ms=bucket:30s", []string{"acd"}, "acd: the purpose network_ops keeps duration_ms as bucket:30s"},
		{"hour", "ring_ms", "", []string{"ner"}, "ner: the purpose network_ops does not keep ring_ms or ring_time"},
		{"hour", "direction", "", []string{"minutes_in"}, "does not keep direction"},
		{"hour", "", "", []string{"mos"}, "measures: want some of attempts,"},
		{"day", "", "", nil, "by: want trunk, account, hour"},
	} {
		lines := without(c.lacks)
		if c.instead != "" {
			lines = append(lines, c.instead)
		}
		_, _, err := New(c.by, purposeOf(t, lines...), c.measures)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("without %s: error = %v, want %s", c.lacks, err, c.want)
		}
	}
	r, missing, err := New("trunk", purposeOf(t, "setup_time=keep", "disposition=keep", "trunk_in=keep", "duration_ms=keep"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(r.Header(), " "), "trunk way attempts seizures answered asr_percent acd_s minutes_in minutes_out"; got != want {
		t.Errorf("header = %s, want %s", got, want)
	}
	if len(missing) != 2 || !strings.HasPrefix(missing[0], "ner is left out: the purpose network_ops does not keep sip_code") {
		t.Errorf("missing = %q, want ner and pdd", missing)
	}
	r.Add([]byte(call()))
	if got := textsOf(r); len(got) != 1 {
		t.Errorf("rows = %q, want the side that is kept", got)
	}
}

// TestSumsAgreeWithASimpleCalculation adds random calls, and counts each figure anew by going through all calls.
func TestSumsAgreeWithASimpleCalculation(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	outcomes := []string{"answered 200", "answered 200", "busy 486", "busy 600", "no_answer 408", "cancelled 487", "redirected 302",
		"auth_failed 401", "failed 503", "unreachable 404", "unreachable 480", "rejected 603", "rejected 403", "no_answer 0"}
	type simple struct {
		outcome                   string
		rang                      bool
		talk, delay               int
		direction, account, trunk string
	}
	var calls []simple
	var bodies []string
	for range 3000 {
		c := simple{outcomes[rng.IntN(len(outcomes))], rng.IntN(2) == 0, 0, rng.IntN(3000),
			[]string{"inbound", "outbound", "transit", "internal"}[rng.IntN(4)], fmt.Sprint("a", rng.IntN(5)), fmt.Sprint("t", rng.IntN(4))}
		disposition, code, _ := strings.Cut(c.outcome, " ")
		if disposition == "answered" {
			c.talk = rng.IntN(600_000)
		}
		ring := "null"
		if c.rang {
			ring = "1000"
		}
		calls = append(calls, c)
		bodies = append(bodies, call(fmt.Sprintf("disposition=%q", disposition), "sip_code="+code, "ring_ms="+ring,
			fmt.Sprint("duration_ms=", c.talk), fmt.Sprint("pdd_ms=", c.delay), fmt.Sprintf("direction=%q", c.direction),
			fmt.Sprintf("account_id=%q", c.account), fmt.Sprintf("trunk_in=%q", c.trunk)))
	}
	of := func(name string, has func(simple) bool) float64 {
		n := 0
		for _, c := range calls {
			if c.account == name && has(c) {
				n++
			}
		}
		return float64(n)
	}
	in := func(words ...string) func(simple) bool {
		return func(c simple) bool { return slices.Contains(words, c.outcome) }
	}
	for _, line := range rows(t, "account", bodies...) {
		name := strings.Fields(line)[0]
		attempts := of(name, func(simple) bool { return true })
		seizures := attempts - of(name, in("redirected 302", "auth_failed 401"))
		answered := of(name, in("answered 200"))
		reached := answered + of(name, in("busy 486", "busy 600", "unreachable 480", "rejected 603")) +
			of(name, func(c simple) bool { return c.rang && in("no_answer 408", "cancelled 487", "no_answer 0")(c) })
		talk, delay, came, went := 0.0, 0.0, 0.0, 0.0
		for _, c := range calls {
			if c.account != name {
				continue
			}
			talk, delay = talk+float64(c.talk), delay+float64(c.delay)
			if c.direction == "inbound" || c.direction == "transit" {
				came += float64(c.talk)
			}
			if c.direction == "outbound" || c.direction == "transit" {
				went += float64(c.talk)
			}
		}
		want := fmt.Sprintf("%s %.0f %.0f %.0f %.1f %.1f %.1f %.0f %.2f %.2f", name, attempts, seizures, answered,
			100*answered/seizures, 100*reached/seizures, talk/answered/1000, delay/attempts, came/60000, went/60000)
		if got := padded(line); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// padded returns a line with as many digits behind the points as a figure has at most.
func padded(line string) string {
	var name string
	var n [9]float64
	_, _ = fmt.Sscan(line, &name, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7], &n[8])
	return fmt.Sprintf("%s %.0f %.0f %.0f %.1f %.1f %.1f %.0f %.2f %.2f", name, n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8])
}

// TestGroupsAreBounded has one account more than a report has groups for.
func TestGroupsAreBounded(t *testing.T) {
	r := &Report{by: "account", groups: map[key]*Group{}}
	for i := range MostGroups + 2 {
		r.group(key{name: fmt.Sprint(i)}).Attempts++
	}
	if got := r.groups[key{name: Others}]; len(r.groups) != MostGroups+1 || got == nil || got.Attempts != 2 {
		t.Errorf("%d groups, others = %+v, want %d and 2 attempts", len(r.groups), got, MostGroups+1)
	}
}

// TestADelayInBucketsIsTakenAtTheMiddle has delays of 500 and 1500 ms in buckets of 500 ms: 750 and 1750.
func TestADelayInBucketsIsTakenAtTheMiddle(t *testing.T) {
	r, _, err := New("account", purposeOf(t, "setup_time=truncate:second", "disposition=keep", "account_id=keep",
		"pdd_ms=bucket:500ms"), []string{"pdd"})
	if err != nil {
		t.Fatal(err)
	}
	r.Add([]byte(call("pdd_ms=500")))
	r.Add([]byte(call("pdd_ms=1500")))
	if got := textsOf(r); len(got) != 1 || got[0] != "acme 1250" {
		t.Errorf("rows = %q, want acme 1250", got)
	}
}

// TestTheShippedPolicyGivesItsFigures compares the columns of the shipped purposes.
func TestTheShippedPolicyGivesItsFigures(t *testing.T) {
	text, err := os.ReadFile("../../../configs/policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := policy.Parse("policy.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"billing":     "account attempts seizures answered asr_percent acd_s minutes_in minutes_out",
		"network_ops": "account attempts seizures answered asr_percent ner_percent pdd_ms",
	} {
		p, _ := shipped.Purpose(name)
		r, _, err := New("account", p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(r.Header(), " "); got != want {
			t.Errorf("%s: header = %s, want %s", name, got, want)
		}
	}
}
