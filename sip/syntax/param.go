package syntax

import "bytes"

// Param returns the value of a parameter of a header's value: one that stands outside of <> and quotes (RFC 3261
// section 20: a URI's own parameters stand inside of <>). Quotes around it are left out, escapes stay. A parameter
// without a value is there and empty.
func Param(value []byte, name string) ([]byte, bool) {
	r, ok := ParamRange(value, name)
	return value[r.From:r.To], ok
}

// ParamRange returns where in value that stands which Param returns.
func ParamRange(value []byte, name string) (r Range, ok bool) {
	s := Scan(value)
	for i := s.Next(0, ';', ';'); i < len(value); {
		end := s.Next(i+1, ';', ',')
		if r, ok = assigned(value, Range{i + 1, end}, name); ok {
			return r, true
		}
		i = end
		if i < len(value) && value[i] == ',' {
			i = s.Next(i, ';', ';')
		}
	}
	return Range{}, false
}

// assigned returns where the right side of name=right stands in v, if that is what s holds.
func assigned(v []byte, s Range, name string) (right Range, ok bool) {
	s = Trim(v, s)
	equals := bytes.IndexByte(v[s.From:s.To], '=')
	left := s
	if equals >= 0 {
		left = Trim(v, Range{s.From, s.From + equals})
	}
	if !EqualFold(name, v[left.From:left.To]) {
		return Range{}, false
	}
	if equals < 0 {
		return Range{s.To, s.To}, true
	}
	right = Trim(v, Range{s.From + equals + 1, s.To})
	if right.To-right.From >= 2 && v[right.From] == '"' && v[right.To-1] == '"' {
		right = Range{right.From + 1, right.To - 1}
	}
	return right, true
}

// maxValues bounds the values of one header that Values passes on.
const maxValues = 16

// Values calls take with each of the comma-separated values of a header (RFC 3261 section 7.3.1), white space around
// it left out. It stops after 16 of them.
func Values(header []byte, take func(value []byte)) {
	s := Scan(header)
	for i, n := 0, 0; i < len(header) && n < maxValues; n++ {
		end := s.Next(i, ',', ',')
		if part := Trim(header, Range{i, end}); part.From < part.To {
			take(header[part.From:part.To])
		}
		i = end + 1
	}
}

// A Scanner finds the separators of a header's value: those outside of quoted strings and <>. A quote or < that is
// never closed is a byte as any other.
type Scanner struct {
	value            []byte
	noQuote, noAngle bool // no closing one follows: it is not looked for again, which would cost the square of the length
}

// Scan returns a Scanner of value.
func Scan(value []byte) Scanner { return Scanner{value: value} }

// Next returns the first place from i on where a or b stands as a separator, the length of the value without one.
func (s *Scanner) Next(i int, a, b byte) int {
	for i < len(s.value) {
		switch c := s.value[i]; {
		case c == a || c == b:
			return i
		case c == '"' && !s.noQuote:
			i = s.pastQuoted(i)
		case c == '<' && !s.noAngle:
			i = s.pastAngle(i)
		default:
			i++
		}
	}
	return len(s.value)
}

func (s *Scanner) pastQuoted(i int) int {
	if n := QuotedLength(s.value[i:]); n > 0 {
		return i + n
	}
	s.noQuote = true
	return i + 1
}

func (s *Scanner) pastAngle(i int) int {
	if n := bytes.IndexByte(s.value[i:], '>'); n >= 0 {
		return i + n + 1
	}
	s.noAngle = true
	return i + 1
}

// QuotedLength returns the length of the quoted string (RFC 3261 section 25.1) at the beginning of text, which is a
// quote, both quotes included; 0 if it is not closed.
func QuotedLength(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}
