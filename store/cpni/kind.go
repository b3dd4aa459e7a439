package cpni

import (
	"fmt"
	"slices"
)

// A Kind is a kind of record: one row of the register's table of kinds. The zero Kind is that of no record.
type Kind uint8

// Kinds that code names. Everything else that is known of a Kind stands in its row.
var (
	CallKind         = mustKind("call")
	RegistrationKind = mustKind("registration")
	DeviceKind       = mustKind("device")
	AggregateKind    = mustKind("aggregate") // noisy counts: no event makes a Record of it
	LossKind         = mustKind("loss")
)

// A kindRow is a row of the table as the register has it.
type kindRow struct {
	Name    string   `toml:"name"`
	Schema  string   `toml:"schema"` // with the major version
	Times   []string `toml:"times"`  // keys: that from which retention counts, then what a query reads without it
	Fields  []string `toml:"fields"` // those of its records, or
	Without []string `toml:"without"`
	Always  bool     `toml:"always"` // every purpose gets it, no policy names it

	has []bool // by Field
}

// check finds the Fields of k among the names of the register.
func (k *kindRow) check(names map[string]Field) error {
	k.has = make([]bool, len(names))
	for _, name := range slices.Concat(k.Fields, k.Without) {
		if _, ok := names[name]; !ok {
			return fmt.Errorf("cpni: register: kind %s: unknown field %s", k.Name, name)
		}
	}
	if k.Fields != nil && k.Without != nil {
		return fmt.Errorf("cpni: register: kind %s: want fields or without, not both", k.Name)
	}
	for name, f := range names {
		k.has[f] = slices.Contains(k.Fields, name) || k.Without != nil && !slices.Contains(k.Without, name)
	}
	return nil
}

// KindOf returns the Kind of that name.
func KindOf(name string) (Kind, bool) {
	i := slices.IndexFunc(theRegister.Kind, func(k kindRow) bool { return k.Name == name })
	return Kind(i + 1), i >= 0
}

func mustKind(name string) Kind {
	k, ok := KindOf(name)
	if !ok {
		panic("cpni: the register has no kind " + name)
	}
	return k
}

// Kinds returns all Kinds in the register's order.
func Kinds() (all []Kind) {
	for i := range theRegister.Kind {
		all = append(all, Kind(i+1))
	}
	return all
}

// PolicyKinds returns the names of the Kinds that a policy may name.
func PolicyKinds() (names []string) {
	for _, k := range theRegister.Kind {
		if !k.Always {
			names = append(names, k.Name)
		}
	}
	return names
}

// FieldKinds returns the names of the Kinds whose records have Fields of the register.
func FieldKinds() (names []string) {
	for _, k := range theRegister.Kind {
		if slices.Contains(k.has, true) {
			names = append(names, k.Name)
		}
	}
	return names
}

// row returns the row of k, an empty one for the zero Kind.
func (k Kind) row() *kindRow {
	if k == 0 || int(k) > len(theRegister.Kind) {
		return &kindRow{}
	}
	return &theRegister.Kind[k-1]
}

// String returns the name of k: the key kind of an excerpt.
func (k Kind) String() string { return k.row().Name }

// Schema returns the name of k's schema, such as sipsieve.call/1; "" if no record of k is made.
func (k Kind) Schema() string { return k.row().Schema }

// Times returns the keys of k's times: first that from which retention counts, then those that a query reads if it
// is null.
func (k Kind) Times() []string { return k.row().Times }
