package review

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sipsieve/store/policy"
)

// A group is how much leaves of a field, by the form that reveals most.
type group uint8

const (
	clear group = iota
	pseudonym
	coarse
	yesNo
	notBuilt
	groups
)

// groupWords are the groups in a table.
var groupWords = [groups]string{"clear", "pseudonym", "coarse", "yes/no", "not available"}

// groupOf returns the group of l: the first one that a form of it is in.
func groupOf(l policy.Line) group {
	first := groups
	for _, form := range l.Forms {
		first = min(first, groupOfAction(form.Action))
	}
	return first
}

func groupOfAction(a policy.Action) group {
	switch a {
	case policy.Keep, policy.E164:
		return clear
	case policy.Pseudonym:
		return pseudonym
	case policy.Presence:
		return yesNo
	case policy.Seal, policy.Count:
		return notBuilt
	}
	return coarse
}

// A grouping is the lines of a purpose by their groups.
type grouping [groups][]policy.Line

func grouped(u *policy.Purpose) (g grouping) {
	for _, l := range u.Lines() {
		n := groupOf(l)
		g[n] = append(g[n], l)
	}
	return g
}

// A reason is lines with one because, in the order of their first.
type reason struct {
	because string
	lines   []policy.Line
}

func byReason(lines []policy.Line) (list []reason) {
	for _, l := range lines {
		i := slices.IndexFunc(list, func(r reason) bool { return r.because == l.Because })
		if i < 0 {
			list = append(list, reason{because: l.Because})
			i = len(list) - 1
		}
		list[i].lines = append(list[i].lines, l)
	}
	return list
}

// named returns the fields of lines, each with its forms unless it has the one that goes without saying.
func named(lines []policy.Line, silent ...policy.Action) string {
	var names []string
	for _, l := range lines {
		name := l.Field.String()
		if len(l.Forms) > 1 || !slices.Contains(silent, l.Forms[0].Action) {
			name += " (" + forms(l) + ")"
		}
		name += unread(l)
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// unread says, with a blank before it, that this version does not read the field of l; else "".
func unread(l policy.Line) string {
	if l.Field.Extracted() {
		return ""
	}
	return " (not read yet: null)"
}

func hasPseudonyms(lines []policy.Line) bool {
	return slices.ContainsFunc(lines, func(l policy.Line) bool {
		return slices.ContainsFunc(l.Forms, func(f policy.Form) bool { return f.Action == policy.Pseudonym })
	})
}

// joined reports whether l is of a field that shows how legs of one call were joined.
func joined(l policy.Line) bool {
	return slices.Contains([]string{"session_group", "correlation", "correlation_score"}, l.Field.String())
}

// law returns what permits u.
func law(u *policy.Purpose) string {
	text := u.Basis
	if u.GDPR != "" {
		text += "; GDPR " + u.GDPR
	}
	if u.Use != "" {
		text += "; use " + u.Use
	}
	if u.Consent != "" {
		text += "; consent " + u.Consent
	}
	return text
}

// since is what retention counts from, by whether a purpose counts from receipt.
var since = map[bool]string{false: "the call or event", true: "its receipt"}

// kept returns how long records of u are kept and why, and how they are erased.
func kept(u *policy.Purpose) string {
	text := fmt.Sprintf("%s after %s (%s)", u.Retain, since[u.FromReceipt], u.RetainWhy)
	if u.Erase == "" {
		return text
	}
	text += fmt.Sprintf("; to be erased, in the policy's words: %q", u.Erase)
	if strings.Contains(strings.ToLower(u.Erase), "key") {
		text += " (this version destroys no key: records go by retention alone)"
	}
	return text
}

// daysOf returns d in days if it is whole ones, else in hours.
func daysOf(d time.Duration) policy.Retention {
	const day = 24 * time.Hour
	if d%day == 0 {
		return policy.Retention{Days: int(d / day)}
	}
	return policy.Retention{Hours: int(d / time.Hour)}
}
