// This file has methods of linter because they are about what fields give away together, not about single lines.

package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sipsieve/store/cpni"
	"sipsieve/store/policy/wording"
)

// longEpoch is the longest time for which pseudonyms stay the same without a warning: the month of a bill.
const longEpoch = 31 * 24 * time.Hour

// leaks warns of what u gives away by fields that are harmless by themselves.
func (l *linter) leaks(key string, u *Purpose) {
	for _, word := range u.Kinds {
		kind, _ := cpni.KindOf(word)
		timed := slices.ContainsFunc(u.rules, func(r rule) bool { return r.typ == "time" && r.field.In(kind) })
		if times := kind.Times(); len(times) > 0 && !timed {
			l.warn(key+".fields", fmt.Sprintf("no time of a %s is kept, yet expires shows its day: name %s as truncate:month if "+
				"the day must not show", word, times[0]))
		}
	}
	l.persons(key, u)
	if !slices.ContainsFunc(u.rules, func(r rule) bool { return r.pseudonymous() }) {
		return
	}
	if u.Epoch > longEpoch || u.Epoch >= u.Retain.Shortest() {
		l.warn(key+".epoch", fmt.Sprintf("pseudonyms stay the same for %d days of the %s that records are kept: what one person "+
			"did in all that time can be followed", u.Epoch/(24*time.Hour), u.Retain))
	}
	l.named(key, u)
}

// named warns of pseudonyms beside values in clear that are mostly those of the same person.
func (l *linter) named(key string, u *Purpose) {
	var plain, masked []string
	for _, r := range u.rules {
		e := r.field.Entry()
		if strings.TrimSuffix(e.Type, "_list") != "tel" && e.Name != "account_id" || e.Identifiability != "direct" {
			continue
		}
		for _, t := range r.transforms {
			switch t.action {
			case Keep, E164:
				plain = append(plain, e.Name)
			case Pseudonym:
				masked = append(masked, e.Name)
			}
		}
	}
	if len(plain) > 0 && len(masked) > 0 {
		l.warn(key+".fields."+masked[0], fmt.Sprintf("a pseudonym beside %s in clear: whoever reads the purpose can find out who is "+
			"behind a pseudonym, in other records too", strings.Join(plain, ", ")))
	}
}

// persons warns of closed lists whose words are persons: what is on the list leaves as it is.
func (l *linter) persons(key string, u *Purpose) {
	for _, r := range u.rules {
		if r.typ != "int" && slices.ContainsFunc(r.list.written(), wording.Personal) {
			l.warn(key+".fields."+r.field.String(), "a word of its list has the form of a number or address of a person: a list is "+
				"for names of companies, hosts and products")
		}
	}
}
