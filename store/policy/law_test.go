package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/useragent"
	"sipsieve/store/cpni"
	"sipsieve/store/vault"
)

var (
	newYear     = time.Date(2026, time.January, 1, 10, 20, 30, 456789000, time.UTC)
	aCallAnswer = newYear.Add(2 * time.Second)
	aCallEnd    = newYear.Add(63*time.Second + 999*time.Millisecond)
)

const head = "version = 1\nowner = \"privacy officer\"\nreviewed = 2026-01-01\ndefault = \"drop\"\n" +
	"[lists]\nwords = [\"PCMU\", \"upstream-a\"]\n"

// written returns a policy of one purpose with these lines of fields.
func written(purpose, lines string) string {
	extra, kinds := "", `"call", "registration"`
	switch purpose {
	case "emergency":
		extra = "when = \"emergency\"\n"
	case "marketing":
		extra, kinds = "consent = \"opt_in\"\n", `"aggregate"`
	}
	return head + fmt.Sprintf("[purpose.%s]\nwhy = \"w\"\nbasis = \"b\"\nretain = \"30 days\"\nretain_why = \"r\"\n"+
		"kinds = [%s]\naudience = [\"desk\"]\n%s[purpose.%s.fields]\n%s", purpose, kinds, extra, purpose, lines)
}

// boundPurpose returns the one purpose of a policy, ready to minimise.
func boundPurpose(t testing.TB, src string) *Purpose {
	t.Helper()
	p, err := Parse("p.toml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	keys := demoKeys
	if err := p.Bind(keys); err != nil {
		t.Fatal(err)
	}
	return p.Purposes()[0]
}

// demoKeys are the published keys of a purpose.
func demoKeys(purpose string, epoch time.Duration) Keys { return vault.Demo().Purpose(purpose, epoch) }

// aCall returns the Record of an answered call; every fact of texts is seen with its text.
func aCall(texts map[facts.Fact]string) *cpni.Record {
	c := &event.Call{FirstSeen: newYear, Setup: newYear, Answer: aCallAnswer,
		End: aCallEnd, Disposition: event.Answered, Code: 200, Cause: 16,
		EndCause: event.EndNormal, EndSource: event.Observed, Status: event.Complete, Completeness: 100, Vias: 2,
		Flow: capture.Flow{Src: netip.MustParseAddrPort("192.0.2.77:5060"),
			Dst: netip.MustParseAddrPort("198.51.100.9:5060")},
		Link: [6]byte{0x00, 0x15, 0x65, 1, 2, 3}, VLAN: 7, Point: "eth0"}
	for f := range facts.Count {
		c.Facts.Append(f, []byte(texts[f]))
	}
	r, _ := cpni.NewReader("US").Record(&event.Event{Time: newYear, Kind: event.CallKind, Stage: event.Stop, Revision: 2,
		Call: c})
	r.Site, r.Sensor, r.Source = "dfw1", "s1", "file"
	return &r
}

// minimised returns the keys of what u keeps of r, in their order, and the value of each.
func minimised(t testing.TB, u *Purpose, r *cpni.Record) (keys []string, values map[string]string) {
	t.Helper()
	x, ok := u.Minimise([]byte("before"), r)
	if !ok {
		t.Fatal("nothing was kept")
	}
	if !json.Valid(x.Body()) {
		t.Fatalf("not JSON: %q", x.Body())
	}
	values = map[string]string{}
	dec := json.NewDecoder(bytes.NewReader(x.Body()))
	_, _ = dec.Token()
	for dec.More() {
		key, _ := dec.Token()
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			t.Fatal(err)
		}
		keys, values[key.(string)] = append(keys, key.(string)), string(raw)
	}
	return keys, values
}

// envelopeKeys are those of a call.
var envelopeKeys = []string{"schema", "kind", "stage", "id", "dialog", "revision", "status", "missing", "completeness", "purpose",
	"policy", "class", "expires", "site", "sensor", "source"}

// otherKeys are the envelope of what is no call.
var otherKeys = slices.DeleteFunc(slices.Clone(envelopeKeys), func(key string) bool { return key == "dialog" })

// randomLines gives about half of the fields one of the forms that the register allows.
func randomLines(rnd *rand.Rand, purpose string) (lines string, forms map[string]string) {
	forms = map[string]string{}
	for f := range cpni.Field(cpni.Fields()) {
		e := f.Entry()
		name := e.Transforms[rnd.IntN(len(e.Transforms))]
		if e.Never || name == "presence" && !f.Extracted() || name == "seal" || name == "count" || rnd.IntN(2) == 0 ||
			slices.Contains(located, e.Name) && purpose != "emergency" {
			continue
		}
		forms[e.Name] = name
		line := name
		switch {
		case name == "truncate":
			line += ":" + units[rnd.IntN(len(units))]
		case name == "bucket" && e.Type == "duration":
			line += ":6s"
		case name == "bucket":
			line += ":5"
		case name == "ip_prefix":
			line += ":24,48"
		}
		list := ""
		if name == "known" {
			list = `list = "words", `
		}
		lines += fmt.Sprintf("%s = { form = %q, %sbecause = \"a test\" }\n", e.Name, line, list)
	}
	return lines, forms
}

// shapes are what the value of a form may look like, whatever the text was.
var shapes = map[string]*regexp.Regexp{
	"presence":  regexp.MustCompile(`^(true|false)$`),
	"pseudonym": regexp.MustCompile(`^"(e\d+:[a-z2-7]{26}|anonymous|non_e164)"$`),
	"known":     regexp.MustCompile(`^"(PCMU|upstream-a|other)"$`),
	"area":      regexp.MustCompile(`^"(\+\d{1,8}|anonymous|non_e164)"$`),
	"country":   regexp.MustCompile(`^"([A-Z]{2}|001|anonymous|non_e164)"$`),
	"category":  regexp.MustCompile(`^"(emergency|toll_free|premium|shared_cost|other)"$`),
	"e164":      regexp.MustCompile(`^"(\+\d{7,15}|911|112|933|anonymous|non_e164)"$`),
	"oui":       regexp.MustCompile(`^"([0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}|private)"$`),
	"ip_prefix": regexp.MustCompile(`^"[0-9a-f.:]+/(24|48)"$`),
	"bucket":    regexp.MustCompile(`^\d*[05]$|^\d*000$`),
	"truncate":  regexp.MustCompile(`^\d*0{3}$|^0$|^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"$`),
}

// keptShapes are what a kept value may look like: the register's pattern, or one of its words. Of the operator's names
// aCall has none, and those of devices are of the tables.
var keptShapes = func() map[string]*regexp.Regexp {
	all := map[string]*regexp.Regexp{}
	for f := range cpni.Field(cpni.Fields()) {
		e := f.Entry()
		pattern := `^"?(` + strings.Trim(e.Pattern, "^$") + `)"?$`
		switch {
		case e.Mark() == cpni.Closed && len(e.Words) > 0:
			pattern = `^"?(` + alternatives(e.Words) + `)"?$`
		case e.Mark() == cpni.Closed && strings.HasPrefix(e.Name, "device_"):
			vendors, models, kinds := useragent.Words()
			pattern = `^"(` + alternatives(slices.Concat(vendors, models, kinds)) + `)"$`
		case e.Mark() == cpni.Closed:
			pattern = `^"(file|other)"$`
		}
		if e.Mark() != cpni.Text {
			all[e.Name] = regexp.MustCompile(pattern)
		}
	}
	return all
}()

// FuzzOnlyWhatIsNamedLeaves: whatever the policy and the texts of a call, an Excerpt is JSON, has the envelope and
// the named fields in the register's order and nothing else, and each value has the shape of its form: what is kept is a
// word of a closed list or has the shape that the register gives.
func FuzzOnlyWhatIsNamedLeaves(f *testing.F) {
	f.Add(uint64(1), "+13035550142")
	f.Add(uint64(2), "anonymous")
	f.Add(uint64(3), "Yealink SIP-T46S 66.85.0.5 00:15:65:aa:bb:cc \"\\\x00\x7f\xff\u2028")
	f.Add(uint64(4), "911")
	f.Add(uint64(5), "2001:db8::1%eth0")
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		purpose := cpni.Purposes()[seed%5]
		lines, forms := randomLines(rnd, purpose)
		u := boundPurpose(t, written(purpose, lines))
		texts := map[facts.Fact]string{facts.PriorityEmergency: "1"}
		for fact := range facts.Count {
			if rnd.IntN(4) > 0 && fact != facts.PriorityEmergency {
				texts[fact] = text
			}
		}
		keys, values := minimised(t, u, aCall(texts))
		want := slices.Clone(envelopeKeys)
		for field := range cpni.Field(cpni.Fields()) {
			name := field.String()
			form, named := forms[name]
			if !named || form == "drop" || !field.In(cpni.CallKind) {
				continue
			}
			want = append(want, name)
			checkShape(t, name, form, values[name])
		}
		if !slices.Equal(keys, want) {
			t.Errorf("keys = %v, want %v", keys, want)
		}
	})
}

func checkShape(t *testing.T, field, form, value string) {
	t.Helper()
	shape, ok := shapes[form]
	if form == "keep" {
		shape, ok = keptShapes[field], true
	}
	if !ok || value == "null" {
		return
	}
	var list []json.RawMessage
	if json.Unmarshal([]byte(value), &list) != nil {
		list = []json.RawMessage{json.RawMessage(value)}
	}
	for _, item := range list {
		if shape == nil || !shape.Match(item) {
			t.Errorf("%s as %s = %s", field, form, item)
		}
	}
}

func TestWhatNoPurposeNamesLeavesNowhere(t *testing.T) {
	const canary = "canary-7f3a"
	texts := map[facts.Fact]string{}
	for fact := range facts.Count {
		texts[fact] = canary
	}
	for _, file := range []string{"../../configs/policy.toml", "../../configs/quickstart-policy.toml"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(file, src)
		if err != nil {
			t.Fatal(err)
		}
		keys := demoKeys
		if err := p.Bind(keys); err != nil {
			t.Fatal(err)
		}
		for _, u := range p.Purposes() {
			x, _ := u.Minimise(nil, aCall(texts))
			if strings.Contains(string(x.Body()), canary) {
				t.Errorf("%s: text of a message gets out: %s", u.Name, x.Body())
			}
		}
	}
}

func TestTheZeroPurposeKeepsNothing(t *testing.T) {
	loss := cpni.OfLoss(cpni.Loss{Count: 1})
	for _, r := range []*cpni.Record{aCall(nil), &loss} {
		if x, ok := new(Purpose).Minimise(nil, r); ok || x.Body() != nil {
			t.Errorf("kept %s", x.Body())
		}
	}
}

func TestADisabledOrUnboundPurposeKeepsNothing(t *testing.T) {
	src := written("fraud", "sip_code = \"keep\"\n")
	p, err := Parse("p.toml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := p.Purposes()[0].Minimise(nil, aCall(nil)); ok {
		t.Error("an unbound purpose keeps")
	}
	p, err = Parse("p.toml", []byte(strings.Replace(src, "why =", "enabled = false\nwhy =", 1)))
	if err != nil {
		t.Fatal(err)
	}
	keys := demoKeys
	if err := p.Bind(keys); err != nil {
		t.Fatal(err)
	}
	if len(p.Purposes())+len(p.Fields()) > 0 || p.Stages() != 0 {
		t.Error("a disabled purpose is offered")
	}
	if _, ok := p.purposes[0].Minimise(nil, aCall(nil)); ok {
		t.Error("a disabled purpose keeps")
	}
}

func TestADroppedFieldIsNotRead(t *testing.T) {
	p, err := Parse("p.toml", []byte(written("fraud", "sip_code = \"keep\"\ncaller_number = \"drop\"\n")))
	if err != nil {
		t.Fatal(err)
	}
	if f := p.Fields(); len(f) != 1 || f[0].String() != "sip_code" {
		t.Errorf("fields = %v, want sip_code alone", f)
	}
}
