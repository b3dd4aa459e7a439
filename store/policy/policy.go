package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"sipsieve/sip/track"
	"sipsieve/store/cpni"
)

// A Policy is what may be kept, for which purposes. It has been checked against the register.
type Policy struct {
	Name, Owner string
	Reviewed    time.Time
	ReviewEvery Span

	file     string
	at       Locator
	hash     string
	purposes []*Purpose // in the file's order, disabled ones too
	unkept   []string   // logs that the file asks for and this version does not keep
}

// A Purpose is a reason to keep, with the fields it needs and the form of each. It is used by one goroutine.
type Purpose struct {
	Name, Why, Basis, GDPR, Consent, RetainWhy, Erase, When string
	Audience, Kinds, Stages                                 []string
	Retain, BusRetain                                       Span
	Epoch                                                   time.Duration
	Priority, MinCorrelation                                int
	Enabled, FromReceipt                                    bool

	rules  []rule               // in the register's order; a field without a rule has no line here
	units  map[cpni.Kind]string // to which the time is cut from which retention counts; none for ""
	line   int
	stages track.Stages
	hash   string
	bound
}

// Parse reads a policy. name is what errors call the file. Everything that is wrong with it is returned at once,
// each with file, line and key; a syntax error comes alone.
func Parse(name string, src []byte) (*Policy, error) {
	var f file
	md, err := toml.Decode(string(src), &f)
	if err != nil {
		return nil, Misread(name, err)
	}
	p := &parser{name: name, at: Locate(src)}
	p.unknown(md)
	sum := sha256.Sum256(src)
	policy := &Policy{Name: f.Name, Owner: f.Owner, Reviewed: f.Reviewed, file: name, at: p.at,
		hash: hex.EncodeToString(sum[:8])}
	policy.ReviewEvery = p.span("review_every", f.ReviewEvery, Span{Years: 1})
	p.head(&f)
	for _, key := range md.Keys() {
		if len(key) == 2 && key[0] == "purpose" {
			policy.purposes = append(policy.purposes, p.purpose(key[1], f.Purpose[key[1]], &f))
		}
	}
	for _, log := range []string{"disclosure", "audit"} {
		if md.IsDefined(log) {
			policy.unkept = append(policy.unkept, log)
		}
	}
	if len(policy.purposes) == 0 {
		p.say("purpose", "want at least one")
	}
	if len(p.wrong) > 0 {
		return nil, p.errors()
	}
	for _, u := range policy.purposes {
		u.hash = policy.hash
	}
	return policy, nil
}

func (p *parser) head(f *file) {
	if f.Version != 1 {
		p.say("version", "want 1")
	}
	if f.Default != "drop" {
		p.say("default", "want \"drop\": nothing else is accepted")
	}
	if f.Owner == "" {
		p.say("owner", "want the role that answers for this policy")
	}
	if f.Reviewed.IsZero() {
		p.say("reviewed", "want the day of the last review, such as 2026-11-20")
	}
	if f.Keys.Source != "" && f.Keys.Source != "credential" && f.Keys.Source != "file" {
		p.say("keys.source", "want credential or file")
	}
	for i, name := range f.Subscriber.By {
		if _, ok := cpni.FieldOf(name); !ok {
			p.say("subscriber.by", "entry %d is not in the register", i+1)
		}
	}
}

func (p *parser) span(key, text string, otherwise Span) Span {
	if text == "" {
		return otherwise
	}
	s, err := ParseSpan(text)
	if err != nil {
		p.say(key, "%v", err)
	}
	return s
}

// consents are the words of consent.
var consents = []string{"", "none", "opt_out", "opt_in"}

func (p *parser) purpose(name string, f purposeFile, all *file) *Purpose {
	key := "purpose." + name
	u := &Purpose{Name: name, Why: f.Why, Basis: f.Basis, GDPR: f.GDPR, Consent: f.Consent, RetainWhy: f.RetainWhy,
		Erase: f.Erase, When: f.When, Audience: f.Audience, Kinds: f.Kinds, Stages: f.Stages, Priority: 5,
		MinCorrelation: minCorrelation(name), Enabled: f.Enabled == nil || *f.Enabled,
		FromReceipt: f.From == "receipt", line: p.at.Line(key)}
	if !slices.Contains(cpni.Purposes(), name) {
		p.say(key, "no such purpose; the register has %s", strings.Join(cpni.Purposes(), ", "))
	}
	for _, must := range [][2]string{{"why", f.Why}, {"basis", f.Basis}, {"retain", f.Retain},
		{"retain_why", f.RetainWhy}} {
		if must[1] == "" {
			p.say(key+"."+must[0], "missing: %s", missingWhy[must[0]])
		}
	}
	u.Retain = p.span(key+".retain", f.Retain, Span{})
	u.BusRetain = p.busRetain(key+".bus_retain", f.BusRetain, u.Retain)
	u.Epoch = p.span(key+".epoch", f.Epoch, Span{Days: 30}).Duration()
	p.sets(key, u, f)
	p.law(key, u)
	if f.Priority != nil {
		u.Priority = p.within(key+".priority", *f.Priority, 1, 100)
	}
	if f.MinCorrelation != nil {
		u.MinCorrelation = p.within(key+".min_correlation", *f.MinCorrelation, 0, 100)
	}
	p.fields(key+".fields", u, f.Fields, all)
	u.units = map[cpni.Kind]string{}
	for _, k := range cpni.Kinds() {
		u.units[k] = u.unitOf(k)
	}
	u.units[cpni.LossKind] = u.units[cpni.CallKind] // kept as long as the calls that are missing
	return u
}

// unitOf returns the unit to which u cuts the time that retention of k counts from, "" for none.
func (u *Purpose) unitOf(k cpni.Kind) (unit string) {
	for _, r := range u.rules {
		if len(k.Times()) == 0 || r.field.String() != k.Times()[0] {
			continue
		}
		for _, f := range r.forms {
			unit = f.unit
		}
	}
	return unit
}

// onBus is how long records stay on the bus unless the policy says otherwise, but not longer than they are kept.
var onBus = Span{Hours: 72}

// busRetain reads how long records stay on the bus. That is not longer than they are kept: both are compared at the
// shortest that the calendar makes of them.
func (p *parser) busRetain(key, text string, retain Span) Span {
	otherwise := onBus
	if most := retain.Shortest(); most > 0 && otherwise.Shortest() > most {
		otherwise = retain
	}
	s := p.span(key, text, otherwise)
	if most := retain.Shortest(); most > 0 && s.Shortest() > most {
		p.say(key, "%s is longer than retain, %s: what has expired would stay on the bus", s, retain)
	}
	return s
}

// Joins of legs that are sure enough to show, unless the policy says otherwise, and to bill by.
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
	"why": "say in a sentence what it is for", "basis": "name the clause that permits it",
	"retain": "say how long, such as 30 days", "retain_why": "say why that long",
}

func (p *parser) within(key string, n, low, high int) int {
	if n < low || n > high {
		p.say(key, "want %d to %d", low, high)
	}
	return n
}

// sets checks the keys of u that take words of a closed set.
func (p *parser) sets(key string, u *Purpose, f purposeFile) {
	if len(u.Stages) == 0 {
		u.Stages = []string{cpni.StageWord(track.Stop)}
	}
	for _, word := range u.Stages {
		stage := cpni.StageOf(word)
		if stage == 0 {
			p.say(key+".stages", "want %s", strings.Join(cpni.StageWords(), ", "))
			continue
		}
		u.stages |= track.StagesOf(stage)
	}
	kinds := cpni.PolicyKinds()
	if len(u.Kinds) == 0 {
		p.say(key+".kinds", "missing: want %s", strings.Join(kinds, ", "))
	}
	for _, k := range u.Kinds {
		if !slices.Contains(kinds, k) {
			p.say(key+".kinds", "want %s", strings.Join(kinds, ", "))
		}
	}
	p.audience(key+".audience", u.Audience)
	if !slices.Contains(consents, f.Consent) {
		p.say(key+".consent", "want %s", strings.Join(consents[1:], ", "))
	}
	if f.When != "" && f.When != "emergency" {
		p.say(key+".when", "want emergency, or leave it out")
	}
	if f.From != "" && f.From != "event" && f.From != "receipt" {
		p.say(key+".from", "want event or receipt")
	}
}

// Hash returns 16 hexadecimal digits of SHA-256 over the file: every excerpt names the policy it was made under.
func (p *Policy) Hash() string { return p.hash }

// Purposes returns the enabled purposes in the file's order.
func (p *Policy) Purposes() (list []*Purpose) {
	for _, u := range p.purposes {
		if u.Enabled {
			list = append(list, u)
		}
	}
	return list
}

// Purpose returns the enabled purpose of that name.
func (p *Policy) Purpose(name string) (*Purpose, bool) {
	for _, u := range p.Purposes() {
		if u.Name == name {
			return u, true
		}
	}
	return nil, false
}

// Fields returns the fields that an enabled purpose names, each once.
func (p *Policy) Fields() (list []cpni.Field) {
	for _, u := range p.Purposes() {
		for _, r := range u.rules {
			list = append(list, r.field)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Stages returns the stages that an enabled purpose takes.
func (p *Policy) Stages() (s track.Stages) {
	for _, u := range p.Purposes() {
		s |= u.stages
	}
	return s
}

// Columns returns the keys that excerpts of u may have after the envelope, in the register's order.
func (u *Purpose) Columns() (keys []string) {
	for _, r := range u.rules {
		keys = append(keys, r.keys...)
	}
	return keys
}
