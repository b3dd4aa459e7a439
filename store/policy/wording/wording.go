// Package wording looks at the words of a policy: which one was meant, which may be repeated in an error, which has the
// form of a person's number or address.
package wording

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest returns a hint at the word of a closed set that word was probably meant to be, "" if none is near.
func Nearest(word string, words []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, w := range words {
		if d := levenshtein.ComputeDistance(strings.ToLower(word), w); d < least {
			best, least = w, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// Shown returns a word of a policy for an error: in quotes if it looks like a word of the language, else a mask. A key or
// a number that was put in the wrong place is not repeated in a log.
func Shown(word string) string {
	digits := 0
	for i := range len(word) {
		c := word[i]
		if c >= '0' && c <= '9' {
			digits++
		}
		if c != '_' && c != ':' && c != ',' && c != '.' && c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			digits = len(word)
		}
	}
	if word == "" || len(word) > 32 || digits > 4 {
		return "what is written"
	}
	return strconv.Quote(word)
}

// KeysOf returns the keys of the table that is decoded into v, a struct.
func KeysOf(v any) (keys []string) {
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("toml"))
	}
	return keys
}

// Personal reports whether a word has the form of a telephone number or of a mail or SIP address.
func Personal(word string) bool {
	digits := 0
	for _, c := range word {
		if c >= '0' && c <= '9' {
			digits++
		} else if !strings.ContainsRune("+-() /", c) {
			return strings.Contains(word, "@")
		}
	}
	return digits >= 7
}
