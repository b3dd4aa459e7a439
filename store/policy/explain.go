package policy

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sipsieve/store/cpni"
)

// fixedRules hold for every policy.
const fixedRules = `
Whatever is not named below is dropped inside the sensor. A disabled purpose collects nothing.
Beside its fields every record has its type (schema, kind, stage, purpose, policy, class), its keyed ids, which differ
between purposes (id, dialog, revision), its completeness (status, missing, completeness), the day of its deletion
(expires, from which the day or month of the call follows) and its origin (site, sensor, source).
No policy can switch on message bodies, media, secrets or free text. Whether a call carried a location (Geolocation,
P-Access-Network-Info) is recorded for emergency calls only, the location itself never. The number of a caller who asked
for privacy (RFC 3323, RFC 3325) leaves only as a pseudonym or as "there was one", but for billing, legal and emergency.
`

// An explainer writes a policy in plain words until the first error of w.
type explainer struct {
	w   io.Writer
	err error
}

func (e *explainer) policy(p *Policy) {
	e.write("Policy %q (%s), owned by the %s, last reviewed %s.\n",
		p.Name, p.hash, p.Owner, p.Reviewed.Format(time.DateOnly))
	e.write(fixedRules)
	e.write("Calls under way lie in a sealed checkpoint log on the sensor, of each what its purposes will publish. One that cannot be\n"+
		"used (another key or version) is set aside and removed %s after it was written last, an hour later at the latest.\n",
		p.ShortestBusRetain())
	for _, u := range p.purposes {
		e.purpose(u)
	}
}

func (e *explainer) write(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}

func (e *explainer) purpose(u *Purpose) {
	e.write("\n%s", strings.ToUpper(u.Name))
	if !u.Enabled {
		e.write(" (disabled: collects nothing)\n  Meant to: %s\n", u.Why)
		return
	}
	e.write("\n  Why: %s\n  Permitted by: %s", u.Why, u.Basis)
	if u.GDPR != "" {
		e.write("; GDPR %s", u.GDPR)
	}
	e.write("\n  Seen by: %s, and nobody else\n  Kept: %s after %s (%s)", strings.Join(u.Audience, ", "), u.Retain,
		since[u.FromReceipt], u.RetainWhy)
	if u.Erase != "" {
		e.write("; erased: %s", u.Erase)
	}
	e.write("\n  On the bus: %s; off the sensor's disk an hour later at the latest", u.BusRetain)
	if slices.ContainsFunc(u.rules, func(r rule) bool { return r.pseudonymous() }) {
		e.write("\n  Pseudonyms: new ones every %s, and other ones than those of any other purpose", daysOf(u.Epoch))
	}
	e.write("\n")
	if u.When != "" {
		e.write("  Only for: %s calls\n", u.When)
	}
	e.write("  Records: %s, published at stage %s\n", strings.Join(u.Kinds, ", "), strings.Join(u.Stages, ", "))
	if slices.ContainsFunc(u.rules, func(r rule) bool { return joinFields[r.field] }) {
		e.write("  Legs of one call: joined if the evidence scores at least %d of 100\n", u.MinCorrelation)
	}
	e.halves(u)
	for i := range u.rules {
		e.rule(u, &u.rules[i])
	}
}

// halves writes what a part of a call has beside its fields.
func (e *explainer) halves(u *Purpose) {
	if !slices.Contains(u.Kinds, cpni.CallKind.String()) || u.halves == (halves{}) {
		return
	}
	e.write("  For an answered call whose beginning and end are seen by two hosts:\n")
	if u.halves.clock {
		e.write("    %s, by itself a random number; those of both parts give the duration, to the microsecond\n", keyClock)
	}
	if u.halves.side {
		e.write("    %s, by itself a random bit; those of both parts give disconnect_by\n", keySide)
	}
}

func (e *explainer) rule(u *Purpose, r *rule) {
	f := r.field.Entry()
	class, _ := cpni.ClassOf(f.Class)
	e.write("\n  %s (line %d)\n    Read: %s.\n    Holds: %s.\n    In law: %s, %s.\n", f.Name, r.line, f.Source, holds(f),
		strings.ReplaceAll(f.Class, "_", " "), class.Basis)
	for _, t := range r.transforms {
		x, _ := cpni.TransformOf(t.action.String())
		e.write("    Leaves: %s, %s.\n    Could still be learned: %s.\n", t, x.Meaning, learned[r.residual(t)])
	}
	if len(r.list) > 0 {
		e.write("    The closed list: %s.\n", strings.Join(r.list.written(), ", "))
	}
	if r.because != "" {
		e.write("    More than the register suggests (%s), because %s.\n", suggestion(r.field, u.Name), r.because)
	}
}

// holds returns what the value of a field is.
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

// daysOf returns d in days if it is whole ones, else in hours.
func daysOf(d time.Duration) Retention {
	const day = 24 * time.Hour
	if d%day == 0 {
		return Retention{Days: int(d / day)}
	}
	return Retention{Hours: int(d / time.Hour)}
}

// learned is what an identifiability means to the person concerned.
var learned = map[string]string{
	"none":     "nothing of a person; it distinguishes no two people",
	"indirect": "together with other facts it can single a person out",
	"direct":   "who it was; it names a person or a line",
}

// since is what retention counts from, by whether a purpose counts from receipt.
var since = map[bool]string{false: "the call or event", true: "its receipt"}
