package policy

import (
	"slices"

	"sipsieve/store/cpni"
)

// A Line is what one purpose does with one field, as its policy writes it. What reviews a policy reads Lines; Minimise
// reads the programs that are made of the same rules.
type Line struct {
	Field   cpni.Field
	Kinds   []cpni.Kind // of the purpose, those that have the field
	Forms   []Form      // at least one
	List    []string    // the closed list of known, as the operator wrote it
	Because string      // why it reveals more than the register suggests, "" if it does not
	Number  int         // of the line in the file
}

// A Form is what one transform leaves of a field.
type Form struct {
	Key       string // under which it stands in an excerpt
	Action    Action
	Transform string // as the policy writes it, with its argument
	Residual  string // identifiability that remains of the value alone: direct, indirect or none
	transform transform
}

// More reports whether f reveals more of a value than o. A pseudonym and a part of the value are neither: one tells people
// apart, the other says where or what they are.
func (f Form) More(o Form) bool {
	return !f.transform.beside(o.transform) && !o.transform.beside(f.transform) && f.transform.more(o.transform)
}

// Lines returns what u does with each field that it names, in the register's order. A field without a Line is dropped.
func (u *Purpose) Lines() (lines []Line) {
	for i := range u.rules {
		r := &u.rules[i]
		l := Line{Field: r.field, List: r.list.written(), Because: r.because, Number: r.line}
		for _, k := range cpni.Kinds() {
			if r.field.In(k) && slices.Contains(u.Kinds, k.String()) {
				l.Kinds = append(l.Kinds, k)
			}
		}
		for j, t := range r.transforms {
			l.Forms = append(l.Forms, Form{r.keys[j], t.action, t.text, r.residual(t), t})
		}
		lines = append(lines, l)
	}
	return lines
}

// SeesWithheld reports whether u gets a number that its party withholds, as any other.
func (u *Purpose) SeesWithheld() bool { return slices.Contains(unmasked, u.Name) }

// HalfKeys returns the keys that an excerpt of a part of a call has beside its fields: see half.
func (u *Purpose) HalfKeys() (keys []string) {
	if !slices.Contains(u.Kinds, cpni.CallKind.String()) {
		return nil
	}
	if u.halves.clock {
		keys = append(keys, keyClock)
	}
	if u.halves.side {
		keys = append(keys, keySide)
	}
	return keys
}
