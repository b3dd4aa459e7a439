package cpni

import (
	"slices"
	"testing"

	"sipsieve/sip/event"
)

func TestAnEventOfNoKindMakesNoRecord(t *testing.T) {
	x := NewReader("US")
	for _, ev := range []*event.Event{{}, {Kind: event.LinkKind}, {Kind: event.SightingKind, Registration: new(event.Registration)},
		{Kind: 250, Call: new(event.Call)}, {Kind: event.CallKind}, {Kind: event.RegistrationKind}, {Kind: event.DeviceKind}} {
		if r, ok := x.Record(ev); ok {
			t.Errorf("event of kind %d: a record of kind %s", ev.Kind, r.Kind())
		}
	}
}

func TestEveryKindWithFieldsHasASourceAndASchema(t *testing.T) {
	read := map[Kind]bool{}
	for _, ev := range []*event.Event{{Kind: event.CallKind, Call: new(event.Call)},
		{Kind: event.RegistrationKind, Registration: new(event.Registration)}, {Kind: event.DeviceKind, Device: new(event.Device)}} {
		if r, ok := NewReader("US").Record(ev); ok {
			read[r.Kind()] = true
		}
	}
	if len(read) != len(sources) {
		t.Errorf("kinds read = %d, want one for each of %d sources", len(read), len(sources))
	}
	for _, k := range Kinds() {
		fields := slices.Contains(FieldKinds(), k.String())
		if fields != read[k] || fields && (k.Schema() == "" || len(k.Times()) == 0) {
			t.Errorf("%s: has fields %t, is read %t, schema %q, times %v", k, fields, read[k], k.Schema(), k.Times())
		}
	}
	if k, ok := KindOf("fax"); ok || k != 0 || k.String() != "" || k.Schema() != "" || Field(0).In(k) {
		t.Errorf("a kind that the register has not: %d %t", k, ok)
	}
}
