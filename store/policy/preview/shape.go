package preview

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// shapeOf returns what a published value looks like, without the value: words for what has a name, else a pattern in
// which 9 is a digit and a is a letter, with how many follow each other.
func shapeOf(published json.RawMessage, f *policy.Form, v *cpni.Value) string {
	switch published[0] {
	case 't', 'f':
		return "yes or no"
	case '[':
		var list []json.RawMessage
		_ = json.Unmarshal(published, &list) // it is of an excerpt, and so JSON
		return fmt.Sprintf("list of %d", len(list))
	case '"':
	default:
		return "number"
	}
	var text string
	_ = json.Unmarshal(published, &text)
	switch {
	case f.Action == policy.Pseudonym:
		return "pseudonym"
	case isTime(text):
		return "time"
	case v.Word() != "" || f.Action == policy.Category || f.Action == policy.Known || f.Action == policy.Family:
		return "word of a list"
	}
	return pattern(text)
}

func isTime(text string) bool {
	for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01"} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}

// pattern replaces runs of digits and of letters; of other characters it keeps + - . : / only.
func pattern(text string) string {
	var b strings.Builder
	last, run := rune(0), 0
	end := func() {
		switch {
		case run > 1:
			b.WriteString(string(last) + "{" + strconv.Itoa(run) + "}")
		case run == 1:
			b.WriteRune(last)
		}
	}
	for _, r := range text {
		switch {
		case unicode.IsDigit(r):
			r = '9'
		case unicode.IsLetter(r):
			r = 'a'
		case !strings.ContainsRune("+-.:/", r):
			r = '?'
		}
		if r != last {
			end()
			last, run = r, 0
		}
		run++
	}
	end()
	return b.String()
}

// shown writes a value as a person reads it.
func shown(kind string, v *cpni.Value) string {
	switch {
	case v.Word() != "":
		return v.Word()
	case len(v.Words()) > 0:
		return strings.Join(v.Words(), " ")
	case len(v.Texts()) > 0:
		all := make([]string, len(v.Texts()))
		for i, one := range v.Texts() {
			all[i] = cpni.Reveal(one)
		}
		return strings.Join(all, " ")
	case cpni.Reveal(v.Text()) != "":
		return cpni.Reveal(v.Text())
	case kind == "time":
		return time.UnixMicro(v.Number()).UTC().Format(time.RFC3339Nano)
	case kind == "bool":
		return strconv.FormatBool(v.Number() != 0)
	}
	return strconv.FormatInt(v.Number(), 10)
}
