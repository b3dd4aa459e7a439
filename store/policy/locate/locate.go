// Package locate finds the lines of a TOML file's keys, and puts the decoder's errors into the words of all others: the
// decoder returns names without their lines.
package locate

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ErrNotRead is the cause when a TOML file could not be decoded: it has no other mistakes yet.
var ErrNotRead = errors.New("not read")

// decoderError is the text of the decoder's errors: line, key, cause.
var decoderError = regexp.MustCompile(`(?s)^toml: line (\d+)(?: \(last key "(.*?)"\))?: (.*)$`)

// wanted rewrites the decoder's errors of types in the words of all other errors.
var wanted = strings.NewReplacer("incompatible types: TOML value has type ", "have ", "; destination has type ", ", want ",
	"int64", "integer", "float64", "float", "[]interface {}", "array", "map[string]interface {}", "table", "slice", "array")

// Misread returns err, from decoding the TOML file of that name, with file, line and key. It wraps ErrNotRead.
func Misread(name string, err error) error {
	at := decoderError.FindStringSubmatch(err.Error())
	if at == nil {
		return fmt.Errorf("%s: %w: %w", name, ErrNotRead, err)
	}
	text := wanted.Replace(at[3])
	if at[2] != "" {
		text = at[2] + ": " + text
	}
	return fmt.Errorf("%s:%s: %s (%w further)", name, at[1], text, ErrNotRead)
}

// A Locator has the line of each key of a TOML file. The decoder returns names only.
type Locator struct{ lines map[string]int }

// Keys reads src. Keys are dotted and unquoted, such as purpose.billing.fields.call_id; the tables of an array
// have their number behind their name, such as source.0.path.
func Keys(src []byte) Locator {
	l := Locator{lines: map[string]int{}}
	var table string
	counts := map[string]int{}
	var skip skipper
	for i, line := range strings.Split(string(src), "\n") {
		text := strings.TrimSpace(line)
		if skip.inside {
			skip.line(line)
			continue
		}
		switch {
		case text == "" || text[0] == '#':
		case strings.HasPrefix(text, "[["):
			name := dotted(between(text, "[[", "]]"))
			table = name + "." + strconv.Itoa(counts[name])
			counts[name]++
			l.note(table, i)
			l.note(name, i)
		case text[0] == '[':
			table = dotted(between(text, "[", "]"))
			l.note(table, i)
		default:
			key, value, ok := cutKey(text)
			if !ok {
				continue
			}
			l.note(join(table, key), i)
			skip.line(value)
		}
	}
	return l
}

func (l Locator) note(key string, i int) {
	if _, known := l.lines[key]; !known {
		l.lines[key] = i + 1
	}
}

// Line returns the line of key, or of the nearest table around it; 1 when there is none.
func (l Locator) Line(key string) int {
	for {
		if n, ok := l.lines[key]; ok {
			return n
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return 1
		}
		key = key[:i]
	}
}

func join(table, key string) string {
	if table == "" {
		return key
	}
	return table + "." + key
}

func between(text, open, end string) string {
	text = strings.TrimPrefix(text, open)
	if i := strings.Index(text, end); i >= 0 {
		return text[:i]
	}
	return text
}

// dotted returns a key without its quotes and the spaces around its dots.
func dotted(key string) string {
	parts := strings.Split(key, ".")
	for i, p := range parts {
		parts[i] = strings.Trim(strings.TrimSpace(p), `"'`)
	}
	return strings.Join(parts, ".")
}

// cutKey cuts "key = value".
func cutKey(text string) (key, value string, ok bool) {
	quote := byte(0)
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '=':
			return dotted(text[:i]), text[i+1:], true
		}
	}
	return "", "", false
}

// A skipper follows a value that goes over several lines: an array, or a string in three quotes.
type skipper struct {
	inside bool
	depth  int
	quote  string // three quotes while in such a string
}

func (s *skipper) line(text string) {
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch {
		case s.quote != "":
			if strings.HasPrefix(rest, s.quote) {
				s.quote, i = "", i+2
			} else if rest[0] == '\\' && s.quote[0] == '"' {
				i++
			}
		case strings.HasPrefix(rest, `"""`), strings.HasPrefix(rest, `'''`):
			s.quote, i = rest[:3], i+2
		case rest[0] == '"' || rest[0] == '\'':
			i += stringEnd(rest)
		case rest[0] == '#':
			i = len(text)
		case rest[0] == '[' || rest[0] == '{':
			s.depth++
		case rest[0] == ']' || rest[0] == '}':
			s.depth--
		}
	}
	s.inside = s.depth > 0 || s.quote != ""
}

// stringEnd returns the offset of the quote that ends the string at the beginning of text, or of its last byte.
func stringEnd(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && text[0] == '"':
			i++
		case text[i] == text[0]:
			return i
		}
	}
	return len(text) - 1
}
