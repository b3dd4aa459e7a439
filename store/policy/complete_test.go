package policy

import (
	"fmt"
	"strings"
	"testing"
)

// completed returns what a policy with these lines makes of the two bodies, in which POLICY stands for its hash.
func completed(t *testing.T, lines, whole, rest string) (Excerpt, bool) {
	t.Helper()
	u := boundPurpose(t, written("fraud", lines))
	x, ok := u.Complete(published(t, whole, u.hash), published(t, rest, u.hash))
	return x, ok
}

func published(t *testing.T, body, hash string) Excerpt {
	t.Helper()
	x, err := Received([]byte(strings.ReplaceAll(body, "POLICY", hash)))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// part returns a body: of id, with what is missing, and further keys.
func part(id, stage, missing, more string) string {
	return fmt.Sprintf(`{"schema":"sipsieve.call/1","kind":"call","stage":%q,"id":%q,"dialog":"d","revision":7,"status":"partial",`+
		`"missing":[%s],"completeness":1,"purpose":"fraud","policy":"POLICY","class":"cpni","expires":"2026-11-24",`+
		`"site":"dfw1","sensor":%q,"source":"file"%s}`, stage, id, missing, "host-"+id, more)
}

const byeAlone = `"invite","final_response","ack"`

func TestTheEndOfTheOtherHostCompletesACall(t *testing.T) {
	x, ok := completed(t, "", part("a", "interim", "", `,"answer_time":"2026-01-01T10:00:02.000300Z","end_time":null,`+
		`"duration_ms":null,"caller_number":"\u002b1 <x>","disposition":"answered","disconnect_by":"unknown","q850_cause":null,`+
		`"end_cause":null,"end_time_source":null,"call_flags":["no_ack","privacy_applied"],"billable":false,"later":{"a": [1]}`),
		part("b", "stop", byeAlone+`,"loss_window"`, `,"answer_time":null,"end_time":"2026-01-01T10:01:03.900000Z",`+
			`"duration_ms":null,"caller_number":null,"disposition":"answered","disconnect_by":"caller","q850_cause":16,`+
			`"end_cause":"normal","end_time_source":"observed","call_flags":["cause_derived"],"billable":false`))
	want := strings.NewReplacer(`"partial","missing":[]`, `"partial","missing":["loss_window"]`, `"completeness":1`,
		`"completeness":100`, `"interim"`, `"stop"`, "POLICY", x.Policy).Replace(part("a", "interim", "",
		`,"answer_time":"2026-01-01T10:00:02.000300Z","end_time":"2026-01-01T10:01:03.900000Z",`+
			`"duration_ms":null,"caller_number":"\u002b1 <x>","disposition":"answered","disconnect_by":"unknown","q850_cause":16,`+
			`"end_cause":"normal","end_time_source":"observed","call_flags":["no_ack","cause_derived","privacy_applied"],`+
			`"billable":true,"later":{"a": [1]}`))
	if !ok || string(x.Body()) != want {
		t.Errorf("got  %s\nwant %s", x.Body(), want)
	}
	again, err := Received(x.Body())
	if err != nil || again.Envelope != x.Envelope {
		t.Errorf("envelope = %+v, want what the body says, %+v, %v", x.Envelope, again.Envelope, err)
	}
}

// TestADurationIsNoFinerThanThePolicyAllows: the answer and the end as published, and what becomes of the duration.
func TestADurationIsNoFinerThanThePolicyAllows(t *testing.T) {
	const seconds = "answer_time = { form = \"truncate:second\", because = \"t\" }\n" +
		"end_time = { form = \"truncate:second\", because = \"t\" }\n"
	exact := strings.ReplaceAll(seconds, "truncate:second", "keep")
	keep := "duration_ms = { form = \"keep\", because = \"t\" }\n"
	truncated := "duration_ms = { form = \"truncate:second\", because = \"t\" }\n"
	bucket := "duration_ms = \"bucket:6s\"\n"
	for name, c := range map[string]struct{ lines, answer, end, want string }{
		"exact":             {exact + keep, "10:00:02.000300Z", "10:01:03.900000Z", "61899"},
		"exact, seconds":    {exact + truncated, "10:00:02.000300Z", "10:01:03.900000Z", "61000"},
		"exact, buckets":    {exact + bucket, "10:00:02.000300Z", "10:01:03.900000Z", "60000"},
		"seconds":           {seconds + truncated, "10:00:02Z", "10:01:03Z", "61000"},
		"seconds, buckets":  {seconds + bucket, "10:00:02Z", "10:01:03Z", "60000"},
		"minutes":           {strings.ReplaceAll(seconds, "second", "minute") + keep, "10:00:00Z", "10:01:00Z", "null"},
		"one of minutes":    {strings.Replace(seconds, "second", "minute", 1) + keep, "10:00:00Z", "10:01:03Z", "null"},
		"no answer's time":  {exact + keep, "", "10:01:03.900000Z", "null"},
		"no time of an end": {exact + keep, "10:00:02.000300Z", "", "null"},
	} {
		moment := func(key, text string) string {
			if text == "" {
				return ""
			}
			return fmt.Sprintf(`,%q:"2026-01-01T%s"`, key, text)
		}
		end := ""
		if c.end != "" {
			end = `,"end_time":null`
		}
		whole := part("a", "stop", `"bye"`, moment("answer_time", c.answer)+end+`,"duration_ms":5`)
		x, ok := completed(t, c.lines, whole, part("b", "stop", byeAlone, moment("end_time", c.end)))
		if got := string(readBody(x.Body()).get("duration_ms")); !ok || got != c.want {
			t.Errorf("%s: duration = %s, want %s", name, got, c.want)
		}
	}
}

// TestATimeOfAnotherPolicyGivesNoDuration: its truncation is not known.
func TestATimeOfAnotherPolicyGivesNoDuration(t *testing.T) {
	whole := part("a", "stop", `"bye"`, `,"answer_time":"2026-01-01T10:00:02Z","end_time":null,"duration_ms":null`)
	rest := part("b", "stop", byeAlone, `,"end_time":"2026-01-01T10:01:03Z"`)
	u := boundPurpose(t, written("fraud", "duration_ms = \"bucket:6s\"\n"))
	for _, u := range []*Purpose{u, nil} {
		x, ok := u.Complete(published(t, whole, "another"), published(t, rest, "another"))
		if got := string(readBody(x.Body()).get("duration_ms")); !ok || got != "null" {
			t.Errorf("duration = %s, want null", got)
		}
	}
}

func TestWhoHungUpIsTakenOnlyIfBothCallOneSideTheCaller(t *testing.T) {
	for name, c := range map[string]struct{ id, by, want string }{
		"one id":           {"a", "callee", "callee"},
		"another id":       {"b", "callee", "unknown"},
		"nobody's fault":   {"b", "network", "network"},
		"nobody knows who": {"a", "unknown", "unknown"},
	} {
		x, _ := completed(t, "", part("a", "stop", `"bye"`, `,"disconnect_by":"unknown"`),
			part(c.id, "stop", `"invite"`, fmt.Sprintf(`,"disconnect_by":%q`, c.by)))
		if got := readBody(x.Body()).text("disconnect_by"); got != c.want {
			t.Errorf("%s: disconnect_by = %s, want %s", name, got, c.want)
		}
	}
}

func TestACallThatWasHandedOnEndsByItsTransfer(t *testing.T) {
	for transfer, want := range map[string]string{"blind": "transfer", "none": "normal"} {
		x, _ := completed(t, "", part("a", "stop", `"bye"`, fmt.Sprintf(`,"transfer":%q,"end_cause":"timeout"`, transfer)),
			part("b", "stop", byeAlone, `,"end_cause":"normal"`))
		if got := readBody(x.Body()).text("end_cause"); got != want {
			t.Errorf("%s: end_cause = %s, want %s", transfer, got, want)
		}
	}
}

// TestABYEWithoutItsResponseIsThatOfTheOtherHostIfItWasRepeatedThere: host A dies between a BYE and its 200.
func TestABYEWithoutItsResponseIsThatOfTheOtherHostIfItWasRepeatedThere(t *testing.T) {
	for name, c := range map[string]struct{ end, missing, want, status string }{
		"repeated":         {"10:01:03.900000Z", byeAlone, "10:01:03.400000Z", "complete"},
		"never answered":   {"10:01:03.900000Z", byeAlone + `,"bye_response"`, "", ""},
		"another BYE":      {"10:01:35.500000Z", byeAlone, "10:01:35.500000Z", "complete"},
		"an earlier one":   {"10:01:01.000000Z", byeAlone, "10:01:01.000000Z", "complete"},
		"before an answer": {"09:59:59.000000Z", byeAlone, "", ""},
	} {
		x, ok := completed(t, "", part("a", "stop", `"bye_response"`, `,"answer_time":"2026-01-01T10:00:02.000000Z",`+
			`"end_time":"2026-01-01T10:01:03.400000Z"`), part("b", "stop", c.missing, `,"end_time":"2026-01-01T`+c.end+`"`))
		if ok != (c.want != "") || ok && (x.Status != c.status || readBody(x.Body()).text("end_time") != "2026-01-01T"+c.want) {
			t.Errorf("%s: completed %t: %s", name, ok, x.Body())
		}
	}
}

func TestWhatIsNoRestOfACallCompletesNothing(t *testing.T) {
	bye := part("b", "stop", byeAlone, "")
	for name, c := range map[string][2]string{
		"ended itself":      {part("a", "stop", "", ""), bye},
		"another dialog":    {part("a", "stop", `"bye"`, ""), strings.Replace(bye, `"d"`, `"e"`, 1)},
		"no end":            {part("a", "stop", `"bye"`, ""), part("b", "stop", `"invite","bye"`, "")},
		"not over":          {part("a", "stop", `"bye"`, ""), part("b", "interim", `"invite"`, "")},
		"nobody's dialog":   {strings.Replace(part("a", "stop", `"bye"`, ""), `"d"`, "null", 1), strings.Replace(bye, `"d"`, "null", 1)},
		"answer not proven": {part("a", "start", "", `,"dialog2":1`), strings.Replace(bye, `"d"`, `""`, 1)},
	} {
		if x, ok := completed(t, "", c[0], c[1]); ok || string(x.Body()) != strings.ReplaceAll(c[0], "POLICY", x.Policy) {
			t.Errorf("%s: completed: %s", name, x.Body())
		}
	}
}

func TestABillOfACallIsRightOnlyIfItsAnswerWasSeen(t *testing.T) {
	for missing, want := range map[string]string{`"bye"`: "true", `"ack","bye"`: "true", `"restart_gap","bye"`: "true",
		`"final_response","bye"`: "false", `"invite","bye"`: "false"} {
		x, _ := completed(t, "", part("a", "stop", missing, `,"billable":false`), part("b", "stop", byeAlone, ""))
		if got := string(readBody(x.Body()).get("billable")); got != want {
			t.Errorf("missing %s: billable = %s, want %s", missing, got, want)
		}
	}
}

func TestExpiriesOfOneCallLieAsFarApartAsDaysApartSays(t *testing.T) {
	for retain, want := range map[string]int{"30 days": 1, "18 months": 4, "2 years": 4} {
		src := strings.Replace(written("fraud", ""), `retain = "30 days"`, fmt.Sprintf("retain = %q", retain), 1)
		if got := boundPurpose(t, src).DaysApart(); got != want {
			t.Errorf("%s: %d, want %d", retain, got, want)
		}
	}
	months := boundPurpose(t, written("fraud", "setup_time = { form = \"truncate:month\", because = \"t\" }\n"))
	if got := months.DaysApart(); got != 31 {
		t.Errorf("cut to months: %d, want 31", got)
	}
}
