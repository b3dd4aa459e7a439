package oracle

import (
	"embed"
	"fmt"
	"reflect"
	"strings"
	"time"
)

//go:embed stories/*.txt
var files embed.FS

// A Story is a call with an expectation from elsewhere: from a public report of the situation, or one that
// was settled when a tracker and the oracle differed.
type Story struct {
	Name string
	Call Call
	Want []string // for each record, in order: words Field=value for some fields of Record
}

// Stories returns all of them.
func Stories() (all []Story, err error) {
	entries, err := files.ReadDir("stories")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		text, err := files.ReadFile("stories/" + e.Name())
		if err != nil {
			return nil, err
		}
		s := Story{Name: strings.TrimSuffix(e.Name(), ".txt")}
		if s.Call, s.Want, err = Parse(string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// Differs returns one line for each field in which rs is not what s expects, "" without a difference.
func (s *Story) Differs(rs []Record) string {
	if len(rs) != len(s.Want) {
		return fmt.Sprintf("records: got %d, want %d", len(rs), len(s.Want))
	}
	var b strings.Builder
	for i := range rs {
		v := reflect.ValueOf(rs[i])
		for _, word := range strings.Fields(s.Want[i]) {
			name, want, _ := strings.Cut(word, "=")
			field := v.FieldByName(name)
			if !field.IsValid() {
				fmt.Fprintf(&b, "record %d %s: no such field\n", i, name)
			} else if got := show(field); got != want {
				fmt.Fprintf(&b, "record %d %s: got %s, want %s\n", i, name, got, want)
			}
		}
	}
	return b.String()
}

// show writes a field of a Record as stories do.
func show(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return seconds(x)
	case []string:
		return "[" + strings.Join(x, ",") + "]"
	}
	return fmt.Sprint(v.Interface())
}

// Difference returns one line for each field in which got is not as expected, "" without a difference.
func Difference(got, want []Record) string {
	if len(got) != len(want) {
		return fmt.Sprintf("records: got %d, want %d", len(got), len(want))
	}
	var b strings.Builder
	for i := range want {
		g, w := got[i], want[i]
		if g.Repeats >= w.Repeats && g.Repeats <= w.MostRepeats {
			g.Repeats, g.MostRepeats = w.Repeats, w.MostRepeats
		}
		if reflect.DeepEqual(g, w) {
			continue
		}
		gv, wv := reflect.ValueOf(g), reflect.ValueOf(w)
		for f := range gv.NumField() {
			if gs, ws := show(gv.Field(f)), show(wv.Field(f)); gs != ws {
				fmt.Fprintf(&b, "record %d %s: got %s, want %s\n", i, gv.Type().Field(f).Name, gs, ws)
			}
		}
	}
	return b.String()
}
