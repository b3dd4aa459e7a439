// Package review describes policies for those who answer for them: Explain in two printed pages, Map as a table of fields
// by purposes, Long with a paragraph for each field, and what becomes different from one policy to the next.
//
// It reads policies alone: no record, no key and no clock.
package review

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// An Effect is what a Change does to the privacy of the people in the records.
type Effect int

// Effects, in the order in which Diff returns them.
const (
	Widening  Effect = iota // more is kept, for longer, for more readers, or on weaker grounds
	Narrowing               // less
	Neutral                 // words, and what has no effect on what is kept
)

// String returns the word of e.
func (e Effect) String() string { return [...]string{"widening", "narrowing", "neutral"}[e] }

// A Change is one difference between two policies.
type Change struct {
	Effect  Effect
	Purpose string // "" for the policy as a whole
	Field   string // "" for the purpose as a whole
	What    string // became different
	Before  string
	After   string
}

// String returns c as a sentence: purpose, field, what became different, before → after.
func (c Change) String() string {
	text := c.What
	if c.Field != "" {
		text = c.Field + ": " + text
	}
	if c.Purpose != "" {
		text = c.Purpose + ": " + text
	}
	if c.Before == "" && c.After == "" {
		return text + "."
	}
	return fmt.Sprintf("%s: %s → %s.", text, orNothing(c.Before), orNothing(c.After))
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

// Diff returns what becomes different when after takes the place of before: first what widens, then what narrows, then
// what is neutral, each in the order of the purposes of after. Two policies that differ in comments alone have one
// neutral Change. Without a policy before (nil) everything that after collects is a widening.
//
// A form that is replaced by one that neither reveals more nor less (see policy.Form.More) widens: it reveals something
// else. So does another legal basis: whether it is a weaker one is for a lawyer.
func Diff(before, after *policy.Policy) []Change {
	d := &differ{before: before, after: after}
	if before == nil {
		for _, u := range after.All() {
			d.purpose(nil, u)
		}
		return d.changes
	}
	if before.Hash() == after.Hash() {
		return nil
	}
	d.head()
	for _, u := range after.All() {
		d.purpose(find(before, u.Name), u)
	}
	for _, u := range before.All() {
		if find(after, u.Name) == nil {
			d.gone(u)
		}
	}
	if d.current, d.disabled = "", false; len(d.changes) == 0 {
		d.add(Neutral, "", "comments, layout or names of keys only", before.Hash(), after.Hash())
	}
	slices.SortStableFunc(d.changes, func(a, b Change) int { return int(a.Effect) - int(b.Effect) })
	return d.changes
}

// Widens reports whether one of changes is a widening.
func Widens(changes []Change) bool {
	return slices.ContainsFunc(changes, func(c Change) bool { return c.Effect == Widening })
}

func find(p *policy.Policy, name string) *policy.Purpose {
	for _, u := range p.All() {
		if u.Name == name {
			return u
		}
	}
	return nil
}

// A differ gathers Changes.
type differ struct {
	before, after *policy.Policy
	current       string // purpose
	disabled      bool   // before and after: nothing there has an effect
	changes       []Change
}

func (d *differ) add(e Effect, field, what, before, after string) {
	if d.disabled {
		e, what = Neutral, what+" (the purpose is disabled)"
	}
	d.changes = append(d.changes, Change{e, d.current, field, what, before, after})
}

// words adds a neutral Change if two texts differ.
func (d *differ) words(what, before, after string) {
	if before != after {
		d.add(Neutral, "", what, quoted(before), quoted(after))
	}
}

// ordered adds a Change of a quantity, which widens if more is true.
func (d *differ) ordered(more bool, what, before, after string) {
	if before == after {
		return
	}
	effect := Narrowing
	if more {
		effect = Widening
	}
	d.add(effect, "", what, before, after)
}

// span adds a Change of a length of time, which widens if it is longer from one day at least.
func (d *differ) span(what string, before, after policy.Retention) {
	switch {
	case longer(after, before):
		d.add(Widening, "", what+" longer", before.String(), after.String())
	case longer(before, after):
		d.add(Narrowing, "", what+" for a shorter time", before.String(), after.String())
	}
}

// longer reports whether a is longer than b from some day of four years: months differ.
func longer(a, b policy.Retention) bool {
	day := time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)
	for range 4*365 + 1 {
		if a.After(day).After(b.After(day)) {
			return true
		}
		day = day.AddDate(0, 0, 1)
	}
	return false
}

// set adds a Change for each word that is in one of two sets only.
func (d *differ) set(what string, before, after []string, describe func(string) string) {
	for _, word := range after {
		if !slices.Contains(before, word) {
			d.add(Widening, "", "new "+what, "", describe(word))
		}
	}
	for _, word := range before {
		if !slices.Contains(after, word) {
			d.add(Narrowing, "", what+" no more", word, "")
		}
	}
}

// head compares what stands outside of the purposes.
func (d *differ) head() {
	b, a := d.before, d.after
	d.words("name", b.Name, a.Name)
	d.words("owner", b.Owner, a.Owner)
	if !b.Reviewed.Equal(a.Reviewed) {
		d.add(Neutral, "", "last review", b.Reviewed.Format(time.DateOnly), a.Reviewed.Format(time.DateOnly))
	}
	switch {
	case longer(a.ReviewEvery, b.ReviewEvery):
		d.add(Widening, "", "is reviewed less often: every", b.ReviewEvery.String(), a.ReviewEvery.String())
	case longer(b.ReviewEvery, a.ReviewEvery):
		d.add(Narrowing, "", "is reviewed more often: every", b.ReviewEvery.String(), a.ReviewEvery.String())
	}
}

// gone adds what a purpose that is in before only means.
func (d *differ) gone(u *policy.Purpose) {
	d.current, d.disabled = u.Name, !u.Enabled
	d.add(Narrowing, "", "the purpose is removed", summary(u), "")
}

// purpose compares a purpose with that of the same name before, nil if there was none.
func (d *differ) purpose(before, after *policy.Purpose) {
	wasOn := before != nil && before.Enabled
	d.current, d.disabled = after.Name, !wasOn && !after.Enabled
	switch {
	case before == nil:
		d.begins("a new purpose", after)
	case !wasOn && after.Enabled:
		d.begins("the purpose is enabled", after)
	case wasOn && !after.Enabled:
		d.add(Narrowing, "", "the purpose is disabled", summary(before), "")
	default:
		d.limits(before, after)
		d.grounds(before, after)
		d.fields(before, after)
	}
}

// begins adds a purpose that collected nothing before, and each of its fields.
func (d *differ) begins(what string, u *policy.Purpose) {
	d.add(Widening, "", what, "", summary(u))
	for _, l := range u.Lines() {
		d.add(Widening, l.Field.String(), "new field", "", describe(l))
	}
}

// summary returns in a few words what u collects.
func summary(u *policy.Purpose) string {
	return fmt.Sprintf("records of %s for %s, kept %s", strings.Join(u.Kinds, ", "), strings.Join(u.Audience, ", "), u.Retain)
}

// limits compares who reads u, of what there are records, and for how long.
func (d *differ) limits(before, after *policy.Purpose) {
	same := func(word string) string { return word }
	d.set("audience", before.Audience, after.Audience, d.reader)
	for _, who := range after.Audience {
		if slices.Contains(before.Audience, who) && d.after.Outside(who) && !d.before.Outside(who) {
			d.add(Widening, "", "audience is now declared as outside of the company", who, d.reader(who))
		}
		if slices.Contains(before.Audience, who) && !d.after.Outside(who) && d.before.Outside(who) {
			d.add(Neutral, "", "audience is no longer declared as outside of the company", who, who)
		}
	}
	d.set("kind of record", before.Kinds, after.Kinds, same)
	d.set("stage of a record", before.Stages, after.Stages, same)
	d.span("records are kept", before.Retain, after.Retain)
	for _, kind := range cpni.Kinds() {
		if b, a := before.ExpiresBy(kind), after.ExpiresBy(kind); collects(before, kind) && collects(after, kind) {
			d.ordered(a == "day", "expires shows of the time of a "+kind.String()+" its", b, a)
		}
	}
	d.span("records stay on the bus", before.BusRetain, after.BusRetain)
	d.ordered(after.Epoch > before.Epoch, "pseudonyms change every", hours(before.Epoch), hours(after.Epoch))
	d.ordered(after.MinCorrelation < before.MinCorrelation, "legs of one call are joined from a score of",
		fmt.Sprint(before.MinCorrelation), fmt.Sprint(after.MinCorrelation))
	since := map[bool]string{false: "the call or event", true: "receipt"}
	d.ordered(after.FromReceipt, "retention counts from", since[before.FromReceipt], since[after.FromReceipt])
	d.ordered(after.When == "", "records are made of", onlyFor(before.When), onlyFor(after.When))
}

func collects(u *policy.Purpose, kind cpni.Kind) bool { return slices.Contains(u.Kinds, kind.String()) }

func onlyFor(when string) string {
	if when == "" {
		return "all calls"
	}
	return when + " calls only"
}

// reader returns a role, and whether it is outside of the company.
func (d *differ) reader(who string) string {
	if d.after.Outside(who) {
		return who + ", outside of the company"
	}
	return who
}

// hours returns an epoch in days, in hours if it is none of whole days.
func hours(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return policy.Retention{Days: int(d / (24 * time.Hour))}.String()
	}
	return policy.Retention{Hours: int(d / time.Hour)}.String()
}

// consents rank what is asked of a customer before the use of CPNI.
var consents = map[string]int{"": 0, "none": 0, "opt_out": 1, "opt_in": 2}

// grounds compares why u may collect.
func (d *differ) grounds(before, after *policy.Purpose) {
	for _, law := range [][3]string{{"legal basis", before.Basis, after.Basis}, {"GDPR basis", before.GDPR, after.GDPR}} {
		switch {
		case law[1] == law[2]:
		case law[1] == "":
			d.words(law[0], law[1], law[2])
		default:
			d.add(Widening, "", law[0], quoted(law[1]), quoted(law[2]))
		}
	}
	if b, a := consents[before.Consent], consents[after.Consent]; b != a {
		d.ordered(a < b, "consent", before.Consent, after.Consent)
	}
	d.words("why", before.Why, after.Why)
	d.words("reason of the retention", before.RetainWhy, after.RetainWhy)
	d.words("erasure", before.Erase, after.Erase)
	d.words("priority", fmt.Sprint(before.Priority), fmt.Sprint(after.Priority))
}

func quoted(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("%q", text)
}
