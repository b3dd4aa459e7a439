package sip

import "bytes"

// ParamOf returns the value of a parameter of a header's value: one that stands outside of <> and quotes (RFC 3261
// section 20: a URI's own parameters stand inside of <>). Quotes around it are taken off, escapes stay. A parameter
// without a value is there and empty.
func ParamOf(value []byte, name string) ([]byte, bool) {
	from, to, ok := param(value, name)
	return value[from:to], ok
}

// param is ParamOf by position.
func param(value []byte, name string) (from, to int, ok bool) {
	s := outside{v: value}
	for i := s.next(0, ';', ';'); i < len(value); {
		end := s.next(i+1, ';', ',')
		if from, to, ok = assigned(value, span{i + 1, end}, name); ok {
			return from, to, true
		}
		i = end
		if i < len(value) && value[i] == ',' {
			i = s.next(i, ';', ';')
		}
	}
	return 0, 0, false
}

type span struct{ from, to int }

// assigned returns where the right side of name=right stands in v, if that is what s holds.
func assigned(v []byte, s span, name string) (from, to int, ok bool) {
	s = trim(v, s)
	eq := bytes.IndexByte(v[s.from:s.to], '=')
	left := s
	if eq >= 0 {
		left = trim(v, span{s.from, s.from + eq})
	}
	if !sameWord(name, v[left.from:left.to]) {
		return 0, 0, false
	}
	if eq < 0 {
		return s.to, s.to, true
	}
	right := trim(v, span{s.from + eq + 1, s.to})
	if n := right.to - right.from; n >= 2 && v[right.from] == '"' && v[right.to-1] == '"' {
		right = span{right.from + 1, right.to - 1}
	}
	return right.from, right.to, true
}

// trim leaves out white space and line breaks around s.
func trim(v []byte, s span) span {
	for s.from < s.to && blank(v[s.from]) {
		s.from++
	}
	for s.to > s.from && blank(v[s.to-1]) {
		s.to--
	}
	return s
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// outside finds bytes of v that stand outside of quotes and <>. A quote or < that is never closed is a letter as
// any other; that there is none any more is remembered, so that a value full of them costs no square.
type outside struct {
	v                []byte
	noQuote, noAngle bool
}

// next returns the first place from i on where a or b stands, len(v) without one.
func (s *outside) next(i int, a, b byte) int {
	for i < len(s.v) {
		switch c := s.v[i]; {
		case c == a || c == b:
			return i
		case c == '"' && !s.noQuote:
			i = s.quoted(i)
		case c == '<' && !s.noAngle:
			i = s.angled(i)
		default:
			i++
		}
	}
	return len(s.v)
}

func (s *outside) quoted(i int) int {
	for j := i + 1; j < len(s.v); j++ {
		switch s.v[j] {
		case '\\':
			j++
		case '"':
			return j + 1
		}
	}
	s.noQuote = true
	return i + 1
}

func (s *outside) angled(i int) int {
	if j := bytes.IndexByte(s.v[i:], '>'); j >= 0 {
		return i + j + 1
	}
	s.noAngle = true
	return i + 1
}

// Addresses calls take with each of the comma-separated values of a header, white space around it left out, and
// stops after the most that the header may have (RFC 3261 section 7.3.1; no more than 16).
func Addresses(value []byte, take func([]byte)) {
	s := outside{v: value}
	for i, n := 0, 0; i < len(value) && n < maxValues; n++ {
		end := s.next(i, ',', ',')
		if part := trim(value, span{i, end}); part.from < part.to {
			take(value[part.from:part.to])
		}
		i = end + 1
	}
}

// maxValues bounds the values of one header that are looked at.
const maxValues = 16
