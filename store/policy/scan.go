package policy

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// A scan steps over one value of JSON that syntax.Valid has found valid.
type scan struct{ rest []byte }

// enter steps over the beginning of an object, and reports whether there is one.
func (s *scan) enter() bool {
	s.space()
	if len(s.rest) == 0 || s.rest[0] != '{' {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// member steps over the next key of the object and its value, and reports false at the end of the object. A key is part
// of the text if it is written plainly.
func (s *scan) member() (key, value []byte, more bool) {
	s.space()
	if s.rest[0] == ',' {
		s.rest = s.rest[1:]
		s.space()
	}
	if s.rest[0] == '}' {
		return nil, nil, false
	}
	key = plain(s.value())
	s.space()
	s.rest = s.rest[1:] // the colon
	s.space()
	return key, s.value(), true
}

func (s *scan) space() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\t' || s.rest[0] == '\n' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
}

// value steps over one value, at which s stands, and returns it.
func (s *scan) value() []byte {
	end := 0
	switch s.rest[0] {
	case '"':
		end = endOfString(s.rest, 0)
	case '{', '[':
		end = endOfComposite(s.rest)
	default:
		for end < len(s.rest) && s.rest[end] > ' ' && s.rest[end] != ',' && s.rest[end] != '}' && s.rest[end] != ']' {
			end++
		}
	}
	value := s.rest[:end]
	s.rest = s.rest[end:]
	return value
}

// endOfString returns the index behind the string that begins at i.
func endOfString(text []byte, i int) int {
	for i++; ; {
		n := bytes.IndexByte(text[i:], '"')
		escape := bytes.IndexByte(text[i:i+n], '\\')
		if escape < 0 {
			return i + n + 1
		}
		i += escape + 2 // behind what is escaped, which may be the quote
	}
}

// endOfComposite returns the index behind the object or array that text begins with.
func endOfComposite(text []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch text[i] {
		case '"':
			i = endOfString(text, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// plain returns the text of a string.
func plain(value []byte) []byte {
	for _, c := range value {
		if c == '\\' || c >= utf8.RuneSelf {
			var text string
			_ = json.Unmarshal(value, &text)
			return []byte(text)
		}
	}
	return value[1 : len(value)-1]
}

// readText sets text to a value, and reports whether that is a string.
func readText(value []byte, text *string) bool {
	if value[0] != '"' {
		return false
	}
	*text = string(plain(value))
	return true
}

// readInt sets n to a value, and reports whether that is an integer of its size.
func readInt(value []byte, n *int) (ok bool) {
	i, err := strconv.ParseInt(string(value), 10, strconv.IntSize)
	if err == nil {
		*n = int(i)
	}
	return err == nil
}
