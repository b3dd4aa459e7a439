package policy

import (
	"fmt"
	"io"
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

// Lint returns what is wrong with p beyond what Parse refuses, and what is worth a second look. today is the
// reviewer's day.
func (p *Policy) Lint(today time.Time) (found []Finding) {
	if !p.ReviewEvery.After(p.Reviewed).After(today) {
		found = append(found, Finding{p.at.Line("reviewed"), "reviewed", false, "the review is overdue: the yearly certificate rests on it"})
	}
	readers := map[string]string{}
	for _, u := range p.Purposes() {
		key := "purpose." + u.Name
		if floor, ok := floors[u.Name]; ok && u.Retain.After(p.Reviewed).Before(floor.span.After(p.Reviewed)) {
			found = append(found, Finding{p.at.Line(key + ".retain"), key + ".retain", true, "retention under a legal floor: " + floor.law})
		}
		if u.FromReceipt {
			found = append(found, Finding{p.at.Line(key + ".from"), key + ".from", false,
				"retention counts from receipt: a record that is read again later lives longer"})
		}
		for _, who := range u.Audience {
			if other, twice := readers[who]; twice {
				found = append(found, Finding{p.at.Line(key + ".audience"), key + ".audience", false,
					fmt.Sprintf("%s also reads %s: it can join the records of both by time and length", who, other)})
			}
			readers[who] = u.Name
		}
		for _, r := range u.rules {
			if r.because != "" {
				found = append(found, Finding{r.line, key + ".fields." + r.field.String(), false,
					"reveals more than the register suggests, because: " + r.because})
			}
		}
	}
	return found
}

// Explain writes p in plain words: for each purpose why, by which law, who reads it and how long it is kept, and for
// each line what is read, what leaves and what could still be learned.
func (p *Policy) Explain(w io.Writer) error {
	t := &teller{w: w}
	t.say("Policy %q (%s), owned by the %s, last reviewed %s.\n", p.Name, p.hash, p.Owner, p.Reviewed.Format(time.DateOnly))
	t.say("Whatever is not named below is dropped inside the sensor. A disabled purpose collects nothing.\n")
	for _, u := range p.purposes {
		t.purpose(u)
	}
	return t.err
}

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
	t.say("\n  Read by: %s, and nobody else\n  Kept: %s (%s)\n", strings.Join(u.Audience, ", "), u.Retain, u.RetainWhy)
	if u.When != "" {
		t.say("  Only for: %s calls\n", u.When)
	}
	t.say("  Records: %s, told at %s\n", strings.Join(u.Kinds, ", "), strings.Join(u.Stages, ", "))
	for i := range u.rules {
		t.rule(u, &u.rules[i])
	}
}

func (t *teller) rule(u *Purpose, r *rule) {
	e := r.field.Entry()
	class, _ := cpni.ClassOf(e.Class)
	t.say("\n  %s\n    Read from %s. It is %s (%s).\n", e.Name, e.Source, strings.ReplaceAll(e.Class, "_", " "), class.Basis)
	for _, f := range r.forms {
		x, _ := cpni.TransformOf(f.action.String())
		residual := x.Residual
		if residual == "same" {
			residual = e.Identifiability
		}
		t.say("    Leaves as %s: %s. %s\n", f, x.Meaning, learned[residual])
	}
	if len(r.list) > 0 {
		t.say("    The list: %s.\n", strings.Join(r.list.written(), ", "))
	}
	if r.because != "" {
		t.say("    This reveals more than the register suggests (%s), because %s.\n", suggestion(r.field, u.Name), r.because)
	}
}

// learned says what an identifiability means to the person concerned.
var learned = map[string]string{
	"none":     "It tells nobody from anybody else.",
	"indirect": "Together with other facts it can single a person out.",
	"direct":   "It names a person or a line.",
}

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
