package review

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sipsieve/store/policy"
)

var update = flag.Bool("update", false, "write the golden file")

// every is a policy that has each transform, and two forms of one field.
const every = `version = 1
name = "every | transform <b>"
owner = "tests"
reviewed = 2026-11-20
default = "drop"
[lists]
peers = ["a.example.net"]
[purpose.fraud]
why = "w"
basis = "47 USC 222(d)(2)"
kinds = ["call", "registration"]
audience = ["desk"]
retain = "30 days"
retain_why = "r"
erase = "expires with the epoch key"
[purpose.fraud.fields]
caller_number = { form = ["pseudonym", "e164"], because = "it is a test" }
asserted_number = "country"
called_number = "area"
dialed_number = "category"
claimed_numbers = "pseudonym"
setup_time = "truncate:second"
duration_ms = "bucket:6s"
source_address = "ip_prefix:24,48"
user_agent = "family"
device_mac = { form = "oui", because = "it is a test" }
caller_domain = { form = "known", list = "peers" }
ice_candidates = { form = "presence", because = "it is a test" }
disposition = "keep"
account_id = { form = "seal", because = "it is a test" }
`

// policies returns the shipped ones and one with every transform.
func policies(t *testing.T) map[string]*policy.Policy {
	t.Helper()
	list := map[string]*policy.Policy{"every": parsed(t, "every", []byte(every))}
	for _, name := range []string{"policy.toml", "quickstart-policy.toml"} {
		src, err := os.ReadFile("../../../configs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		list[name] = parsed(t, name, src)
	}
	return list
}

func parsed(t *testing.T, name string, src []byte) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(name, src)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func explained(t *testing.T, p *policy.Policy, format string) string {
	t.Helper()
	var b strings.Builder
	if err := Explain(&b, p, format); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestTheShippedPolicyIsExplainedInTwoPages: a page is 60 lines of 100 characters.
func TestTheShippedPolicyIsExplainedInTwoPages(t *testing.T) {
	got := explained(t, policies(t)["policy.toml"], "text")
	const golden = "testdata/explain.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got != string(want) {
		t.Errorf("not as %s (%v): go test ./store/policy/review -update, and read what changes", golden, err)
	}
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) > 120 {
		t.Errorf("%d lines, want 120 at most", len(lines))
	}
	for i, line := range lines {
		if len([]rune(line)) > lineWidth {
			t.Errorf("line %d has %d characters", i+1, len([]rune(line)))
		}
	}
}

// TestEachFieldStandsInOneGroup reads the sentences of each purpose, and compares the table with its Lines.
func TestEachFieldStandsInOneGroup(t *testing.T) {
	for name, p := range policies(t) {
		rows := purposeTable(p).rows
		for i, u := range p.Purposes() {
			times := map[string]int{}
			for n, lines := range grouped(u) {
				for _, r := range byReason(lines) {
					text := groupText(group(n), r.lines)
					for _, l := range u.Lines() {
						times[l.Field.String()] += strings.Count(" "+commas.Replace(text)+" ", " "+l.Field.String()+" ")
					}
				}
			}
			sum := 0
			for _, cell := range rows[i][5:] {
				n, err := strconv.Atoi(cell)
				if err != nil {
					t.Errorf("%s: %s: %v", name, u.Name, err)
				}
				sum += n
			}
			if sum != len(u.Lines()) {
				t.Errorf("%s: %s: the table has %d fields, want %d", name, u.Name, sum, len(u.Lines()))
			}
			for _, l := range u.Lines() {
				if times[l.Field.String()] != 1 {
					t.Errorf("%s: %s: %s stands %d times, want once", name, u.Name, l.Field, times[l.Field.String()])
				}
			}
		}
	}
}

var commas = strings.NewReplacer(",", " ", "(", " ( ", ")", " ) ")

func TestEveryFormatHasEveryFieldLawTermAndReader(t *testing.T) {
	for name, p := range policies(t) {
		for _, format := range Formats {
			page := explained(t, p, format)
			flat := strings.ReplaceAll(strings.Join(strings.Fields(page), " "), `\`, "")
			for _, u := range p.Purposes() {
				words := append([]string{u.Retain.String(), u.BusRetain.String(), p.Hash()}, u.Audience...)
				for _, l := range u.Lines() {
					words = append(words, l.Field.String())
				}
				for _, want := range append(words, u.GDPR, u.Use) {
					if !strings.Contains(flat, want) {
						t.Errorf("%s as %s: %s: %q is missing", name, format, u.Name, want)
					}
				}
			}
		}
	}
	if err := Explain(&strings.Builder{}, policies(t)["every"], "pdf"); err == nil {
		t.Error("an unknown format gives no error")
	}
}

// ofEveryRecord are the keys of the envelope, and of parts of calls.
var ofEveryRecord = []string{"schema", "kind", "stage", "id", "dialog", "revision", "status", "missing", "completeness",
	"purpose", "policy", "class", "expires", "site", "sensor", "source", "blind_clock", "blind_side"}

func TestTheEnvelopeIsExplainedLikeAField(t *testing.T) {
	for name, p := range policies(t) {
		var long, fields strings.Builder
		if err := Long(&long, p); err != nil {
			t.Fatal(err)
		}
		if err := Map(&fields, p); err != nil {
			t.Fatal(err)
		}
		text := explained(t, p, "text")
		var rows []string // their headers
		for _, row := range strings.Split(fields.String(), `<th scope="row">`)[1:] {
			row, _, _ = strings.Cut(row, "</th>")
			rows = append(rows, strings.ReplaceAll(row, "<wbr>", ""))
		}
		for _, key := range ofEveryRecord {
			if !strings.Contains(long.String(), "\n  "+key+"\n    Holds: ") {
				t.Errorf("%s: %q is not in the long text", name, key)
			}
			if !slices.ContainsFunc(rows, func(row string) bool { return slices.Contains(strings.Split(row, ", "), key) }) {
				t.Errorf("%s: %q is not in the map", name, key)
			}
			if !strings.Contains(text, key) {
				t.Errorf("%s: %q is not in the short text", name, key)
			}
		}
	}
}

func TestTheLongTextHasAParagraphForEachField(t *testing.T) {
	for name, p := range policies(t) {
		var b strings.Builder
		if err := Long(&b, p); err != nil {
			t.Fatal(err)
		}
		for _, u := range p.Purposes() {
			_, part, _ := strings.Cut(b.String(), "\n"+strings.ToUpper(u.Name)+"\n")
			for _, l := range u.Lines() {
				_, one, found := strings.Cut(part, fmt.Sprintf("\n  %s (line %d)\n", l.Field, l.Number))
				one, _, _ = strings.Cut(one, "\n\n")
				timed := slices.Contains([]string{"time", "duration"}, l.Field.Entry().Type)
				if !found || timed && strings.Contains(one, learned["none"]) {
					t.Errorf("%s: %s: %s (%t): %s", name, u.Name, l.Field, found, one)
				}
				if withheld := l.Field.Entry().Party != ""; strings.Contains(one, "asked for privacy") != withheld {
					t.Errorf("%s: %s: %s: withheld by its party: want %t", name, u.Name, l.Field, withheld)
				}
			}
		}
	}
}

// TestWordsAreTrue: nothing is promised that this version does not do.
func TestWordsAreTrue(t *testing.T) {
	p := policies(t)["every"]
	var long strings.Builder
	if err := Long(&long, p); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{long.String(), explained(t, p, "text")} {
		text = strings.Join(strings.Fields(text), " ")
		for _, lie := range []string{"nobody else", "no two people"} {
			if strings.Contains(text, lie) {
				t.Errorf("%q is said", lie)
			}
		}
		if !strings.Contains(text, `"expires with the epoch key" (this version destroys no key`) {
			t.Error("a key is said to be destroyed")
		}
		if !strings.Contains(text, "can make each pseudonym again") || !strings.Contains(text, "root can read every purpose") {
			t.Error("who can read and who can undo a pseudonym is not said")
		}
	}
}
