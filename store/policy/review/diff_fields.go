// This file has methods of differ because what fields reveal is compared by rules of its own.

package review

import (
	"slices"
	"strings"

	"sipsieve/store/policy"
)

// fields compares the lines of two purposes.
func (d *differ) fields(before, after *policy.Purpose) {
	old := map[string]policy.Line{}
	for _, l := range before.Lines() {
		old[l.Field.String()] = l
	}
	for _, l := range after.Lines() {
		name := l.Field.String()
		was, there := old[name]
		delete(old, name)
		if !there {
			d.add(Widening, name, "new field", "", describe(l))
			continue
		}
		d.line(was, l)
	}
	for _, l := range before.Lines() {
		if _, left := old[l.Field.String()]; left {
			d.add(Narrowing, l.Field.String(), "no longer collected", describe(l), "")
		}
	}
}

// line compares what is done with one field.
func (d *differ) line(before, after policy.Line) {
	name, b, a := before.Field.String(), forms(before), forms(after)
	same := sameForms(before.Forms, after.Forms)
	more := revealsMore(before.Forms, after.Forms)
	switch {
	case same && b != a:
		d.add(Neutral, name, "the order of its forms", b, a)
	case same:
	case !more:
		d.add(Narrowing, name, "reveals less", b, a)
	case slices.ContainsFunc(after.Forms, func(f policy.Form) bool { return moreThanAll(f, before.Forms) }):
		d.add(Widening, name, "reveals more", b, a)
	default:
		d.add(Widening, name, "reveals something else", b, a)
	}
	if known(before) && known(after) {
		d.list(name, before.List, after.List)
	}
	switch {
	case before.Because == after.Because:
	case after.Because == "" && (same || more):
		d.add(Widening, name, "its reason is removed", quoted(before.Because), "")
	default:
		d.add(Neutral, name, "its reason", quoted(before.Because), quoted(after.Because))
	}
}

// list compares the closed lists of known. The letters of a word do not distinguish it.
func (d *differ) list(field string, before, after []string) {
	for _, word := range after {
		if i := indexFold(before, word); i < 0 {
			d.add(Widening, field, "new word on its list", "", word)
		} else if before[i] != word {
			d.add(Neutral, field, "letters of a word on its list", before[i], word)
		}
	}
	for _, word := range before {
		if indexFold(after, word) < 0 {
			d.add(Narrowing, field, "no longer on its list", word, "")
		}
	}
}

func indexFold(words []string, word string) int {
	return slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, word) })
}

func known(l policy.Line) bool {
	return slices.ContainsFunc(l.Forms, func(f policy.Form) bool { return f.Action == policy.Known })
}

// forms returns the forms of l as text.
func forms(l policy.Line) string {
	var texts []string
	for _, f := range l.Forms {
		texts = append(texts, f.Transform)
	}
	return strings.Join(texts, " and ")
}

// describe returns the forms of l, with the list and the reason if it has them.
func describe(l policy.Line) string {
	text := forms(l)
	if len(l.List) > 0 {
		text += " of " + strings.Join(l.List, ", ")
	}
	if l.Because != "" {
		text += ", because " + quoted(l.Because)
	}
	return text
}

func sameForms(a, b []policy.Form) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(f policy.Form) bool { return index(b, f) < 0 })
}

// index returns where forms has f, -1 if nowhere.
func index(forms []policy.Form, f policy.Form) int {
	return slices.IndexFunc(forms, func(o policy.Form) bool { return o.Transform == f.Transform })
}

func moreThanAll(f policy.Form, forms []policy.Form) bool {
	return !slices.ContainsFunc(forms, func(o policy.Form) bool { return !f.More(o) })
}

// revealsMore reports whether after shows what cannot be worked out from before. A form that is there in both adds
// nothing; a value in clear has in it what any coarser form shows; any other form makes room for one that reveals less.
func revealsMore(before, after []policy.Form) bool {
	var gone, added []policy.Form
	for _, f := range before {
		if index(after, f) < 0 {
			gone = append(gone, f)
		}
	}
	for _, f := range after {
		if index(before, f) < 0 && !slices.ContainsFunc(before, func(o policy.Form) bool { return inClear(o) && o.More(f) }) {
			added = append(added, f)
		}
	}
	for _, f := range added {
		i := slices.IndexFunc(gone, func(o policy.Form) bool { return o.More(f) && !f.More(o) })
		if i < 0 {
			return true
		}
		gone = slices.Delete(gone, i, i+1)
	}
	return false
}

// inClear reports whether f leaves the value as it is, or as a whole number.
func inClear(f policy.Form) bool { return f.Action == policy.Keep || f.Action == policy.E164 }
