package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sipsieve/store/cpni"
	"sipsieve/store/policy/locate"
	"sipsieve/store/policy/wording"
)

// A Finding is something for the reviewer of a policy.
type Finding struct {
	Line    int
	Key     string
	Problem bool // false: a warning
	Text    string
}

// floors are the least retentions by law.
var floors = map[string]struct {
	retain Retention
	law    string
}{"billing": {Retention{Months: 18}, "47 CFR 42.6: toll records, eighteen months"}}

// A linter gathers Findings.
type linter struct {
	lines   locate.Locator
	readers map[string]string // the purpose that each audience was last seen in
	found   []Finding
}

func (l *linter) policy(p *Policy, today time.Time) {
	due := p.ReviewEvery.After(p.Reviewed)
	switch {
	case p.Reviewed.After(today):
		l.problem("reviewed", notYet(p.Reviewed))
	case !due.After(today):
		l.warn("reviewed", "the review is overdue: the yearly certificate rests on it")
	case !due.After(today.AddDate(0, 0, dueDays)):
		l.warn("reviewed", "the next review is due on "+due.Format(time.DateOnly))
	}
	if wording.Personal(p.Owner) {
		l.warn("owner", "looks like the address or the number of a person: name the role, such as privacy officer")
	}
	for _, u := range p.Purposes() {
		l.purpose("purpose."+u.Name, u, p)
	}
}

// notYet is what is wrong with a review in the future.
func notYet(reviewed time.Time) string {
	return reviewed.Format(time.DateOnly) + " is in the future: want the day on which it was reviewed"
}

// dueDays is how many days before it is due a review is spoken of.
const dueDays = 30

func (l *linter) problem(key, text string) {
	l.found = append(l.found, Finding{l.lines.Line(key), key, true, text})
}

func (l *linter) warn(key, text string) {
	l.found = append(l.found, Finding{Line: l.lines.Line(key), Key: key, Text: text})
}

func (l *linter) purpose(key string, u *Purpose, p *Policy) {
	if floor, ok := floors[u.Name]; ok && u.Retain.After(p.Reviewed).Before(floor.retain.After(p.Reviewed)) {
		l.problem(key+".retain", "retention under a legal floor: "+floor.law)
	}
	row := cpni.PurposeOf(u.Name)
	if suggested, err := ParseRetention(row.Retain); err == nil && u.Retain.Shortest() > 2*suggested.Shortest() {
		l.warn(key+".retain", fmt.Sprintf("%s is far more than the register suggests, %s: say why in retain_why", u.Retain, suggested))
	}
	if !slices.ContainsFunc(row.Citations, func(c string) bool { return strings.Contains(u.Basis, c) }) {
		l.warn(key+".basis", "names none of the citations that the register knows for "+u.Name+": "+strings.Join(row.Citations, ", "))
	}
	if u.Name == billing && u.MinCorrelation < sureOfMoney {
		l.warn(key+".min_correlation", "legs are billed as one call though they are joined by less than 90: by Call-IDs, "+
			"media or guesswork")
	}
	if u.FromReceipt {
		l.warn(key+".from", "retention counts from receipt: a record that is read again later lives longer")
	}
	for _, who := range u.Audience {
		if _, declared := p.audiences[who]; !declared {
			l.warn(key+".audience", who+" is not declared: state under [audience."+who+"] whether it is outside of the company")
		}
		if other, twice := l.readers[who]; twice {
			l.warn(key+".audience", fmt.Sprintf("%s also reads %s: it can join the records of both by time and length",
				who, other))
		}
		l.readers[who] = u.Name
	}
	l.leaks(key, u)
	for _, r := range u.rules {
		line := key + ".fields." + r.field.String()
		if r.because != "" {
			l.warn(line, "reveals more than the register suggests, because: "+r.because)
		}
		switch {
		case !r.field.Extracted():
			l.warn(line, "this version does not read the field: it is null in every record")
		case !slices.Contains(u.Kinds, cpni.AggregateKind.String()) && !slices.ContainsFunc(cpni.Kinds(), func(k cpni.Kind) bool {
			return r.field.In(k) && slices.Contains(u.Kinds, k.String())
		}):
			l.warn(line, "no record of the purpose's kinds has the field: it is never published")
		}
	}
}
