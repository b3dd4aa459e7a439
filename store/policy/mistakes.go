package policy

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"

	"sipsieve/store/policy/locate"
)

// mistakes are what is wrong with a file, each with its line.
type mistakes struct {
	file  string // as errors call it
	lines locate.Locator
	found []mistake
}

type mistake struct {
	line int
	text string
}

// add notes what is wrong at key.
func (m *mistakes) add(key, format string, args ...any) {
	m.found = append(m.found, mistake{m.lines.Line(key), key + ": " + fmt.Sprintf(format, args...)})
}

// nearest returns a hint at the word of a closed set that word was probably meant to be, "" if none is near.
func nearest(word string, words []string) string {
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

// shown returns a word of a policy for an error: in quotes if it looks like a word of the language, else a mask. A key or
// a number that was put in the wrong place is not repeated in a log.
func shown(word string) string {
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

// keysOf returns the keys of the table that is decoded into v, a struct.
func keysOf(v any) (keys []string) {
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("toml"))
	}
	return keys
}

// err returns all mistakes in the order of their lines, nil without one.
func (m *mistakes) err() error {
	slices.SortFunc(m.found, func(a, b mistake) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.text, b.text))
	})
	var errs []error
	for _, one := range m.found {
		errs = append(errs, fmt.Errorf("%s:%d: %s", m.file, one.line, one.text))
	}
	return errors.Join(errs...)
}
