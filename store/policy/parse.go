package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"sipsieve/sip/event"
	"sipsieve/store/cpni"
)

// Parse reads a policy. name is what errors call the file. Everything that is wrong with it is returned at once,
// each with file, line and key; a syntax error comes alone.
func Parse(name string, src []byte) (*Policy, error) {
	var f file
	md, err := toml.Decode(string(src), &f)
	if err != nil {
		return nil, Misread(name, err)
	}
	sum := sha256.Sum256(src)
	p := &parser{mistakes: mistakes{file: name, lines: Locate(src)}, lists: f.Lists, hash: hex.EncodeToString(sum[:8])}
	p.unknown(md)
	policy := &Policy{Name: f.Name, Owner: f.Owner, Reviewed: f.Reviewed, file: name, lines: p.lines,
		hash: p.hash}
	policy.ReviewEvery = p.retention("review_every", f.ReviewEvery, Retention{Years: 1})
	p.head(&f)
	for _, key := range md.Keys() {
		if len(key) == 2 && key[0] == "purpose" {
			u := p.purpose(key[1], f.Purpose[key[1]])
			policy.purposes = append(policy.purposes, u)
		}
	}
	for _, log := range []string{"disclosure", "audit"} {
		if md.IsDefined(log) {
			policy.unkept = append(policy.unkept, log)
		}
	}
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
	lists map[string][]string // of the operator, by name
	hash  string              // of the policy
}

// unknown notes the keys that a policy does not have. The decoder takes a key in any letters, so that one written
// twice in different letters would count by chance: all are lower case here, but for the operator's own names.
func (p *parser) unknown(md toml.MetaData) {
	for _, key := range md.Undecoded() {
		if len(key) < 5 || key[2] != "fields" { // those are read with their field
			p.add(key.String(), "unknown key")
		}
	}
	for _, key := range md.Keys() {
		name := strings.Join(key, ".")
		if name != strings.ToLower(name) && key[0] != "lists" {
			p.add(name, "want lower case")
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
	if f.Owner == "" {
		p.add("owner", "want the role that answers for this policy")
	}
	if f.Reviewed.IsZero() {
		p.add("reviewed", "want the day of the last review, such as 2026-11-20")
	}
	if f.Keys.Source != "" && f.Keys.Source != "credential" && f.Keys.Source != "file" {
		p.add("keys.source", "want credential or file")
	}
	for i, name := range f.Subscriber.By {
		if _, ok := cpni.FieldOf(name); !ok {
			p.add("subscriber.by", "entry %d is not in the register", i+1)
		}
	}
}

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
	u := &Purpose{Name: name, Why: f.Why, Basis: f.Basis, GDPR: f.GDPR, Consent: f.Consent, RetainWhy: f.RetainWhy,
		Erase: f.Erase, When: f.When, Audience: f.Audience, Kinds: f.Kinds, Stages: f.Stages, Priority: 5,
		MinCorrelation: minCorrelation(name), Enabled: f.Enabled == nil || *f.Enabled,
		FromReceipt: f.From == "receipt", line: p.lines.Line(key), hash: p.hash}
	if !slices.Contains(cpni.Purposes(), name) {
		p.add(key, "no such purpose; the register has %s", strings.Join(cpni.Purposes(), ", "))
	}
	for _, must := range [][2]string{{"why", f.Why}, {"basis", f.Basis}, {"retain", f.Retain},
		{"retain_why", f.RetainWhy}} {
		if must[1] == "" {
			p.add(key+"."+must[0], "missing: %s", missingWhy[must[0]])
		}
	}
	u.Retain = p.retention(key+".retain", f.Retain, Retention{})
	u.BusRetain = p.busRetain(key+".bus_retain", f.BusRetain, u.Retain)
	u.Epoch = p.retention(key+".epoch", f.Epoch, Retention{Days: 30}).Duration()
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

// onBus is how long records stay on the bus without bus_retain, but not longer than they are kept.
var onBus = Retention{Hours: 72}

// busRetain reads how long records stay on the bus. That is not longer than they are kept: both are compared at the
// shortest that the calendar makes of them.
func (p *parser) busRetain(key, text string, retain Retention) Retention {
	otherwise := onBus
	if most := retain.Shortest(); most > 0 && otherwise.Shortest() > most {
		otherwise = retain
	}
	r := p.retention(key, text, otherwise)
	if most := retain.Shortest(); most > 0 && r.Shortest() > most {
		p.add(key, "%s is longer than retain, %s: what has expired would stay on the bus", r, retain)
	}
	return r
}

// Scores of a join of legs, of 100, from which on it is shown without min_correlation, and from which on it is billed.
const (
	sureEnough  = 70
	sureOfMoney = 90
	billing     = "billing"
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
			p.add(key+".stages", "want %s", strings.Join(cpni.StageWords(), ", "))
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
			p.add(key+".kinds", "want %s", strings.Join(kinds, ", "))
		}
	}
	p.audience(key+".audience", u.Audience)
	if !slices.Contains(consents, f.Consent) {
		p.add(key+".consent", "want %s", strings.Join(consents[1:], ", "))
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
	if u.Retain.Hours > 0 {
		p.add(key+".retain", "want days, weeks, months or years: what is kept expires by the day")
	}
}

// audience checks the names of those who read a purpose: they become names of accounts on the bus.
func (p *parser) audience(key string, names []string) {
	if len(names) == 0 {
		p.add(key, "missing: name the roles that read it")
	}
	for i, name := range names {
		if !cpni.IsName(name) {
			p.add(key, "entry %d: want a role of 1 to 32 characters out of a-z, 0-9, _ and -", i+1)
		}
		if slices.Contains(names[:i], name) {
			p.add(key, "entry %d stands twice", i+1)
		}
	}
}
