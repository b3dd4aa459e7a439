package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"sipsieve/store/cpni"
)

// A parser gathers what is wrong with a policy, each with its line.
type parser struct {
	name  string
	at    Locator
	wrong []mistake
}

type mistake struct {
	line int
	text string
}

// say notes what is wrong at key.
func (p *parser) say(key, format string, args ...any) {
	p.wrong = append(p.wrong, mistake{p.at.Line(key), key + ": " + fmt.Sprintf(format, args...)})
}

// errors returns all mistakes in the order of their lines.
func (p *parser) errors() error {
	slices.SortFunc(p.wrong, func(a, b mistake) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.text, b.text))
	})
	var errs []error
	for _, m := range p.wrong {
		errs = append(errs, fmt.Errorf("%s:%d: %s", p.name, m.line, m.text))
	}
	return errors.Join(errs...)
}

// unknown notes the keys that a policy does not have. The decoder takes a key in any letters, so that one written
// twice in different letters would count by chance: all are lower case here, but for the operator's own names.
func (p *parser) unknown(md toml.MetaData) {
	for _, key := range md.Undecoded() {
		if len(key) < 5 || key[2] != "fields" { // those are read with their field
			p.say(key.String(), "unknown key")
		}
	}
	for _, key := range md.Keys() {
		name := strings.Join(key, ".")
		if name != strings.ToLower(name) && key[0] != "lists" {
			p.say(name, "want lower case")
		}
	}
}

// law notes what no purpose of that name may do, whatever its fields are.
func (p *parser) law(key string, u *Purpose) {
	switch {
	case u.Name == "emergency" && u.When != "emergency":
		p.say(key+".when", "missing: want emergency; numbers and the presence of a location are for such calls only "+
			"(47 USC 222(d)(4))")
	case u.Name == "capacity" && (len(u.Kinds) != 1 || u.Kinds[0] != cpni.AggregateKind.String()):
		p.say(key+".kinds", "want aggregate alone: no record of a call exists for this purpose (47 USC 222(c)(3))")
	}
	if u.Retain.Hours > 0 {
		p.say(key+".retain", "want days, weeks, months or years: what is kept expires by the day")
	}
}

// audience checks the names of those who read a purpose: they become names of accounts on the bus.
func (p *parser) audience(key string, names []string) {
	if len(names) == 0 {
		p.say(key, "missing: say who reads it")
	}
	for i, name := range names {
		if !cpni.IsName(name) {
			p.say(key, "entry %d: want a role of 1 to 32 characters out of a-z, 0-9, _ and -", i+1)
		}
		if slices.Contains(names[:i], name) {
			p.say(key, "entry %d stands twice", i+1)
		}
	}
}
