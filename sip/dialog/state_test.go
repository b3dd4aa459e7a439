package dialog

import (
	"reflect"
	"strings"
	"testing"

	"sipsieve/sip/event"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// unsaved are the fields of a Dialog that its State omits, with the reason.
var unsaved = map[string]string{
	"Text":       "replaced by the fields that the checkpoint has minimised already",
	"Root":       "a number of this Tracker",
	"Next":       "a number of this Tracker",
	"Path":       "numbers of this Tracker; their values are saved, the prints of messages in part",
	"Guesses":    "a number of this Tracker; its value is saved",
	"Regathered": "of this Tracker's Changed",
	"Restored":   "set by Restore",
}

// unsavedOfAHop are the fields of a View that a State omits, with the reason.
var unsavedOfAHop = map[string]string{
	"Next":          "a number of this Tracker",
	"more":          "a number of this Tracker; its value is saved",
	"Tagless":       "a number of this Tracker; its value is saved",
	"First.Ends":    "a number of this Tracker; its value is saved",
	"Final.Acked":   "without it a record says that the ACK is missing",
	"Hop.VLAN":      "used for a record's flow only, whose fields the checkpoint has",
	"Hop.transport": "used for a record's flow only, whose fields the checkpoint has",
	"Hop.Link":      "used for a record's flow only, whose fields the checkpoint has",
	"Hop.Point":     "used for a record's flow only, whose fields the checkpoint has",
	"Hop.V4":        "used for a record's flow only, whose fields the checkpoint has",
	"Hop.Hidden":    "a saved hop is hidden in full",
}

// fill sets every field of v to another small value, from *n on, and bools to true.
func fill(v reflect.Value, n *uint64) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(access(v.Field(i)), n)
		}
	case reflect.Array, reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		*n++
		v.SetInt(int64(*n))
	default:
		*n++
		v.SetUint(*n % 251)
	}
}

// access returns v, a field that is not exported, so that it can be set.
func access(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
}

// field returns the field of v that has the name, whatever its case.
func field(v reflect.Value, name string) reflect.Value {
	return access(v.FieldByNameFunc(func(have string) bool { return strings.EqualFold(have, name) }))
}

// differing returns the paths of the fields in which a and b differ.
func differing(path string, a, b reflect.Value) (paths []string) {
	if a.Kind() == reflect.Struct {
		for i := range a.NumField() {
			name := strings.TrimPrefix(path+"."+a.Type().Field(i).Name, ".")
			paths = append(paths, differing(name, access(a.Field(i)), access(b.Field(i)))...)
		}
		return paths
	}
	if !reflect.DeepEqual(a.Interface(), b.Interface()) {
		paths = append(paths, path)
	}
	return paths
}

// savedHop makes the saved view h, which is filled, one that a hop may have.
func savedHop(h reflect.Value) {
	others, ends := field(h, "more"), field(h, "ends")
	tags, forks := field(others, "tags"), field(others, "forks")
	field(h, "forks").SetUint(200)
	field(others, "n").SetInt(int64(tags.Len()))
	side := func(ends reflect.Value, sides ...event.Party) {
		for i, s := range sides {
			field(ends.Index(i), "side").SetUint(uint64(s))
		}
	}
	for i := range ends.Len() {
		side(ends.Index(i), event.Callee, event.Caller)
	}
	side(field(h, "untagged"), event.Network, event.Callee)
	for i := range forks.Len() {
		field(forks.Index(i), "ends").SetUint(0) // saved by what it stands for
	}
	tags.Index(0).Set(field(field(h, "first"), "tag"))
}

func TestEveryFieldOfADialogIsSavedOrNamed(t *testing.T) {
	var n uint64
	var in State
	views, prints := field(reflect.ValueOf(&in.Hops).Elem(), "views"), field(reflect.ValueOf(&in.Hops).Elem(), "prints")
	views.Set(reflect.MakeSlice(views.Type(), 2, 2))
	prints.Set(reflect.MakeSlice(prints.Type(), 5, 5))
	fill(reflect.ValueOf(&in).Elem(), &n)
	in.NBranches, in.Class = branches, 5
	in.Phase, in.EndCause, in.EndSource = Confirmed, event.EndTransfer, event.SessionTimer
	in.Transfer, in.Offered = event.Blind, event.Attended
	for _, e := range []*hops.Ending{&in.AcceptedBye, &in.OtherBye, &in.EarlyBye} {
		e.Side = event.Callee
	}
	for i := range views.Len() {
		savedHop(views.Index(i))
	}
	c := mem.Coder{}
	in.Code(&c)
	out, err := ReadState(c.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	checkLeftOut(t, unsaved, differing("", reflect.ValueOf(&in.Dialog).Elem(), reflect.ValueOf(&out.Dialog).Elem()))
	read := reflect.ValueOf(&out.Hops).Elem()
	for i := range views.Len() {
		a, b := views.Index(i), field(read, "views").Index(i)
		checkLeftOut(t, unsavedOfAHop, differing("", field(a, "view"), field(b, "view")))
		for _, name := range []string{"more", "ends", "untagged"} {
			if !reflect.DeepEqual(field(a, name).Interface(), field(b, name).Interface()) {
				t.Errorf("the forks of a hop are read back differently: %s", name)
			}
		}
	}
	if in.Requests != out.Requests || !reflect.DeepEqual(prints.Interface(), field(read, "prints").Interface()) ||
		in.Class != out.Class || in.Due != out.Due || in.Interim != out.Interim || !out.Head {
		t.Error("what stands beside the dialog is read back differently")
	}
}

// checkLeftOut checks that the fields that were read back differently are those that are named.
func checkLeftOut(t *testing.T, named map[string]string, otherwise []string) {
	t.Helper()
	left := map[string]bool{}
	for _, path := range otherwise {
		top, _, _ := strings.Cut(path, ".")
		if left[path], left[top] = true, true; named[path] == "" && named[top] == "" {
			t.Errorf("%s: read back differently, and not named", path)
		}
	}
	for path := range named {
		if !left[path] {
			t.Errorf("%s: named as left out, and saved", path)
		}
	}
}
