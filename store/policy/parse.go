package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"sipsieve/sip/event"
	"sipsieve/store/cpni"
	"sipsieve/store/policy/locate"
	"sipsieve/store/policy/wording"
)

// MaxSize is how many bytes the file of a policy may have: its text goes whole into one record of the stream OPS.
const MaxSize = 64 << 10

// Parse reads a policy. name is what errors call the file. Everything that is wrong with it is returned at once,
// each with file, line and key; a syntax error, or a file over MaxSize, comes alone.
func Parse(name string, src []byte) (*Policy, error) {
	if len(src) > MaxSize {
		return nil, fmt.Errorf("%s:1: has %d bytes: want %d at most", name, len(src), MaxSize)
	}
	var f file
	md, err := toml.Decode(string(src), &f)
	if err != nil {
		return nil, locate.Misread(name, err)
	}
	p := &parser{mistakes: mistakes{file: name, lines: locate.Keys(src)}, lists: f.Lists, audiences: f.Audience,
		hash: HashOf(src)}
	p.unknown(md)
	var written map[string]any
	if _, err := toml.Decode(string(src), &written); err == nil {
		p.empty("", written)
	}
	policy := &Policy{Name: f.Name, Owner: f.Owner, Reviewed: f.Reviewed, file: name, lines: p.lines,
		hash: p.hash, source: bytes.Clone(src), Keys: KeyNames{f.Keys.Source, f.Keys.IDs, f.Keys.Pseudonym, f.Keys.Overlap}}
	policy.ReviewEvery = p.retention("review_every", f.ReviewEvery, Retention{Years: 1})
	if policy.ReviewEvery.Shortest() > mostBetweenReviews.Shortest() {
		p.add("review_every", "%s: want two years or less", policy.ReviewEvery)
	}
	p.head(&f)
	for _, key := range md.Keys() {
		if len(key) == 2 && key[0] == "purpose" {
			u := p.purpose(key[1], f.Purpose[key[1]])
			policy.purposes = append(policy.purposes, u)
		}
	}
	for key, what := range notBuilt {
		if md.IsDefined(strings.Split(key, ".")...) {
			policy.notBuilt = append(policy.notBuilt, missing{key, what})
		}
	}
	policy.audiences = f.Audience
	if len(policy.purposes) == 0 {
		p.add("purpose", "want at least one")
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return policy, nil
}

// A parser checks a policy and gathers what is wrong with it.
type parser struct {
	mistakes
	lists     map[string][]string // of the operator, by name
	audiences map[string]audience // declared
	hash      string              // of the policy
}

// A missing part is a key that this version reads and cannot act on.
type missing struct{ key, what string }

// notBuilt are the keys outside of purposes that this version cannot act on, and what is missing.
var notBuilt = map[string]string{"subscriber": "keys for each subscriber", "disclosure": "the log of disclosures",
	"audit": "the signed audit log", "keys.sealing": "sealing keys", "keys.signing": "signing keys"}

// unknown notes the keys that a policy does not have. The decoder takes a key in any letters, so that one written
// twice in different letters would count by chance: all are lower case here, but for the operator's own names.
func (p *parser) unknown(md toml.MetaData) {
	for _, key := range md.Undecoded() {
		if len(key) < 5 || key[2] != "fields" { // those are read with their field
			p.add(key.String(), "unknown key%s", wording.Nearest(key[len(key)-1], siblings(key)))
		}
	}
	for _, key := range md.Keys() {
		name := strings.Join(key, ".")
		if name != strings.ToLower(name) && key[0] != "lists" {
			p.add(name, "want lower case")
		}
	}
}

// siblings returns the keys that a policy may have where key stands.
func siblings(key toml.Key) []string {
	if len(key) == 1 {
		return wording.KeysOf(file{})
	}
	switch key[0] {
	case "keys":
		return wording.KeysOf(keysTable{})
	case "audience":
		return wording.KeysOf(audience{})
	case "subscriber":
		return wording.KeysOf(subscriberTable{})
	}
	if len(key) == 4 {
		return wording.KeysOf(noiseTable{})
	}
	return wording.KeysOf(purposeFile{})
}

// empty notes the lists of v, the value of key, that are there and empty: whether nothing or everything is meant is not
// guessed. Fields, kinds and audiences have words of their own for it.
func (p *parser) empty(key string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if name != "fields" && name != "kinds" && name != "audience" {
				p.empty(strings.TrimPrefix(key+"."+name, "."), inner)
			}
		}
	case []any:
		if len(v) == 0 {
			p.add(key, "an empty list: name what it has, or leave it out")
		}
	}
}

// head checks what stands outside of the purposes.
func (p *parser) head(f *file) {
	if f.Version != 1 {
		p.add("version", "want 1")
	}
	if f.Default != "drop" {
		p.add("default", "want \"drop\": nothing else is accepted")
	}
	if strings.TrimSpace(f.Owner) == "" {
		p.add("owner", "want the role that answers for this policy")
	}
	if f.Reviewed.IsZero() {
		p.add("reviewed", "want the day of the last review, such as 2026-11-20")
	}
	if f.Keys.Source != "" && f.Keys.Source != "credential" && f.Keys.Source != "file" {
		p.add("keys.source", "want credential or file")
	}
	for _, k := range [][2]string{{"ids", f.Keys.IDs}, {"pseudonym", f.Keys.Pseudonym}, {"sealing", f.Keys.Sealing},
		{"signing", f.Keys.Signing}} {
		if k[1] != "" && !cpni.IsName(k[1]) {
			p.add("keys."+k[0], "want the name of a key, of 1 to 32 characters out of a-z, 0-9, _ and -, never the key itself")
		}
	}
	p.retention("keys.overlap", f.Keys.Overlap, Retention{})
	for i, name := range f.Subscriber.By {
		if _, ok := cpni.FieldOf(name); !ok {
			p.add("subscriber.by", "entry %d, %s, is not in the register%s", i+1, wording.Shown(name), wording.Nearest(name, cpni.FieldNames()))
		}
	}
}

// mostBetweenReviews is the longest time after which a policy is reviewed again: the certificate of 47 CFR 64.2009(e) is
// yearly.
var mostBetweenReviews = Retention{Years: 2}

// retention reads a length of time, otherwise if there is no text.
func (p *parser) retention(key, text string, otherwise Retention) Retention {
	if text == "" {
		return otherwise
	}
	r, err := ParseRetention(text)
	if err != nil {
		p.add(key, "%v", err)
	}
	return r
}

// consents are the words of consent.
var consents = []string{"", "none", "opt_out", "opt_in"}

func (p *parser) purpose(name string, f purposeFile) *Purpose {
	key := "purpose." + name
	u := &Purpose{Name: name, Why: f.Why, Basis: f.Basis, GDPR: f.GDPR, Use: f.Use, Consent: f.Consent, RetainWhy: f.RetainWhy,
		Erase: f.Erase, When: f.When, Audience: f.Audience, Kinds: f.Kinds, Stages: f.Stages, Priority: 5,
		MinCorrelation: minCorrelation(name), Enabled: f.Enabled == nil || *f.Enabled,
		FromReceipt: f.From == "receipt", line: p.lines.Line(key), hash: p.hash}
	if !slices.Contains(cpni.Purposes(), name) {
		p.add(key, "no such purpose; the register has %s%s", strings.Join(cpni.Purposes(), ", "), wording.Nearest(name, cpni.Purposes()))
	}
	for _, must := range [][2]string{{"why", f.Why}, {"basis", f.Basis}, {"retain", f.Retain},
		{"retain_why", f.RetainWhy}} {
		if strings.TrimSpace(must[1]) == "" {
			p.add(key+"."+must[0], "missing: %s", missingWhy[must[0]])
		}
	}
	u.Retain = p.retention(key+".retain", f.Retain, Retention{})
	u.BusRetain = p.atMost(u.Retain, length{key + ".bus_retain", f.BusRetain, Retention{Hours: 72},
		"what has expired would stay on the bus"})
	u.Epoch = p.atMost(u.Retain, length{key + ".epoch", f.Epoch, Retention{Days: 30},
		"a pseudonym would stay the same for longer than any record is kept"}).Duration()
	u.notBuilt = f.notBuilt()
	p.sets(key, u, f)
	p.law(key, u)
	if f.Priority != nil {
		u.Priority = p.within(key+".priority", *f.Priority, 1, 100)
	}
	if f.MinCorrelation != nil {
		u.MinCorrelation = p.within(key+".min_correlation", *f.MinCorrelation, 0, 100)
	}
	u.setRules(p.rules(key+".fields", name, f.Fields))
	return u
}

// rules reads the lines of a purpose.
func (p *parser) rules(key, purpose string, lines map[string]any) (rules []rule) {
	for name, value := range lines {
		line := ruleParser{mistakes: &p.mistakes, key: key + "." + name, purpose: purpose, lists: p.lists}
		if line.read(value) {
			rules = append(rules, line.rule)
		}
	}
	return rules
}

// A length is a time that is not longer than records are kept: its key, its text, what it is without one, and why.
type length struct {
	key, text string
	otherwise Retention
	why       string
}

// atMost reads l. Both are compared at the shortest that the calendar makes of them.
func (p *parser) atMost(retain Retention, l length) Retention {
	most := retain.Shortest()
	if most > 0 && l.otherwise.Shortest() > most {
		l.otherwise = retain
	}
	r := p.retention(l.key, l.text, l.otherwise)
	if most > 0 && r.Shortest() > most {
		p.add(l.key, "%s is longer than retain, %s: %s", r, retain, l.why)
	}
	return r
}

// Scores of a join of legs, of 100, from which on it is shown without min_correlation, and from which on it is billed.
const (
	sureEnough  = 70
	sureOfMoney = 90
	billing     = "billing"
	marketing   = "marketing"
)

func minCorrelation(purpose string) int {
	if purpose == billing {
		return sureOfMoney
	}
	return sureEnough
}

var missingWhy = map[string]string{
	"why": "state in a sentence what it is for", "basis": "name the clause that permits it",
	"retain": "state how long, such as 30 days", "retain_why": "state why that long",
}

func (p *parser) within(key string, n, low, high int) int {
	if n < low || n > high {
		p.add(key, "want %d to %d", low, high)
	}
	return n
}

// sets checks the keys of u that take words of a closed set.
func (p *parser) sets(key string, u *Purpose, f purposeFile) {
	if len(u.Stages) == 0 {
		u.Stages = []string{cpni.StageWord(event.Stop)}
	}
	for _, word := range u.Stages {
		stage := cpni.StageOf(word)
		if stage == 0 {
			p.add(key+".stages", "want %s, not %s%s", strings.Join(cpni.StageWords(), ", "), wording.Shown(word),
				wording.Nearest(word, cpni.StageWords()))
			continue
		}
		u.stages |= event.StagesOf(stage)
	}
	kinds := cpni.PolicyKinds()
	if len(u.Kinds) == 0 {
		p.add(key+".kinds", "missing: want %s", strings.Join(kinds, ", "))
	}
	for _, k := range u.Kinds {
		if !slices.Contains(kinds, k) {
			p.add(key+".kinds", "want %s, not %s%s", strings.Join(kinds, ", "), wording.Shown(k), wording.Nearest(k, kinds))
		}
	}
	p.audience(key+".audience", u)
	if !slices.Contains(consents, f.Consent) {
		p.add(key+".consent", "want %s, not %s%s", strings.Join(consents[1:], ", "), wording.Shown(f.Consent), wording.Nearest(f.Consent, consents[1:]))
	}
	if f.When != "" && f.When != "emergency" {
		p.add(key+".when", "want emergency, or leave it out")
	}
	if f.From != "" && f.From != "event" && f.From != "receipt" {
		p.add(key+".from", "want event or receipt")
	}
}

// law notes what no purpose of that name may do, whatever its fields are.
func (p *parser) law(key string, u *Purpose) {
	switch {
	case u.Name == "emergency" && u.When != "emergency":
		p.add(key+".when", "missing: want emergency; numbers and the presence of a location are for such calls only "+
			"(47 USC 222(d)(4))")
	case u.Name == "capacity" && (len(u.Kinds) != 1 || u.Kinds[0] != cpni.AggregateKind.String()):
		p.add(key+".kinds", "want aggregate alone: no record of a call exists for this purpose (47 USC 222(c)(3))")
	}
	if u.Name == marketing && (len(u.Kinds) != 1 || u.Kinds[0] != cpni.AggregateKind.String()) {
		p.add(key+".kinds", "want aggregate alone: no offer is made from the records of single calls (47 USC 222(c)(1))")
	}
	if u.Name == marketing && (u.Consent == "" || u.Consent == "none") {
		p.add(key+".consent", "want opt_in or opt_out: a customer is asked before CPNI is used to sell (47 CFR 64.2007)")
	}
	if u.Retain.Hours > 0 {
		p.add(key+".retain", "want days, weeks, months or years: what is kept expires by the day")
	}
}

// audience checks the names of those who read u: they become names of accounts on the bus. Those outside read only what
// law requires to be given to them.
func (p *parser) audience(key string, u *Purpose) {
	if len(u.Audience) == 0 {
		p.add(key, "missing: name the roles that read it")
	}
	for i, name := range u.Audience {
		if !cpni.IsName(name) {
			p.add(key, "entry %d: want a role of 1 to 32 characters out of a-z, 0-9, _ and -", i+1)
		}
		if slices.Contains(u.Audience[:i], name) {
			p.add(key, "entry %d stands twice", i+1)
		}
		if p.audiences[name].Outside && !cpni.PurposeOf(u.Name).Required {
			p.add(key, "%s is outside: CPNI is given to others only where law requires it, not for %s (47 USC 222(c)(1))",
				name, u.Name)
		}
	}
}
