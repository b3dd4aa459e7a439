package cpni

import (
	"slices"
	"testing"

	"sipsieve/sip/track"
)

func TestAnEventOfNoKindMakesNoRecord(t *testing.T) {
	x := NewReader("US")
	for _, ev := range []*track.Event{{}, {Kind: track.LinkKind}, {Kind: track.SightingKind, Registration: new(track.Registration)},
		{Kind: 250, Call: new(track.Call)}, {Kind: track.CallKind}, {Kind: track.RegistrationKind}, {Kind: track.DeviceKind}} {
		if r, ok := x.Record(ev); ok {
			t.Errorf("event of kind %d: a record of kind %s", ev.Kind, r.Kind())
		}
	}
}

func TestEveryKindWithFieldsHasASourceAndASchema(t *testing.T) {
	read := map[Kind]bool{}
	for _, ev := range []*track.Event{{Kind: track.CallKind, Call: new(track.Call)},
		{Kind: track.RegistrationKind, Registration: new(track.Registration)}, {Kind: track.DeviceKind, Device: new(track.Device)}} {
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
