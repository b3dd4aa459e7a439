package sip

import (
	"bytes"

	"sipsieve/sip/syntax"
)

// repeats reports whether text is the value that b's message has of h, a header of one value. CSeq and Content-Length
// are compared as numbers, the others byte for byte, with white space and line breaks taken for one space.
func (r *Reader) repeats(h Header, b, text []byte) bool {
	var first []byte
	for _, s := range r.m.Spans[:r.m.N] {
		if s.Header == h {
			first = b[s.Off : int(s.Off)+int(s.Len)]
			break
		}
	}
	switch n := syntax.ContentLength(first); {
	case h == CSeq:
		return sameCSeq(first, text)
	case h == ContentLength && n >= 0:
		return n == syntax.ContentLength(text)
	}
	return sameSpaced(first, text)
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
