// Package policy decides what may leave: for each purpose the fields that the policy names, after the transform it
// names.
//
// # Default
//
// Whatever is not written in the policy is dropped. The zero value of everything here keeps nothing.
//
// # Order of events
//
// Parse reads and checks a policy, Bind gives it the keys of ids and pseudonyms, Minimise makes an Excerpt of a Record
// for one Purpose. Complete puts the two parts of a call together that two hosts saw. Received admits what another
// process minimised.
//
// # Clock and goroutines
//
// Nothing here reads a clock. A Policy may be read by several goroutines; a bound Purpose belongs to one, because
// Minimise uses its memory again.
package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"sipsieve/sip/event"
	"sipsieve/store/cpni"
	"sipsieve/store/policy/locate"
)

// A Policy is what may be kept, for which purposes. It has been checked against the register.
type Policy struct {
	Name, Owner string
	Reviewed    time.Time
	ReviewEvery Retention
	Keys        KeyNames

	file      string
	lines     locate.Locator
	hash      string
	source    []byte              // the file
	purposes  []*Purpose          // in the file's order, disabled ones too
	notBuilt  []missing           // what the file names and this version cannot do
	audiences map[string]audience // declared
}

// Hash returns 16 hexadecimal digits of SHA-256 over the file: every excerpt names the policy it was made under.
func (p *Policy) Hash() string { return p.hash }

// Source returns the text of the file, byte for byte. It is not to be changed.
func (p *Policy) Source() []byte { return p.source }

// Copy returns a Policy of the same text that is not bound.
func (p *Policy) Copy() (*Policy, error) { return Parse(p.file, p.source) }

// HashOf returns the Hash of the Policy whose file is src, whether src is a policy or not.
func HashOf(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:8])
}

// Purposes returns the enabled purposes in the file's order.
func (p *Policy) Purposes() (list []*Purpose) {
	for _, u := range p.purposes {
		if u.Enabled {
			list = append(list, u)
		}
	}
	return list
}

// All returns all purposes in the file's order, disabled ones too.
func (p *Policy) All() []*Purpose { return p.purposes }

// Purpose returns the enabled purpose of that name.
func (p *Policy) Purpose(name string) (*Purpose, bool) {
	for _, u := range p.Purposes() {
		if u.Name == name {
			return u, true
		}
	}
	return nil, false
}

// Outside reports whether role is declared as one of another company or authority.
func (p *Policy) Outside(role string) bool { return p.audiences[role].Outside }

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
func (p *Policy) Stages() (s event.Stages) {
	for _, u := range p.Purposes() {
		s |= u.stages
	}
	return s
}

// ErrNotBuilt is the cause when a policy names something that this version cannot do.
var ErrNotBuilt = errors.New("policy: not available in this version")

// Bind joins each enabled purpose with its keys: those of its name, whose pseudonyms change after each epoch. Until then
// a purpose keeps nothing. If one names what this version cannot do, none is bound, and the error, which wraps
// ErrNotBuilt, names each with its line.
func (p *Policy) Bind(keys func(purpose string, epoch time.Duration) Keys) error {
	w := &mistakes{file: p.file, lines: p.lines}
	for _, one := range p.notBuilt {
		w.add(one.key, "%s", one.what)
	}
	for _, u := range p.Purposes() {
		u.checkBuilt(w, "purpose."+u.Name)
	}
	if err := w.err(); err != nil {
		return fmt.Errorf("%w:\n%w", ErrNotBuilt, err)
	}
	for _, u := range p.Purposes() {
		u.bind(keys(u.Name, u.Epoch))
	}
	return nil
}

// Reviewable returns an error with its line if p says that it was reviewed after today: nobody has.
func (p *Policy) Reviewable(today time.Time) error {
	w := &mistakes{file: p.file, lines: p.lines}
	if p.Reviewed.After(today) {
		w.add("reviewed", "%s", notYet(p.Reviewed))
	}
	return w.err()
}

// Lint returns what is wrong with p beyond what Parse refuses, and what is worth a second look, in the order of the
// purposes. today is the reviewer's day.
func (p *Policy) Lint(today time.Time) []Finding {
	l := &linter{lines: p.lines, readers: map[string]string{}}
	l.policy(p, today)
	return l.found
}
