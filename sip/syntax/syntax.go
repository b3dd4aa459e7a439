// Package syntax reads the pieces that SIP is written in (RFC 3261 sections 7 and 25): words, lines, start lines,
// parameters and URIs.
//
// # Memory
//
// Nothing here allocates or copies: what a function returns is a part of the text that it was given, folded lines and
// escapes as they stand.
//
// # Case
//
// Words are compared without case in ASCII only, as RFC 3261 section 7.3.1 has it: the letters that Unicode folds into
// ASCII ones are none of SIP's.
//
// # Limits
//
// No function is slower than linear in its text, whatever stands in it: all of it may come from an attacker.
package syntax

import (
	"bytes"
	"net/netip"
)

// A Range is a part of a text: text[From:To].
type Range struct{ From, To int }

// Trim returns r without the white space and line breaks around it.
func Trim(text []byte, r Range) Range {
	for r.From < r.To && IsBlank(text[r.From]) {
		r.From++
	}
	for r.To > r.From && IsBlank(text[r.To-1]) {
		r.To--
	}
	return r
}

// IsBlank reports whether c is white space or a part of a line break.
func IsBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// IsDigit reports whether c is a decimal digit.
func IsDigit(c byte) bool { return '0' <= c && c <= '9' }

// IsLetter reports whether c is an ASCII letter.
func IsLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// Lower returns c, an upper case ASCII letter as a lower case one.
func Lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// HexDigit returns the value of c, 255 for what is no hexadecimal digit.
func HexDigit(c byte) byte {
	switch c = Lower(c); {
	case IsDigit(c):
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// EqualFold reports whether text is word, whatever its case.
func EqualFold(word string, text []byte) bool {
	return len(word) == len(text) && HasPrefixFold(text, word)
}

// HasPrefixFold reports whether text begins with prefix, whatever its case.
func HasPrefixFold(text []byte, prefix string) bool {
	if len(text) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if Lower(prefix[i]) != Lower(text[i]) {
			return false
		}
	}
	return true
}

// Decimal returns the number that text is. It is not ok for an empty text, for anything but digits, and for a number
// above limit.
func Decimal(text []byte, limit int) (n int, ok bool) {
	for _, c := range text {
		n = n*10 + int(c-'0')
		if !IsDigit(c) || n > limit {
			return 0, false
		}
	}
	return n, len(text) > 0
}

// AllDigits reports whether text has digits and nothing else.
func AllDigits[T string | []byte](text T) bool {
	for i := range len(text) {
		if !IsDigit(text[i]) {
			return false
		}
	}
	return len(text) > 0
}

// IsToken reports whether text is a token (RFC 3261 section 25.1), such as a method or the name of a header.
func IsToken(text []byte) bool {
	for _, c := range text {
		if !tokenBytes[c] {
			return false
		}
	}
	return len(text) > 0
}

var tokenBytes = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~") {
		set[c] = true
	}
	return set
}()

// IPv4 returns the address that text is in dotted decimal form; zeros may stand before each number. It is not valid for
// any other text.
func IPv4(text []byte) netip.Addr {
	var quad [4]byte
	for i := range quad {
		part, rest, more := bytes.Cut(text, []byte{'.'})
		n, ok := Decimal(part, 255)
		if !ok || more != (i < len(quad)-1) {
			return netip.Addr{}
		}
		quad[i], text = byte(n), rest
	}
	return netip.AddrFrom4(quad)
}

// IsUUID reports whether s has the form of RFC 9562 section 4, in lower case.
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c, dash := s[i], i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
