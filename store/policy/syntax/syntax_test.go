package syntax

import (
	"encoding/json"
	"strings"
	"testing"
)

// samples are values, and texts that are nearly one.
var samples = []string{``, ` `, `{}`, `[]`, ` { } `, "\t[\r\n]", `{"a":1}`, `{"a":1,}`, `{"a":1,"b":[true,false,null]}`, `{"a" : "b" , "c":{}}`,
	`{"a"}`, `{"a":}`, `{a:1}`, `{,}`, `[,]`, `[1,]`, `[1 2]`, `[1}`, `{"a":1]`, `{} {}`, `[1] `, `tru`, `true`, `truee`, `nul`, `"`, `"a`, `"a"`,
	`"\`, `"\"`, `"\""`, `"\u12"`, `"\u12aF"`, `"\u12ag"`, `"\x"`, `"\/\b\f\n\r\t\\"`, "\"a\nb\"", "\"\x00\"", "\"\x1f\"", "\"\x20\x7f\x80\xff\"",
	`0`, `-0`, `-`, `01`, `-01`, `1.`, `1.5`, `.5`, `1e`, `1e5`, `1E+5`, `1e-`, `1.5e-30`, `+1`, `--1`, `1x`, `0x1`, `"12345678`, `"1234567"`,
	`"12345678"`, "\"1234567\x01890123456\"", `"aaaaaaa\u0041aaaaaaaaaaaaaaaa"`, `"a!"`, `"[\]"`, "\xef\xbb\xbf1", `[[[[[]]]]]`, `{"a":{"b":[{"c":[]}]}}`}

func TestValidIsThatOfEncodingJSON(t *testing.T) {
	t.Parallel()
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	for _, text := range append(samples, nested(9_999), nested(10_000), nested(10_001)) {
		if got, want := Valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("Valid(%.40q) = %v, want %v", text, got, want)
		}
	}
	for c := range 256 { // each byte at each place of eight, and behind it one that a carry could hide
		for n := range 16 {
			text := []byte(`"` + strings.Repeat("#", 16) + `"`)
			text[1+n] = byte(c)
			if got, want := Valid(text), json.Valid(text); got != want {
				t.Errorf("Valid(%q) = %v, want %v", text, got, want)
			}
		}
	}
}

func FuzzValid(f *testing.F) {
	for _, text := range samples {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, want := Valid(text), json.Valid(text); got != want {
			t.Errorf("Valid(%q) = %v, want %v", text, got, want)
		}
	})
}
