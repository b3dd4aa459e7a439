package policy

import (
	"encoding/json"
	"slices"
	"testing"
)

// FuzzTextsAreThoseOfTheBody compares the scan of a body with a decoder.
func FuzzTextsAreThoseOfTheBody(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":"x","b":1,"c":null,"d":["b","\"b\":"],"b2":{"a":"no","b":["]"]},"e":"q\"\\"}`,
		" { \"a\" : \"x\" ,\n \"b\":\t-1.5e3 , \"e\" : true } ", `{"a":"\u0061\\","e":""}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var values map[string]json.RawMessage
		if json.Unmarshal(text, &values) != nil || values == nil {
			t.Skip()
		}
		keys := []string{"a", "b", "c", "d", "e"}
		want := make([]string, len(keys))
		for i, key := range keys {
			_ = json.Unmarshal(values[key], &want[i])
		}
		if got := (Excerpt{body: text}).Texts(keys...); !slices.Equal(got, want) {
			t.Errorf("texts of %s\ngot  %q\nwant %q", text, got, want)
		}
	})
}
