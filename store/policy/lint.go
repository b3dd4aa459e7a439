package policy

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sipsieve/store/cpni"
)

// A Finding is something that a reviewer should know.
type Finding struct {
	Line    int
	Key     string
	Problem bool // false: a warning
	Text    string
}

// floors are the retentions that a law asks for.
var floors = map[string]struct {
	span Span
	law  string
}{"billing": {Span{Months: 18}, "47 CFR 42.6: toll records, eighteen months"}}

// Lint returns what is wrong with p beyond what Parse refuses, and what is worth a second look, in the order of the
// purposes. today is the reviewer's day.
func (p *Policy) Lint(today time.Time) []Finding {
	l := &linter{at: p.at, readers: map[string]string{}}
	if !p.ReviewEvery.After(p.Reviewed).After(today) {
		l.warn("reviewed", "the review is overdue: the yearly certificate rests on it")
	}
	for _, log := range p.unkept {
		l.warn(log, "this version keeps no such log: what it asks for must be kept in another way")
	}
	for _, u := range p.Purposes() {
		l.purpose("purpose."+u.Name, u, p.Reviewed)
	}
	return l.found
}

// A linter gathers Findings. readers has the purpose that each audience was last seen in.
type linter struct {
	at      Locator
	readers map[string]string
	found   []Finding
}

func (l *linter) warn(key, text string) {
	l.found = append(l.found, Finding{Line: l.at.Line(key), Key: key, Text: text})
}

func (l *linter) purpose(key string, u *Purpose, reviewed time.Time) {
	if floor, ok := floors[u.Name]; ok && u.Retain.After(reviewed).Before(floor.span.After(reviewed)) {
		l.found = append(l.found, Finding{l.at.Line(key + ".retain"), key + ".retain", true,
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

// Explain writes p in plain words: for each purpose why, by which law, who reads it and how long it is kept, and a
// paragraph for each line: what is read, what leaves and what could still be learned.
func (p *Policy) Explain(w io.Writer) error {
	t := &teller{w: w}
	t.say("Policy %q (%s), owned by the %s, last reviewed %s.\n",
		p.Name, p.hash, p.Owner, p.Reviewed.Format(time.DateOnly))
	t.say(unbent)
	for _, u := range p.purposes {
		t.purpose(u)
	}
	return t.err
}

// unbent is what holds whatever a policy says.
const unbent = `
Whatever is not named below is dropped inside the sensor. A disabled purpose collects nothing.
Beside its fields every record says what it is (schema, kind, stage, purpose, policy, class), which one (id, dialog,
revision: keyed, and other ones in every purpose), how whole it is (status, missing, completeness), when it is forgotten
(expires, so that the day or month of the call follows from it) and who saw it (site, sensor, source).
No policy can switch on message bodies, media, secrets or free text. That a call carried a location (Geolocation,
P-Access-Network-Info) is said of emergency calls only, the location itself never. The number of a caller who asked
for privacy (RFC 3323, RFC 3325) leaves only as a pseudonym or as "there was one", but for billing, legal and emergency.
`

// A teller writes until the first error.
type teller struct {
	w   io.Writer
	err error
}

func (t *teller) say(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

func (t *teller) purpose(u *Purpose) {
	t.say("\n%s", strings.ToUpper(u.Name))
	if !u.Enabled {
		t.say(" (disabled: collects nothing)\n  Meant to: %s\n", u.Why)
		return
	}
	t.say("\n  Why: %s\n  Permitted by: %s", u.Why, u.Basis)
	if u.GDPR != "" {
		t.say("; GDPR %s", u.GDPR)
	}
	t.say("\n  Seen by: %s, and nobody else\n  Kept: %s after %s (%s)", strings.Join(u.Audience, ", "), u.Retain,
		since[u.FromReceipt], u.RetainWhy)
	if u.Erase != "" {
		t.say("; erased: %s", u.Erase)
	}
	t.say("\n  On the bus: %s", u.BusRetain)
	if slices.ContainsFunc(u.rules, rule.pseudonymous) {
		t.say("\n  Pseudonyms: new ones every %s, and other ones than those of any other purpose", daysOf(u.Epoch))
	}
	t.say("\n")
	if u.When != "" {
		t.say("  Only for: %s calls\n", u.When)
	}
	t.say("  Records: %s, told at %s\n", strings.Join(u.Kinds, ", "), strings.Join(u.Stages, ", "))
	if slices.ContainsFunc(u.rules, func(r rule) bool { return joinFields[r.field] }) {
		t.say("  Legs of one call: joined where it is at least %d of 100 sure\n", u.MinCorrelation)
	}
	t.halves(u)
	for i := range u.rules {
		t.rule(u, &u.rules[i])
	}
}

// halves says what a part of a call has beside its fields.
func (t *teller) halves(u *Purpose) {
	clock, side := u.halves()
	if !slices.Contains(u.Kinds, cpni.CallKind.String()) || !clock && !side {
		return
	}
	t.say("  Of an answered call of which one host saw the beginning and another the end:\n")
	if clock {
		t.say("    %s, by itself a random number; those of both parts give the duration, to the microsecond\n", keyClock)
	}
	if side {
		t.say("    %s, by itself a random bit; those of both parts give disconnect_by\n", keySide)
	}
}

func (t *teller) rule(u *Purpose, r *rule) {
	e := r.field.Entry()
	class, _ := cpni.ClassOf(e.Class)
	t.say("\n  %s (line %d)\n    Read: %s.\n    Holds: %s.\n    In law: %s, %s.\n", e.Name, r.line, e.Source, holds(e),
		strings.ReplaceAll(e.Class, "_", " "), class.Basis)
	for _, f := range r.forms {
		x, _ := cpni.TransformOf(f.action.String())
		residual := x.Residual
		if residual == "same" {
			residual = e.Identifiability
		}
		t.say("    Leaves: %s, %s.\n    Could still be learned: %s.\n", f, x.Meaning, learned[residual])
	}
	if len(r.list) > 0 {
		t.say("    The closed list: %s.\n", strings.Join(r.list.written(), ", "))
	}
	if r.because != "" {
		t.say("    More than the register suggests (%s), because %s.\n", suggestion(r.field, u.Name), r.because)
	}
}

// holds says what the value of a field is.
func holds(e *cpni.Entry) string {
	switch {
	case e.Mark() == cpni.Text:
		return "text of a message, which never leaves as it is"
	case e.Mark() == cpni.Shaped:
		return "what has the shape " + e.Pattern
	case e.List != "":
		return "one of a closed list: " + e.List
	}
	return "one of a closed list: " + strings.Join(e.Words, ", ")
}

// pseudonymous reports whether a pseudonym is one of the forms of r.
func (r rule) pseudonymous() bool {
	return slices.ContainsFunc(r.forms, func(f form) bool { return f.action == Pseudonym })
}

// daysOf returns d in days if it is whole ones, else in hours.
func daysOf(d time.Duration) Span {
	const day = 24 * time.Hour
	if d%day == 0 {
		return Span{Days: int(d / day)}
	}
	return Span{Hours: int(d / time.Hour)}
}

// learned says what an identifiability means to the person concerned.
var learned = map[string]string{
	"none":     "nothing of a person; it tells nobody from anybody else",
	"indirect": "together with other facts it can single a person out",
	"direct":   "who it was; it names a person or a line",
}

// since says what retention counts from, by whether a purpose counts from receipt.
var since = map[bool]string{false: "the call or event", true: "its receipt"}

// String returns s as a policy writes it.
func (s Span) String() string {
	for _, u := range []struct {
		n    int
		name string
	}{{s.Years, "year"}, {s.Months, "month"}, {s.Days, "day"}, {s.Hours, "hour"}} {
		switch {
		case u.n == 1:
			return "1 " + u.name
		case u.n > 1:
			return fmt.Sprintf("%d %ss", u.n, u.name)
		}
	}
	return "not at all"
}
