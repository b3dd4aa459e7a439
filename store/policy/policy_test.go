package policy

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sipsieve/store/cpni"
)

func shipped(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile("../../configs/policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

func TestTheShippedPoliciesBindWithoutAnError(t *testing.T) {
	for _, file := range []string{"policy.toml", "quickstart-policy.toml"} {
		src, err := os.ReadFile("../../configs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(file, src)
		if err != nil {
			t.Fatal(err)
		}
		keys := demoKeys
		if err := p.Bind(keys); err != nil {
			t.Error(err)
		}
		for _, f := range p.Lint(p.Reviewed.AddDate(0, 1, 0)) {
			if f.Problem {
				t.Errorf("%s:%d: %s: %s", file, f.Line, f.Key, f.Text)
			}
		}
		if len(p.Hash()) != 16 || len(p.Purposes()) != 4 {
			t.Errorf("%s: hash %s, %d purposes", file, p.Hash(), len(p.Purposes()))
		}
	}
}

// lineOf returns the number of the line of src that holds text.
func lineOf(src, text string) int {
	before, _, _ := strings.Cut(src, text)
	return strings.Count(before, "\n") + 1
}

func TestEveryMistakeIsToldWithItsLine(t *testing.T) {
	good := shipped(t)
	for _, c := range []struct{ old, made, want string }{
		{`default  = "drop"`, `default  = "keep"`, `default: want "drop"`},
		{`default  = "drop"`, `defautl  = "drop"`, `defautl: unknown key`},
		{`default  = "drop"`, `Default  = "drop"`, `Default: want lower case`},
		{`version  = 1`, `version  = 2`, `version: want 1`},
		{`owner    = "privacy officer"`, `owner    = ""`, `owner: want the role`},
		{`review_every = "1 year"`, `review_every = "yearly"`, `review_every: want a whole number`},
		{`source    = "credential"`, `source    = "cloud"`, `keys.source: want credential or file`},
		{`[purpose.billing]`, "[purpose.curiosity]\n[purpose.billing]", `purpose.curiosity: no such purpose`},
		{`why       = "Rate`, `wyh       = "Rate`, `purpose.billing.wyh: unknown key`},
		{`basis     = "47 USC 222(d)(2)"`, `basis     = ""`, `purpose.fraud.basis: missing: name the clause`},
		{`retain_why = "campaigns`, `retain_wyh = "campaigns`, `purpose.fraud.retain_wyh: unknown key`},
		{`retain    = "14 days"`, `retain    = "14 fortnights"`, `purpose.network_ops.retain: want hours, days`},
		{`retain    = "14 days"`, `retain    = "36 hours"`, `purpose.network_ops.retain: want days, weeks`},
		{`retain    = "14 days"`, `retain    = "200 years"`, `purpose.network_ops.retain: want 100 years or less`},
		{`retain    = "14 days"`, `retain    = "-1 days"`, `purpose.network_ops.retain: want a whole number`},
		{`audience  = ["noc"]`, `audience  = []`, `purpose.network_ops.audience: missing`},
		{`audience  = ["noc"]`, `audience  = ["the noc"]`, `purpose.network_ops.audience: entry 1: want a role`},
		{`audience  = ["rating", "invoicing"]`, `audience  = ["rating", "rating"]`, `purpose.billing.audience: entry 2 stands twice`},
		{`stages    = ["stop", "correction"]`, `stages    = ["end"]`, `purpose.billing.stages: want start`},
		{`kinds     = ["call", "registration", "device"]`, `kinds     = ["calls"]`, `purpose.network_ops.kinds: want call`},
		{`kinds     = ["call", "registration", "device"]`, `kinds     = []`, `purpose.network_ops.kinds: missing`},
		{`when      = "emergency"`, `when      = "always"`, `purpose.emergency.when: want emergency`},
		{`when      = "emergency"`, `stages    = ["stop"]`, `stages`}, // a key twice: the decoder's own words
		{`bus_retain = "72 hours"`, `bus_retain = "10 years"`, `purpose.billing.bus_retain: 10 years is longer than retain, 18 months`},
		{`bus_retain = "72 hours"`, `bus_retain = "19 months"`, `purpose.billing.bus_retain: 19 months is longer than retain`},
		{`epoch     = "7 days"`, `epoch     = "often"`, `purpose.fraud.epoch: want`},
		{`min_correlation = 90`, `min_correlation = 190`, `purpose.billing.min_correlation: want 0 to 100`},
		{`priority  = 1 `, `priority  = 0 `, `purpose.billing.priority: want 1 to 100`},
		{`consent   = "opt_in"`, `consent   = "assumed"`, `purpose.marketing.consent: want none`},
		{`kinds     = ["aggregate"]`, `kinds     = ["call"]`, `purpose.capacity.kinds: want aggregate alone`},
		{`call_id              = "pseudonym"    #`, `call_ids             = "pseudonym"    #`, `call_ids: not in the register`},
		{`call_id              = "pseudonym"    #`, `call_id              = "keep"    #`, `call_id: keep is not allowed`},
		{`call_id              = "pseudonym"    #`, `call_id              = "seall"    #`, `call_id: "seall" is no transform`},
		{`call_id              = "pseudonym"    #`, `call_id              = "pseudonym:7"    #`, `call_id: pseudonym takes no argument`},
		{`call_id              = "pseudonym"    #`, `call_id              = 7    #`, `call_id: want a form`},
		{`call_id              = "pseudonym"    #`, `call_id              = []    #`, `call_id: want at least one form`},
		{`call_id              = "pseudonym"    #`, `call_id              = ["pseudonym", "pseudonym"]    #`, `call_id: pseudonym stands twice`},
		{`call_id              = "pseudonym"    #`, `call_id              = { form = "pseudonym", why = "x" }    #`, `call_id: want form, and if need be`},
		{`billable             = "keep"`, `raw_message          = "keep"`, `raw_message: the register marks this field never`},
		{`billable             = "keep"`, `raw_message          = "drop"`, `raw_message: the register marks this field never`},
		{`billable             = "keep"`, `emergency_location   = { form = "presence", because = "x" }`, `emergency_location: a caller's location`},
		{`billable             = "keep"`, `access_network_info  = { form = "presence", because = "x" }`, `access_network_info: a caller's location`},
		{`emergency_location   = "presence"`, `emergency_location   = "keep"`, `emergency_location: keep is not allowed`},
		{`called_number        = "area"`, `called_number        = "e164"`, `called_number: reveals more than the register suggests (area)`},
		{`duration_ms          = "bucket:30s"`, `duration_ms          = "truncate:second"`, `duration_ms: reveals more`},
		{`duration_ms          = "bucket:30s"`, `duration_ms          = "bucket:30"`, `duration_ms: bucket: want a width with a unit`},
		{`duration_ms          = "bucket:30s"`, `duration_ms          = "bucket:0s"`, `duration_ms: bucket: want bucket:WIDTH`},
		{`call_attempts        = "bucket:100"`, `call_attempts        = "bucket:100s"`, `call_attempts: bucket: want a width with a unit for`},
		{`setup_time           = "truncate:minute"`, `setup_time           = "truncate:second"`, `setup_time: reveals more`},
		{`setup_time           = "truncate:minute"`, `setup_time           = "truncate:tick"`, `setup_time: truncate: want truncate:UNIT`},
		{`source_address       = "ip_prefix:24,48"`, `source_address       = "ip_prefix:25,48"`, `source_address: ip_prefix: want`},
		{`source_address       = "ip_prefix:24,48"`, `source_address       = "ip_prefix:24"`, `source_address: ip_prefix: want`},
		{`media_codecs         = { form = "known", list = "codecs" }`, `media_codecs         = "known"`, `media_codecs: known needs a list`},
		{`media_codecs         = { form = "known", list = "codecs" }`, `media_codecs         = { form = "known", list = "codex" }`, `media_codecs: known: no list "codex" under [lists]; did you mean codecs?`},
		{`sip_method           = "keep"`, `sip_method           = { form = "keep", list = "codecs" }`, `sip_method: only known takes a list`},
	} {
		src := strings.Replace(good, c.old, c.made, 1)
		if src == good {
			t.Fatalf("%s: not in the shipped policy", c.old)
		}
		_, err := Parse("policy.toml", []byte(src))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error = %v, want %s", c.made, err, c.want)
			continue
		}
		if line := fmt.Sprintf("policy.toml:%d: ", lineOf(good, c.old)); !strings.Contains(err.Error(), line) && c.want != "stages" {
			t.Errorf("%s: error = %v, want %s", c.made, err, line)
		}
	}
}

func TestAllMistakesAreToldAtOnceInTheOrderOfTheirLines(t *testing.T) {
	src := strings.NewReplacer(`default  = "drop"`, `default  = "keep"`, `"truncate:minute"`, `"truncate:second"`,
		`consent   = "opt_in"`, `consent   = "assumed"`).Replace(shipped(t))
	var first string
	for range 10 {
		_, err := Parse("p.toml", []byte(src))
		if err == nil {
			t.Fatal("no error")
		}
		if first == "" {
			first = err.Error()
		}
		if err.Error() != first {
			t.Fatalf("the same file gives\n%v\nand\n%s", err, first)
		}
	}
	last := 0
	lines := strings.Split(first, "\n")
	for _, line := range lines {
		var n int
		if _, err := fmt.Sscanf(line, "p.toml:%d:", &n); err != nil || n < last {
			t.Errorf("%q after line %d", line, last)
		}
		last = n
	}
	if len(lines) != 4 {
		t.Errorf("%d mistakes, want 4:\n%s", len(lines), first)
	}
}

func TestWhatIsNotBuiltParsesButDoesNotBind(t *testing.T) {
	for name, src := range map[string]string{
		"seal":         written("billing", "caller_number = \"seal\"\n"),
		"two forms":    written("legal", "caller_number = [\"pseudonym\", \"seal\"]\n"),
		"count":        written("network_ops", "sip_code = \"count\"\n"),
		"unread":       written("fraud", "associated_numbers = { form = \"presence\", because = \"b\" }\n"),
		"aggregate":    strings.Replace(written("capacity", ""), `"call", "registration"`, `"aggregate"`, 1),
		"consent":      written("marketing", ""),
		"open_with":    strings.Replace(written("fraud", ""), "why = ", "open_with = [\"request\"]\nwhy = ", 1),
		"consent_list": strings.Replace(written("fraud", ""), "why = ", "consent_list = \"a\"\nwhy = ", 1),
		"campaign_log": strings.Replace(written("fraud", ""), "why = ", "campaign_log = true\nwhy = ", 1),
		"noise":        written("fraud", "") + "[purpose.fraud.noise]\nepsilon = 1.0\n",
		"subscriber":   written("fraud", "") + "[subscriber]\nby = [\"trunk_in\"]\n",
		"disclosure":   written("fraud", "") + "[disclosure]\nlog = \"a\"\n",
		"audit":        written("fraud", "") + "[audit]\nlog = \"a\"\n",
		"sealing":      written("fraud", "") + "[keys]\nsealing = \"a\"\n",
		"signing":      written("fraud", "") + "[keys]\nsigning = \"a\"\n",
	} {
		p, err := Parse("p.toml", []byte(src))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		keys := demoKeys
		if err := p.Bind(keys); !errors.Is(err, ErrNotBuilt) || !strings.Contains(err.Error(), "p.toml:") {
			t.Errorf("%s: error = %v, want ErrNotBuilt with its line", name, err)
		}
		if _, ok := p.Purposes()[0].Minimise(nil, aCall(nil)); ok {
			t.Errorf("%s: a purpose that was refused keeps", name)
		}
	}
}

// The register's own suggestions, all purposes and fields, are accepted without a reason.
func TestTheRegistersSuggestionsNeedNoReason(t *testing.T) {
	for _, purpose := range cpni.Purposes() {
		lines := ""
		for f := range cpni.Field(cpni.Fields()) {
			form, ok := f.Entry().Actions[purpose]
			if !ok {
				continue
			}
			if form == "known" {
				form = "known\", list = \"words"
			}
			lines += fmt.Sprintf("%s = { form = \"%s\" }\n", f, form)
		}
		src := written(purpose, lines)
		if purpose == "capacity" {
			src = strings.Replace(src, `"call", "registration"`, `"aggregate"`, 1)
		}
		if _, err := Parse("p.toml", []byte(src)); err != nil {
			t.Errorf("%s: %v", purpose, err)
		}
	}
}

// The ceiling of every field is kept: of all transforms, those that the register does not list are refused.
func TestNoFormAboveTheCeilingIsAccepted(t *testing.T) {
	arguments := map[string]string{"truncate": ":day", "bucket": ":1000s", "ip_prefix": ":8,16"}
	for f := range cpni.Field(cpni.Fields()) {
		e := f.Entry()
		for _, name := range actionNames {
			form, err := parseTransform(name + arguments[name])
			if name == "bucket" && e.Type != "duration" {
				form, err = parseTransform("bucket:1000")
			}
			if err != nil {
				t.Fatal(err)
			}
			listed := strings.Contains(" "+strings.Join(e.Transforms, " ")+" ", " "+name+" ") && !e.Never
			if allowed := form.allowed(e) == nil; allowed != listed {
				t.Errorf("%s: %s: allowed = %t, want %t", e.Name, name, allowed, listed)
			}
		}
	}
}

// What does not look like a word of the language, such as a key or a number in the wrong place, is in no error.
func TestErrorsQuoteNoValue(t *testing.T) {
	for _, canary := range []string{"Canary 7f3a", "+1 303 555 0142", "q2FuYXJ5", "canary" + strings.Repeat("a", 30)} {
		quotesNothing(t, canary)
	}
}

func quotesNothing(t *testing.T, canary string) {
	t.Helper()
	for _, line := range []string{"call_id = \"" + canary + "\"", "sip_code = \"bucket:" + canary + "\"",
		"source_address = \"ip_prefix:" + canary + "\"", "setup_time = \"truncate:" + canary + "\"",
		"user_agent = { form = \"known\", list = \"" + canary + "\" }", "call_id = { form = \"keep\", because = \"" + canary + "\" }"} {
		_, err := Parse("p.toml", []byte(written("fraud", line+"\n")))
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: error = %v", line, err)
		}
	}
}

func TestLintTellsWhatAReviewerShouldKnow(t *testing.T) {
	src := strings.NewReplacer(`retain    = "18 months"`, `retain    = "17 months"`, `"fraud_desk"`, `"noc"`,
		`epoch     = "1 day"`, "epoch     = \"1 day\"\nfrom      = \"receipt\"",
		`min_correlation = 90`, `min_correlation = 80`).Replace(shipped(t))
	p, err := Parse("p.toml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	found := p.Lint(time.Date(2027, time.November, 21, 0, 0, 0, 0, time.UTC))
	for _, want := range []struct{ at, text string }{
		{`reviewed = `, "overdue"}, {`retain    = "17 months"`, "legal floor"}, {`audience  = ["noc"]`, ""},
		{`from      = "receipt"`, "receipt"}, {`min_correlation = 80`, "less than 90"}, {`duration_ms          = { form`, "because: billing rates by it"},
	} {
		line, seen := lineOf(src, want.at), false
		for _, f := range found {
			seen = seen || f.Line == line && strings.Contains(f.Text, want.text)
		}
		if want.text == "" { // of the two purposes that it reads, the second
			line = lineOf(src, "[purpose.network_ops]")
			for _, f := range found {
				seen = seen || f.Line > line && strings.Contains(f.Text, "also reads fraud")
			}
		}
		if !seen {
			t.Errorf("nothing is found at %s (line %d): %+v", want.at, line, found)
		}
	}
	p, _ = Parse("p.toml", []byte(shipped(t)))
	for _, f := range p.Lint(time.Date(2027, time.October, 20, 0, 0, 0, 0, time.UTC)) {
		if f.Problem || f.Key == "reviewed" {
			t.Errorf("the shipped policy: line %d: %s", f.Line, f.Text)
		}
	}
}

func TestBillingIsShownSurerJoinsThanOthers(t *testing.T) {
	for purpose, want := range map[string]int{"billing": 90, "fraud": 70} {
		if got := boundPurpose(t, written(purpose, "")).MinCorrelation; got != want {
			t.Errorf("%s: min_correlation = %d, want %d", purpose, got, want)
		}
	}
}
