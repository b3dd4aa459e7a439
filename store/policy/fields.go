package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sipsieve/store/cpni"
)

// located are the fields that tell where a caller is: only that there was one, and only in an emergency
// (47 USC 222(f)).
var located = []string{"emergency_location", "access_network_info"}

// fields reads the lines of a purpose: field = "form", ["form", "form"] or { form, list, because }.
func (p *parser) fields(key string, u *Purpose, lines map[string]any, all *file) {
	for name, value := range lines {
		at := key + "." + name
		f, ok := cpni.FieldOf(name)
		if !ok {
			p.say(at, "not in the register")
			continue
		}
		r := newRule(f, p.at.Line(at))
		var list string
		texts, err := formsOf(value, &r.because, &list)
		if err != nil {
			p.say(at, "%v", err)
			continue
		}
		for _, text := range texts {
			p.form(at, &r, u.Name, text)
		}
		p.list(at, &r, list, all)
		p.locate(at, &r, u.Name)
		if len(r.forms) > 0 { // drop is no form: what is denied is absent, not null
			u.rules = append(u.rules, r)
		}
	}
	slices.SortFunc(u.rules, func(a, b rule) int { return int(a.field) - int(b.field) })
}

func newRule(f cpni.Field, line int) rule {
	typ := f.Entry().Type
	return rule{field: f, line: line, typ: typ, many: strings.HasSuffix(typ, "_list")}
}

// formsOf reads one line's value.
func formsOf(value any, because, list *string) (texts []string, err error) {
	switch v := value.(type) {
	case string:
		return []string{v}, nil
	case []any:
		for _, x := range v {
			text, ok := x.(string)
			if !ok {
				return nil, errors.New("want a list of forms in quotes")
			}
			texts = append(texts, text)
		}
		if len(texts) == 0 {
			return nil, errors.New("want at least one form")
		}
		return texts, nil
	case map[string]any:
		for key, x := range v {
			text, isText := x.(string)
			switch {
			case key == "form":
				if texts, err = formsOf(x, because, list); err != nil {
					return nil, err
				}
			case key == "because" && isText:
				*because = text
			case key == "list" && isText:
				*list = text
			default:
				return nil, errors.New("want form, and if need be list and because")
			}
		}
		if len(texts) > 0 {
			return texts, nil
		}
	}
	return nil, errors.New("want a form, such as \"keep\"")
}

// form adds one form to r, if the register allows it and, where it reveals more than suggested, a reason is given.
func (p *parser) form(at string, r *rule, purpose, text string) {
	f, err := parseForm(text)
	if err == nil {
		err = f.allowed(r.field.Entry())
	}
	if err != nil {
		p.say(at, "%v", err)
		return
	}
	if f.action == Drop {
		return
	}
	suggested, _ := parseForm(suggestion(r.field, purpose))
	if f.more(suggested) && r.because == "" {
		p.say(at, "reveals more than the register suggests (%s): give the reason with because", suggestion(r.field, purpose))
	}
	key := r.field.String()
	if len(r.forms) > 0 {
		key += "_" + f.action.String()
	}
	if slices.ContainsFunc(r.forms, func(o form) bool { return o.action == f.action }) {
		p.say(at, "%s stands twice", f.action)
	}
	r.forms, r.keys = append(r.forms, f), append(r.keys, key)
}

// suggestion returns the register's start for a field in a purpose, drop if it has none.
func suggestion(f cpni.Field, purpose string) string {
	if s, ok := f.Entry().Actions[purpose]; ok {
		return s
	}
	return "drop"
}

// list finds the list behind known.
func (p *parser) list(at string, r *rule, name string, all *file) {
	known := slices.ContainsFunc(r.forms, func(f form) bool { return f.action == Known })
	words, there := all.Lists[name]
	switch {
	case known && name == "":
		p.say(at, "known needs a list: { form = \"known\", list = \"...\" }")
	case known && !there:
		p.say(at, "known: no such list under [lists]")
	case !known && name != "":
		p.say(at, "only known takes a list")
	case known:
		r.list = newWordList(words)
	}
}

// locate holds the rule of location: no policy can bend it.
func (p *parser) locate(at string, r *rule, purpose string) {
	if len(r.forms) > 0 && purpose != "emergency" && slices.Contains(located, r.field.String()) {
		p.say(at, "a caller's location: only in the purpose emergency (47 USC 222(f))")
	}
}

// ErrNotBuilt says that a policy asks for something that this version cannot do.
var ErrNotBuilt = errors.New("policy: not available in this version")

// Bind joins the enabled purposes with the keys that make their ids and pseudonyms. Until then a purpose keeps
// nothing. If one asks for what this version cannot do, none is bound, and the error, which wraps ErrNotBuilt,
// names each with its line.
func (p *Policy) Bind(keys Keys, ids Identity) error {
	w := &parser{name: p.file, at: p.at}
	for _, u := range p.Purposes() {
		w.built("purpose."+u.Name, u)
	}
	if len(w.wrong) > 0 {
		return fmt.Errorf("%w:\n%w", ErrNotBuilt, w.errors())
	}
	for _, u := range p.Purposes() {
		u.bind(keys, ids)
	}
	return nil
}

// built notes what u asks for and this version cannot do.
func (p *parser) built(key string, u *Purpose) {
	if slices.Contains(u.Kinds, cpni.AggregateKind.String()) {
		p.say(key+".kinds", "noisy aggregates")
	}
	if u.Consent != "" && u.Consent != "none" { // without its list nobody can tell who agreed
		p.say(key+".consent", "lists of consent")
	}
	for _, r := range u.rules {
		for _, f := range r.forms {
			if f.action == Seal || f.action == Count {
				p.say(key+".fields."+r.field.String(), "%s", f.action)
			}
		}
	}
}
