package cpni

import (
	_ "embed"
	"fmt"
	"slices"

	"github.com/BurntSushi/toml"
)

//go:embed register.toml
var registerText string

// A Field is one entry of the field register, numbered in the register's order.
type Field uint8

// maxFields is more than the register has.
const maxFields = 255

// An Entry is the row of one Field in the register.
type Entry struct {
	Name            string            `toml:"name"`
	Source          string            `toml:"source"` // header or protocol element, with its RFC section
	Layer           string            `toml:"layer"`
	Type            string            `toml:"type"`
	Unit            string            `toml:"unit"`
	Value           string            `toml:"value"`   // closed, shape or text: Mark reads it
	Pattern         string            `toml:"pattern"` // of a shape: a regular expression
	Words           []string          `toml:"words"`   // of a closed value, if the register knows them
	List            string            `toml:"list"`    // of a closed value otherwise: where its words stand
	Class           string            `toml:"class"`   // the statutory word first, then Also
	Also            []string          `toml:"also"`
	Identifiability string            `toml:"identifiability"` // direct, indirect or none
	Never           bool              `toml:"never"`           // no policy can switch it on
	Instead         string            `toml:"instead"`         // of one that is never kept: what to use
	Transforms      []string          `toml:"transforms"`      // the ceiling: a policy may use no other
	Actions         map[string]string `toml:"actions"`         // the suggested form per purpose
	Party           string            `toml:"party"`           // whose number it is, if that party may withhold it
	Note            string            `toml:"note"`
}

// A Class is a kind of fact by its legal basis, such as destination of 47 USC 222(h)(1)(A).
type Class struct {
	Basis   string `toml:"basis"`
	Meaning string `toml:"meaning"`
}

// A Transform is a form in which a Field may leave.
type Transform struct {
	Inputs   string `toml:"inputs"`
	Residual string `toml:"residual"` // identifiability that remains: same, direct, indirect or none
	Meaning  string `toml:"meaning"`
}

// A PurposeRow is what the register knows of a purpose that a policy may have.
type PurposeRow struct {
	Citations []string `toml:"citations"` // that permit it
	Retain    string   `toml:"retain"`    // suggested
	Required  bool     `toml:"required"`  // law requires it
}

// A register is the file as it stands.
type register struct {
	Version   int                   `toml:"version"`
	Purposes  []string              `toml:"purposes"`
	Purpose   map[string]PurposeRow `toml:"purpose"`
	Kind      []kindRow             `toml:"kind"`
	Class     map[string]Class      `toml:"class"`
	Transform map[string]Transform  `toml:"transform"`
	Field     []Entry               `toml:"field"`

	names map[string]Field
}

// The register, read once. It is a part of the program: one that does not load is a fault of the build.
var theRegister = mustLoad()

func mustLoad() *register {
	r, err := load(registerText)
	if err != nil {
		panic(err)
	}
	return r
}

// load reads a register and checks that its parts fit each other.
func load(text string) (*register, error) {
	r := &register{names: map[string]Field{}}
	md, err := toml.Decode(text, r)
	if err != nil {
		return nil, fmt.Errorf("cpni: register: %w", err)
	}
	if keys := md.Undecoded(); len(keys) > 0 {
		return nil, fmt.Errorf("cpni: register: unknown key %s", keys[0])
	}
	if len(r.Field) > maxFields {
		return nil, fmt.Errorf("cpni: register: more than %d fields", maxFields)
	}
	for i := range r.Field {
		e := &r.Field[i]
		if _, twice := r.names[e.Name]; twice {
			return nil, fmt.Errorf("cpni: register: %s stands twice", e.Name)
		}
		r.names[e.Name] = Field(i)
		if err := r.check(e); err != nil {
			return nil, err
		}
		if err := e.checkMark(); err != nil {
			return nil, err
		}
	}
	for i := range r.Kind {
		if err := r.Kind[i].check(r.names); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// check looks for the classes, transforms and purposes that e names.
func (r *register) check(e *Entry) error {
	for _, class := range append([]string{e.Class}, e.Also...) {
		if _, ok := r.Class[class]; !ok {
			return fmt.Errorf("cpni: register: %s: unknown class %s", e.Name, class)
		}
	}
	for _, t := range e.Transforms {
		if _, ok := r.Transform[t]; !ok {
			return fmt.Errorf("cpni: register: %s: unknown transform %s", e.Name, t)
		}
	}
	for purpose := range e.Actions {
		if !slices.Contains(r.Purposes, purpose) {
			return fmt.Errorf("cpni: register: %s: unknown purpose %s", e.Name, purpose)
		}
	}
	if e.Party != "" && parties[e.Party] == 0 {
		return fmt.Errorf("cpni: register: %s: unknown party %s", e.Name, e.Party)
	}
	return nil
}

// Fields returns how many Fields there are: they are numbered from 0 in the register's order.
func Fields() int { return len(theRegister.Field) }

// FieldNames returns the names of all Fields.
func FieldNames() (names []string) {
	for i := range theRegister.Field {
		names = append(names, theRegister.Field[i].Name)
	}
	return names
}

// FieldOf returns the Field of that name.
func FieldOf(name string) (Field, bool) {
	f, ok := theRegister.names[name]
	return f, ok
}

// Mark returns what the values of e are, Unmarked without an entry.
func (e *Entry) Mark() Mark { return Mark(max(0, slices.Index(markWords[:], e.Value))) }

// Entry returns the row of f.
func (f Field) Entry() *Entry { return &theRegister.Field[f] }

// checkMark checks that e declares its values, and that text has no transform keep.
func (e *Entry) checkMark() error {
	switch mark := e.Mark(); {
	case mark == Unmarked:
		return fmt.Errorf("cpni: register: %s: value: want closed, shape or text", e.Name)
	case (mark == Shaped) != (e.Pattern != ""):
		return fmt.Errorf("cpni: register: %s: pattern: want one for a shape, none otherwise", e.Name)
	case (mark == Closed) != ((len(e.Words) > 0) != (e.List != "")):
		return fmt.Errorf("cpni: register: %s: words, list: want one of them for a closed value, none otherwise", e.Name)
	case mark != Text:
		return nil
	}
	for _, t := range e.Transforms {
		if keeping[t] {
			return fmt.Errorf("cpni: register: %s: %s of text", e.Name, t)
		}
	}
	return nil
}

// String returns the name of f, which is its JSON key and its column.
func (f Field) String() string { return theRegister.Field[f].Name }

// In reports whether records of kind k have f; a Field foreign to a kind is absent from its excerpts.
func (f Field) In(k Kind) bool {
	has := k.row().has
	return int(f) < len(has) && has[f]
}

// Extracted reports whether this version reads f. One that it does not read is unknown in every Record.
func (f Field) Extracted() bool { return extractors[f].read != nil }

// Remembered reports whether f is how a call went: when, how long, how often, with which end. The Tracker of a restored
// call has it, and goes on with it. Every other Field is read of texts and addresses, or of other calls, that are gone
// then.
func (f Field) Remembered() bool { return remembered[f] }

// Purposes returns the names that a purpose may have.
func Purposes() []string { return theRegister.Purposes }

// PurposeOf returns the row of a purpose.
func PurposeOf(name string) PurposeRow { return theRegister.Purpose[name] }

// ClassOf returns the row of a class.
func ClassOf(name string) (Class, bool) {
	c, ok := theRegister.Class[name]
	return c, ok
}

// TransformOf returns the row of a transform.
func TransformOf(name string) (Transform, bool) {
	t, ok := theRegister.Transform[name]
	return t, ok
}
