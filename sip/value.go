package sip

import (
	"bytes"

	"sipsieve/sip/syntax"
)

// paramSpan returns where the parameter of that name stands in value; the zero Span without one.
func paramSpan(h Header, b []byte, value syntax.Range, name string) Span {
	r, ok := syntax.ParamRange(b[value.From:value.To], name)
	if !ok {
		return Span{}
	}
	return Span{Header: h, Off: uint16(value.From + r.From), Len: uint16(r.To - r.From)}
}

// sentBy returns where the sent-by of the Via value stands: after the second slash's word and white space, before
// the parameters (RFC 3261 section 20.42).
func sentBy(b []byte, value syntax.Range) Span {
	v := b[value.From:value.To]
	i := bytes.IndexByte(v, '/')
	j := bytes.IndexByte(v[i+1:], '/')
	if i < 0 || j < 0 {
		return Span{}
	}
	i += j + 2
	for i < len(v) && syntax.IsBlank(v[i]) {
		i++
	}
	for i < len(v) && !syntax.IsBlank(v[i]) {
		i++
	}
	end := len(v)
	if n := bytes.IndexByte(v[i:], ';'); n >= 0 {
		end = i + n
	}
	s := syntax.Trim(v, syntax.Range{From: i, To: end})
	return Span{Header: Via, Off: uint16(value.From + s.From), Len: uint16(s.To - s.From)}
}

// allowed are the parameters of credentials and challenges that may be looked at. Nothing that proves knowledge of
// a secret is among them.
var allowed = map[Header][]string{
	Authorization:      {"username", "realm", "algorithm"},
	ProxyAuthorization: {"username", "realm", "algorithm"},
	WWWAuthenticate:    {"realm", "stale", "algorithm"},
	ProxyAuthenticate:  {"realm", "stale", "algorithm"},
}

// mayKeep reports whether assignment is that of an allowed parameter and of nothing else: a quote or comma that is
// missing must not take the next parameter along.
func mayKeep(h Header, assignment []byte) bool {
	name, value, ok := bytes.Cut(assignment, []byte{'='})
	name, value = bytes.TrimSpace(name), bytes.TrimSpace(value)
	for _, a := range allowed[h] {
		if ok && syntax.EqualFold(a, name) {
			return isAlone(value)
		}
	}
	return false
}

// isAlone reports whether v is one quoted string, or one word without anything that stands between parameters.
func isAlone(v []byte) bool {
	if len(v) == 0 || v[0] != '"' {
		return !bytes.ContainsAny(v, "\",;= \t\r\n")
	}
	return syntax.QuotedLength(v) == len(v)
}

// sameCSeq reports whether the CSeqs a and b have one number and one method.
func sameCSeq(a, b []byte) bool {
	n, i := leadingDigits(a)
	k, j := leadingDigits(b)
	return i > 0 && j > 0 && bytes.Equal(n, k) && bytes.Equal(bytes.TrimSpace(a[i:]), bytes.TrimSpace(b[j:]))
}

// leadingDigits returns the digits that v begins with, without zeros in front, and how many bytes they take.
func leadingDigits(v []byte) (digits []byte, n int) {
	for n < len(v) && '0' <= v[n] && v[n] <= '9' {
		n++
	}
	return bytes.TrimLeft(v[:n], "0"), n
}

// sameSpaced reports whether a and b are equal where one or more blanks are as good as one space.
func sameSpaced(a, b []byte) bool {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case syntax.IsBlank(a[0]) && syntax.IsBlank(b[0]):
			a, b = pastBlanks(a), pastBlanks(b)
		case a[0] != b[0]:
			return false
		default:
			a, b = a[1:], b[1:]
		}
	}
	return len(a) == len(b)
}

func pastBlanks(v []byte) []byte {
	for len(v) > 0 && syntax.IsBlank(v[0]) {
		v = v[1:]
	}
	return v
}
