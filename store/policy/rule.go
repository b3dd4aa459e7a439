package policy

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"sipsieve/store/cpni"
	"sipsieve/store/policy/wording"
)

// A rule is what one purpose does with one field.
type rule struct {
	field      cpni.Field
	typ        string // of the field in the register
	many       bool   // its values are lists
	transforms []transform
	keys       []string // one for each transform: the field's name, and name_transform for further ones
	list       wordList // of known
	because    string
	line       int
}

// inSnapshot reports whether a snapshot of a call holds the values of r.
func (r *rule) inSnapshot() bool { return r.field.In(cpni.CallKind) && !r.field.Remembered() }

// pseudonymous reports whether a pseudonym is what one of the transforms of r leaves.
func (r *rule) pseudonymous() bool {
	return slices.ContainsFunc(r.transforms, func(t transform) bool { return t.action == Pseudonym })
}

// residual returns the identifiability that t leaves of the values of r.
func (r *rule) residual(t transform) string {
	x, _ := cpni.TransformOf(t.action.String())
	if x.Residual == "same" {
		return r.field.Entry().Identifiability
	}
	return x.Residual
}

// located are the fields that show where a caller is: only that there was one, and only in an emergency
// (47 USC 222(f)).
var located = []string{"emergency_location", "access_network_info"}

// A ruleParser reads one line of a purpose: field = "transform", ["transform", "transform"] or
// { form, list, because }.
type ruleParser struct {
	*mistakes
	key     string // of the line
	purpose string
	lists   map[string][]string // of the operator, by name
	rule    rule
}

// read reads the value of the line. It reports false if the line keeps nothing: drop is no transform, and what is
// denied is absent, not null.
func (p *ruleParser) read(value any) bool {
	name := p.key[strings.LastIndexByte(p.key, '.')+1:]
	f, ok := cpni.FieldOf(name)
	if !ok {
		p.add(p.key, "not in the register%s", cmp.Or(wording.Nearest(name, cpni.FieldNames()), ": sipsieve fields prints it"))
		return false
	}
	typ := f.Entry().Type
	p.rule = rule{field: f, line: p.lines.Line(p.key), typ: typ, many: strings.HasSuffix(typ, "_list")}
	line, err := readLine(value)
	if err != nil {
		p.add(p.key, "%v", err)
		return false
	}
	p.rule.because = strings.TrimSpace(line.because)
	for _, text := range line.transforms {
		p.transform(text)
	}
	p.list(line.list)
	if len(p.rule.transforms) > 0 && p.purpose != "emergency" && slices.Contains(located, f.String()) {
		p.add(p.key, "a caller's location: only in the purpose emergency (47 USC 222(f))")
	}
	return len(p.rule.transforms) > 0
}

// transform adds one transform to the rule, if the register allows it and, where it reveals more than suggested, a
// reason is given.
func (p *ruleParser) transform(text string) {
	r := &p.rule
	t, err := parseTransform(text)
	if err == nil {
		err = t.allowed(r.field.Entry())
	}
	if err != nil {
		p.add(p.key, "%v", err)
		return
	}
	if t.action == Drop {
		return
	}
	suggested, _ := parseTransform(suggestion(r.field, p.purpose))
	watches := t.action == Known && r.field.Entry().Identifiability == "direct" && suggested.action != Known && suggested.action != Keep
	if (t.more(suggested) || watches) && r.because == "" { // a list of persons is one of those who are watched
		p.add(p.key, "reveals more than the register suggests (%s): give the reason with because",
			suggestion(r.field, p.purpose))
	}
	key := r.field.String()
	if len(r.transforms) > 0 {
		key += "_" + t.action.String()
	}
	if slices.ContainsFunc(r.transforms, func(o transform) bool { return o.action == t.action }) {
		p.add(p.key, "%s stands twice", t.action)
	}
	r.transforms, r.keys = append(r.transforms, t), append(r.keys, key)
}

// list finds the list behind known.
func (p *ruleParser) list(name string) {
	known := slices.ContainsFunc(p.rule.transforms, func(t transform) bool { return t.action == Known })
	words, there := p.lists[name]
	switch {
	case known && name == "":
		p.add(p.key, "known needs a list: { form = \"known\", list = \"...\" }")
	case known && !there:
		p.add(p.key, "known: no list %s under [lists]%s", wording.Shown(name), wording.Nearest(name, slices.Sorted(maps.Keys(p.lists))))
	case !known && name != "":
		p.add(p.key, "only known takes a list")
	case known:
		p.rule.list = newWordList(words)
	}
}

// suggestion returns the register's start for a field in a purpose, drop if it has none.
func suggestion(f cpni.Field, purpose string) string {
	if s, ok := f.Entry().Actions[purpose]; ok {
		return s
	}
	return "drop"
}

// A line is the value of one line of a purpose as it is written.
type line struct {
	transforms    []string
	list, because string
}

func readLine(value any) (l line, err error) {
	switch v := value.(type) {
	case string:
		return line{transforms: []string{v}}, nil
	case []any:
		for _, x := range v {
			text, ok := x.(string)
			if !ok {
				return l, errors.New("want a list of forms in quotes")
			}
			l.transforms = append(l.transforms, text)
		}
		if len(l.transforms) == 0 {
			return l, errors.New("want at least one form")
		}
		return l, nil
	case map[string]any:
		return readTable(v)
	}
	return l, errWantForm
}

var errWantForm = errors.New("want a form, such as \"keep\"")

// readTable reads { form, list, because }.
func readTable(table map[string]any) (l line, err error) {
	for key, x := range table {
		text, isText := x.(string)
		switch {
		case key == "form":
			inner, err := readLine(x)
			if err != nil {
				return l, err
			}
			l.transforms = inner.transforms
		case key == "because" && isText:
			l.because = text
		case key == "list" && isText:
			l.list = text
		default:
			return l, errors.New("want form, and if need be list and because")
		}
	}
	if len(l.transforms) == 0 {
		return l, errWantForm
	}
	return l, nil
}

// A wordList is a closed list of the operator, sorted by lower case.
type wordList []listed

type listed struct{ lower, written string }

func newWordList(words []string) (l wordList) {
	for _, w := range words {
		l = append(l, listed{strings.ToLower(w), w})
	}
	slices.SortFunc(l, func(a, b listed) int { return strings.Compare(a.lower, b.lower) })
	return l
}

// find returns text as the operator wrote it, "" if it is not on the list. How a message wrote it does not show.
func (l wordList) find(text string) string {
	i, ok := slices.BinarySearchFunc(l, strings.ToLower(text), func(w listed, lower string) int {
		return strings.Compare(w.lower, lower)
	})
	if !ok {
		return ""
	}
	return l[i].written
}

// written returns the list as the operator wrote it.
func (l wordList) written() (words []string) {
	for _, w := range l {
		words = append(words, w.written)
	}
	return words
}
