package review

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// Long writes p in plain words, a paragraph for each key of every record and for each field of each purpose: what is
// read, what leaves and what could still be learned.
func Long(w io.Writer, p *policy.Policy) error {
	e := &explainer{w: w}
	e.write("%s\n", title(p))
	for _, b := range general(p) {
		e.write("%s\n", wrapped(b.label+": "+b.text, lineWidth, ""))
	}
	e.write("Calls under way lie in a sealed checkpoint log on the sensor, of each what its purposes will publish. One that cannot be\n"+
		"used (another key or version) is set aside and removed %s after it was written last, an hour later at the latest.\n",
		p.ShortestBusRetain())
	e.write("\nEVERY RECORD\n")
	for _, k := range envelope {
		e.write("\n  %s\n    Holds: %s.\n    Could still be learned: %s.\n", k.name, k.holds, k.learned)
	}
	for _, u := range p.All() {
		e.purpose(u)
	}
	return e.err
}

// An explainer writes a policy in plain words until the first error of w.
type explainer struct {
	w   io.Writer
	err error
}

func (e *explainer) write(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}

func (e *explainer) purpose(u *policy.Purpose) {
	e.write("\n%s", strings.ToUpper(u.Name))
	if !u.Enabled {
		e.write(" (disabled: collects nothing)\n  Meant to: %s\n", u.Why)
		return
	}
	e.write("\n  Why: %s\n  Permitted by: %s\n  Meant for: %s\n  Kept: %s\n  On the bus: %s; off the sensor's disk an hour later at the latest\n",
		u.Why, law(u), strings.Join(u.Audience, ", "), kept(u), u.BusRetain)
	lines := u.Lines()
	if hasPseudonyms(lines) {
		e.write("  Pseudonyms: new ones every %s, and other ones than those of any other purpose\n", daysOf(u.Epoch))
	}
	if u.When != "" {
		e.write("  Only for: %s calls\n", u.When)
	}
	e.write("  Records: %s, at stage %s%s\n", strings.Join(u.Kinds, ", "), strings.Join(u.Stages, ", "),
		cmp.Or(together(u), ", published at once"))
	if slices.ContainsFunc(lines, joined) {
		e.write("  Legs of one call: joined if the evidence scores at least %d of 100\n", u.MinCorrelation)
	}
	e.halves(u)
	for _, l := range lines {
		e.line(u, l)
	}
}

// halves writes what a part of a call has beside its fields.
func (e *explainer) halves(u *policy.Purpose) {
	keys := u.HalfKeys()
	if len(keys) == 0 {
		return
	}
	e.write("  For an answered call whose beginning and end are seen by two hosts:\n")
	for _, key := range keys {
		e.write("    %s, %s\n", key, halfMeaning[key])
	}
}

func (e *explainer) line(u *policy.Purpose, l policy.Line) {
	f := l.Field.Entry()
	class, _ := cpni.ClassOf(f.Class)
	e.write("\n  %s (line %d)\n    Read: %s.\n    Holds: %s.\n    In law: %s, %s.\n", f.Name, l.Number, f.Source, holds(f),
		strings.ReplaceAll(f.Class, "_", " "), class.Basis)
	if !l.Field.Extracted() {
		e.write("    This version does not read it: it is null in every record.\n")
	}
	for _, form := range l.Forms {
		x, _ := cpni.TransformOf(form.Action.String())
		e.write("    Leaves: %s, %s.\n    Could still be learned: %s.\n", form.Transform, x.Meaning, learnedOf(f, form))
	}
	if f.Party != "" {
		e.write("    If the %s party asked for privacy: %s.\n", f.Party, withheldForm(u, l))
	}
	if len(l.List) > 0 {
		e.write("    The closed list: %s.\n", strings.Join(l.List, ", "))
	}
	if l.Because != "" {
		e.write("    More than the register suggests (%s), because %s.\n", suggestion(f, u.Name), l.Because)
	}
}

// withheldForm returns what leaves of a number that its party withholds.
func withheldForm(u *policy.Purpose, l policy.Line) string {
	if u.SeesWithheld() {
		return "the same, for this purpose may see it"
	}
	var leaves []string
	for _, form := range l.Forms {
		if form.Action == policy.Pseudonym || form.Action == policy.Presence {
			leaves = append(leaves, form.Transform)
		}
	}
	if len(leaves) == 0 {
		return "null"
	}
	return "only " + strings.Join(leaves, " and ")
}

// suggestion returns the register's start for a field in a purpose, drop if it has none.
func suggestion(e *cpni.Entry, purpose string) string {
	if s, ok := e.Actions[purpose]; ok {
		return s
	}
	return "drop"
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

// learnedOf returns what could still be learned of a person from the form of a field. A time, a length or a count is no
// name, but with the same in another record it singles a call out.
func learnedOf(e *cpni.Entry, form policy.Form) string {
	measured := e.Type == "time" || e.Type == "duration" || e.Type == "int"
	if form.Residual == "none" && measured && form.Action != policy.Presence {
		return joinable
	}
	return learned[form.Residual]
}

const joinable = "who it was, not by itself; together with the same value in other records it can single a call out"

// learned is what an identifiability means to the person concerned.
var learned = map[string]string{
	"none":     "nothing of a person by itself",
	"indirect": "together with other facts it can single a person out",
	"direct":   "who it was; it names a person or a line",
}
