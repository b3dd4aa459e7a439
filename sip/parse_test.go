package sip

import (
	"errors"
	"strings"
	"testing"
)

func TestAddressesAreReadBySipgo(t *testing.T) {
	for value, want := range map[string]Address{
		`"Alice \"A\" <x>" <sip:+13035550100@192.0.2.1:5070;user=phone>;tag=1`: {"sip", "+13035550100", "192.0.2.1", 5070, true},
		`<sips:bob@[2001:db8::1]>`:                     {"sips", "bob", "[2001:db8::1]", 0, false},
		`sip:carol@example.net;tag=7`:                  {"sip", "carol", "example.net", 0, false},
		`<tel:+1-303-555-0100;phone-context=+1>;tag=9`: {"tel", "+1-303-555-0100;phone-context=+1", "", 0, false},
	} {
		got, err := ParseAddress([]byte(value))
		if err != nil || got != want {
			t.Errorf("got = %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestWhatCannotBeReadIsOpaqueAndNotQuoted(t *testing.T) {
	for _, value := range []string{"", "<", "sip", "<sip:" + strings.Repeat("x", maxAddress) + "@h>",
		"<sip:canary@h" + strings.Repeat(";p=1", maxParams+1) + ">"} {
		_, err := ParseAddress([]byte(value))
		if !errors.Is(err, errOpaque) || strings.Contains(err.Error(), "canary") {
			t.Errorf("err = %v, want errOpaque alone", err)
		}
		_, err = ParseURI([]byte(value))
		if !errors.Is(err, errOpaque) {
			t.Errorf("err = %v, want errOpaque alone", err)
		}
	}
}

func BenchmarkDearestAddress(b *testing.B) {
	var v strings.Builder
	v.WriteString("<sip:a@h")
	for i := range maxParams {
		v.WriteString(";p" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + "=1")
	}
	value := []byte(v.String() + ">")
	for b.Loop() {
		_, _ = ParseAddress(value)
	}
}

func BenchmarkParameterBomb(b *testing.B) {
	value := []byte("<sip:a@h" + strings.Repeat(";p=1", 13_000) + ">")
	for b.Loop() {
		_, _ = ParseAddress(value)
	}
}
