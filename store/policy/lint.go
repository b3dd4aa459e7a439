package policy

import (
	"fmt"
	"time"
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
	lines   Locator
	readers map[string]string // the purpose that each audience was last seen in
	found   []Finding
}

func (l *linter) policy(p *Policy, today time.Time) {
	if !p.ReviewEvery.After(p.Reviewed).After(today) {
		l.warn("reviewed", "the review is overdue: the yearly certificate rests on it")
	}
	for _, log := range p.unkept {
		l.warn(log, "this version keeps no such log: keep the required entries in another system")
	}
	for _, u := range p.Purposes() {
		l.purpose("purpose."+u.Name, u, p.Reviewed)
	}
}

func (l *linter) warn(key, text string) {
	l.found = append(l.found, Finding{Line: l.lines.Line(key), Key: key, Text: text})
}

func (l *linter) purpose(key string, u *Purpose, reviewed time.Time) {
	if floor, ok := floors[u.Name]; ok && u.Retain.After(reviewed).Before(floor.retain.After(reviewed)) {
		l.found = append(l.found, Finding{l.lines.Line(key + ".retain"), key + ".retain", true,
			"retention under a legal floor: " + floor.law})
	}
	if u.Name == billing && u.MinCorrelation < sureOfMoney {
		l.warn(key+".min_correlation", "legs are billed as one call though they are joined by less than 90: by Call-IDs, "+
			"media or guesswork")
	}
	if u.FromReceipt {
		l.warn(key+".from", "retention counts from receipt: a record that is read again later lives longer")
	}
	for _, who := range u.Audience {
		if other, twice := l.readers[who]; twice {
			l.warn(key+".audience", fmt.Sprintf("%s also reads %s: it can join the records of both by time and length",
				who, other))
		}
		l.readers[who] = u.Name
	}
	for _, r := range u.rules {
		if r.because != "" {
			l.warn(key+".fields."+r.field.String(), "reveals more than the register suggests, because: "+r.because)
		}
	}
}
