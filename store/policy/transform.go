package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sipsieve/store/cpni"
	"sipsieve/store/policy/wording"
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

// A transform is an Action with its argument.
type transform struct {
	action Action
	text   string // as the policy writes it
	unit   string // of truncate
	width  int64  // of truncate and of bucket: milliseconds; of bucket without a unit: a number
	timed  bool   // width is milliseconds
	v4, v6 int    // of ip_prefix
}

// String returns t as a policy writes it.
func (t transform) String() string { return t.text }

// parseTransform reads a transform as the register and a policy write it: name, or name:argument.
func parseTransform(text string) (t transform, err error) {
	name, arg, has := strings.Cut(text, ":")
	i := slices.Index(actionNames[:], name)
	if i < 0 {
		return t, fmt.Errorf("%s is no transform; the register has %s%s", wording.Shown(name), strings.Join(actionNames[:], ", "),
			wording.Nearest(name, actionNames[:]))
	}
	t.action, t.text = Action(i), text
	switch t.action {
	case Truncate:
		i := slices.Index(units, arg)
		if i < 0 {
			return t, fmt.Errorf("truncate: want truncate:UNIT with one of %s, not %s%s", strings.Join(units, ", "), wording.Shown(arg),
				wording.Nearest(arg, units))
		}
		t.unit, t.width, t.timed = arg, unitMillis[i], true
	case Bucket:
		return t, t.parseWidth(arg)
	case IPPrefix:
		return t, t.parsePrefix(arg)
	default:
		if has {
			return t, fmt.Errorf("%s takes no argument", name)
		}
	}
	return t, nil
}

func (t *transform) parseWidth(arg string) error {
	if n, err := strconv.ParseInt(arg, 10, 64); err == nil && n > 0 {
		t.width = n
		return nil
	}
	if d, err := time.ParseDuration(arg); err == nil && d >= time.Millisecond {
		t.width, t.timed = d.Milliseconds(), true
		return nil
	}
	return fmt.Errorf("bucket: want bucket:WIDTH, such as bucket:100 or bucket:6s")
}

func (t *transform) parsePrefix(arg string) error {
	v4, v6, _ := strings.Cut(arg, ",")
	var err4, err6 error
	t.v4, err4 = strconv.Atoi(v4)
	t.v6, err6 = strconv.Atoi(v6)
	if err4 != nil || err6 != nil || t.v4 < 0 || t.v6 < 0 || t.v4 > 24 || t.v6 > 48 {
		return fmt.Errorf("ip_prefix: want ip_prefix:V4,V6 of at most 24,48 bits")
	}
	return nil
}

// more reports whether t reveals more than o, the register's suggestion.
func (t transform) more(o transform) bool {
	if a, b := reveals[t.action], reveals[o.action]; a != b {
		return a > b
	}
	if t.width > 0 && o.width > 0 { // a duration may be cut by either
		return t.width < o.width
	}
	return t.action == IPPrefix && o.action == IPPrefix && (t.v4 > o.v4 || t.v6 > o.v6)
}

// beside reports whether t stands for a value and says nothing of it, and o says a part of it.
func (t transform) beside(o transform) bool {
	return (t.action == Pseudonym || t.action == Seal) && o.action >= Category && o.action <= Area
}

// allowed returns why t may not be applied to a field, by the register's own words.
func (t transform) allowed(e *cpni.Entry) error {
	switch {
	case e.Never:
		return fmt.Errorf("the register marks this field never: no policy can switch it on; use %s",
			cmp.Or(e.Instead, "no other: it is content of the call"))
	case e.Mark() == cpni.Text && (t.action == Keep || t.action == E164):
		return fmt.Errorf("%s is not allowed: the value is text of a message, which is kept by no policy; use %s",
			t.action, insteadOfKeep(e))
	case !slices.Contains(e.Transforms, t.action.String()):
		return fmt.Errorf("%s is not allowed: the register allows %s", t.action, strings.Join(e.Transforms, ", "))
	case t.action == Bucket && t.timed != (e.Type == "duration"):
		return fmt.Errorf("bucket: want a width with a unit for a duration, such as bucket:6s, without one for a number")
	}
	return nil
}

// insteadOfKeep returns the transforms after which text may leave.
func insteadOfKeep(e *cpni.Entry) string {
	var names []string
	for _, name := range e.Transforms {
		switch name {
		case Drop.String(), Count.String():
		case Known.String():
			names = append(names, "known with a list of the values that may be shown")
		default:
			names = append(names, name)
		}
	}
	return strings.Join(append(names, Drop.String()), ", ")
}
