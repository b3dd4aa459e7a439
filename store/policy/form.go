package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sipsieve/store/cpni"
)

// An Action is what becomes of a field. Drop is the zero Action: what a policy does not name, no purpose keeps.
type Action uint8

// Actions, in the order of what they reveal, as far as there is one.
const (
	Drop Action = iota
	Presence
	Count
	Category
	Country
	Known
	Family
	OUI
	Bucket
	Truncate
	IPPrefix
	Area
	Pseudonym
	Seal
	E164
	Keep
	actions
)

var actionNames = [actions]string{"drop", "presence", "count", "category", "country", "known", "family", "oui",
	"bucket", "truncate", "ip_prefix", "area", "pseudonym", "seal", "e164", "keep"}

// reveals ranks what an Action leaves of the value: 0 nothing, 9 all.
var reveals = [actions]int{0, 1, 1, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 8, 9}

// String returns the transform's name in the register.
func (a Action) String() string {
	if a < actions {
		return actionNames[a]
	}
	return "unknown"
}

// A form is an Action with its argument.
type form struct {
	action Action
	text   string // as the policy writes it
	unit   string // of truncate
	width  int64  // of truncate and of bucket: milliseconds; of bucket without a unit: a number
	timed  bool   // width is milliseconds
	v4, v6 int    // of ip_prefix
}

// String returns f as a policy writes it.
func (f form) String() string { return f.text }

// parseForm reads a transform as the register and a policy write it: name, or name:argument.
func parseForm(text string) (f form, err error) {
	name, arg, has := strings.Cut(text, ":")
	i := slices.Index(actionNames[:], name)
	if i < 0 {
		return f, fmt.Errorf("no such transform; the register has %s", strings.Join(actionNames[:], ", "))
	}
	f.action, f.text = Action(i), text
	switch f.action {
	case Truncate:
		i := slices.Index(units, arg)
		if i < 0 {
			return f, fmt.Errorf("truncate: want truncate:UNIT with one of %s", strings.Join(units, ", "))
		}
		f.unit, f.width, f.timed = arg, unitMillis[i], true
	case Bucket:
		return f, f.parseWidth(arg)
	case IPPrefix:
		return f, f.parsePrefix(arg)
	default:
		if has {
			return f, fmt.Errorf("%s takes no argument", name)
		}
	}
	return f, nil
}

func (f *form) parseWidth(arg string) error {
	if n, err := strconv.ParseInt(arg, 10, 64); err == nil && n > 0 {
		f.width = n
		return nil
	}
	if d, err := time.ParseDuration(arg); err == nil && d >= time.Millisecond {
		f.width, f.timed = d.Milliseconds(), true
		return nil
	}
	return fmt.Errorf("bucket: want bucket:WIDTH, such as bucket:100 or bucket:6s")
}

func (f *form) parsePrefix(arg string) error {
	v4, v6, _ := strings.Cut(arg, ",")
	var err4, err6 error
	f.v4, err4 = strconv.Atoi(v4)
	f.v6, err6 = strconv.Atoi(v6)
	if err4 != nil || err6 != nil || f.v4 < 0 || f.v6 < 0 || f.v4 > 24 || f.v6 > 48 {
		return fmt.Errorf("ip_prefix: want ip_prefix:V4,V6 of at most 24,48 bits")
	}
	return nil
}

// more reports whether f reveals more than o, the register's suggestion.
func (f form) more(o form) bool {
	if a, b := reveals[f.action], reveals[o.action]; a != b {
		return a > b
	}
	if f.width > 0 && o.width > 0 { // a duration may be cut by either
		return f.width < o.width
	}
	return f.action == IPPrefix && o.action == IPPrefix && (f.v4 > o.v4 || f.v6 > o.v6)
}

// allowed returns why f may not be applied to a field, by the register's own words.
func (f form) allowed(e *cpni.Entry) error {
	switch {
	case e.Never:
		return fmt.Errorf("the register says never: no policy can switch this field on")
	case e.Mark() == cpni.Text && (f.action == Keep || f.action == E164):
		return fmt.Errorf("%s is not allowed: the value is text of a message, which is kept by no policy; use %s",
			f.action, insteadOfKeep(e))
	case !slices.Contains(e.Transforms, f.action.String()):
		return fmt.Errorf("%s is not allowed: the register allows %s", f.action, strings.Join(e.Transforms, ", "))
	case f.action == Bucket && f.timed != (e.Type == "duration"):
		return fmt.Errorf("bucket: want a width with a unit for a duration, such as bucket:6s, without one for a number")
	}
	return nil
}

// insteadOfKeep returns the forms in which text may leave.
func insteadOfKeep(e *cpni.Entry) string {
	var forms []string
	for _, name := range e.Transforms {
		switch name {
		case Drop.String(), Count.String():
		case Known.String():
			forms = append(forms, "known with a list of the values that may be shown")
		default:
			forms = append(forms, name)
		}
	}
	return strings.Join(append(forms, Drop.String()), ", ")
}

// A rule is what one purpose does with one field.
type rule struct {
	field   cpni.Field
	typ     string // of the field in the register
	many    bool   // its values are lists
	forms   []form
	keys    []string // one for each form: the field's name, and name_form for further ones
	list    wordList // of known
	because string
	line    int
}
