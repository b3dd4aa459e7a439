package scrub

import (
	"bytes"
	"net/netip"

	"sipsieve/sip/syntax"
)

// words scrubs texts word by word: addresses, and units between punctuation, which stays.
type words struct{ *disguise }

// stretch scrubs a text without structure.
func (w words) stretch(out, in []byte, k kept) {
	for i := 0; i < len(in); {
		i = w.step(out, in, i, k)
	}
}

// step scrubs what begins at in[i], an address, a unit or one byte, and returns where the next begins.
func (w words) step(out, in []byte, i int, k kept) int {
	switch c := in[i]; {
	case c == '%' && i+2 < len(in) && syntax.HexDigit(in[i+1]) < 16 && syntax.HexDigit(in[i+2]) < 16:
		copy(out[i:], escaped(in[i:i+3]))
		return i + 3
	case isUnit(c) || c == ':':
		if j := longAddress(in, i); j > 0 {
			w.longAddress(out[i:j], in[i:j])
			return j
		}
		if c == ':' {
			out[i] = c
			return i + 1
		}
		j := i
		for j < len(in) && isUnit(in[j]) {
			j++
		}
		w.unit(out[i:j], in[i:j], k)
		return j
	case c < ' ' && c != '\t' && c != '\r' && c != '\n' || c == 0x7f:
		out[i] = 'x'
	default:
		out[i] = c
	}
	return i + 1
}

// isUnit reports whether c is a byte of a unit, which gets one disguise as a whole.
func isUnit(c byte) bool {
	return syntax.IsLetter(c) || syntax.IsDigit(c) || c == '-' || c == '.' || c == '_' || c == '~' || c >= 0x80
}

// escaped returns the escape e; that of an x instead if it stands for a letter, a digit or a byte that is not ASCII.
func escaped(e []byte) []byte {
	c := syntax.HexDigit(e[1])<<4 | syntax.HexDigit(e[2])
	if syntax.IsLetter(c) || syntax.IsDigit(c) || c >= 0x80 {
		return []byte("%78")
	}
	return e
}

// longAddress returns where the IPv6 or link-layer address that begins at in[i] ends, 0 if none does.
func longAddress(in []byte, i int) int {
	if i > 0 && (isUnit(in[i-1]) || in[i-1] == ':') {
		return 0
	}
	j, colons := i, 0
	for ; j < len(in) && (in[j] == ':' || in[j] == '.' || syntax.HexDigit(in[j]) < 16); j++ {
		if in[j] == ':' {
			colons++
		}
	}
	if colons < 2 || j < len(in) && isUnit(in[j]) {
		return 0
	}
	if _, err := netip.ParseAddr(string(in[i:j])); err == nil || isLink(in[i:j]) {
		return j
	}
	return 0
}

// isLink reports whether in is a link-layer address, six pairs of hexadecimal digits.
func isLink(in []byte) bool {
	for i, c := range in {
		if (i%3 == 2) != (c == ':') || i%3 != 2 && syntax.HexDigit(c) > 15 {
			return false
		}
	}
	return len(in) == 17
}

// longAddress puts the disguise of an IPv6 or link-layer address into out, group by group.
func (w words) longAddress(out, in []byte) {
	if isLink(in) {
		var v [6]byte
		for i := range v {
			v[i] = syntax.HexDigit(in[3*i])<<4 | syntax.HexDigit(in[3*i+1])
		}
		for i, c := range w.link(v) {
			hexadecimal(out[3*i:3*i+2], in[3*i:3*i+2], int(c))
		}
		for i := 2; i < len(in); i += 3 {
			out[i] = ':'
		}
		return
	}
	if bytes.IndexByte(in, '.') >= 0 { // ends in four octets, which may be an address of their own
		copy(out, in)
		last := bytes.LastIndexByte(in, ':') + 1
		w.unit(out[last:], in[last:], nothing)
		return
	}
	a, _ := netip.ParseAddr(string(in))
	b := w.address(a).As16()
	parts := bytes.Split(in, []byte(":"))
	begin, group := 0, 0
	for i, p := range parts {
		if len(p) > 0 {
			hexadecimal(out[begin:begin+len(p)], p, int(b[2*group])<<8|int(b[2*group+1]))
		}
		switch {
		case len(p) > 0:
			group++
		case i > 0 && i < len(parts)-1: // the groups that :: leaves out
			group += 8 - filled(parts)
		}
		if begin += len(p); begin < len(in) {
			out[begin] = ':'
			begin++
		}
	}
}

// filled counts the parts that are not empty.
func filled(parts [][]byte) (n int) {
	for _, p := range parts {
		if len(p) > 0 {
			n++
		}
	}
	return n
}

// hexadecimal writes n with as many digits as in has, in its case.
func hexadecimal(out, in []byte, n int) {
	small := bytes.Equal(in, lower(in))
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = "0123456789abcdef"[n&15]
		if !small && syntax.IsLetter(out[i]) {
			out[i] -= 'a' - 'A'
		}
		n >>= 4
	}
}

// cookie begins every branch of RFC 3261 (section 8.1.1.7).
var cookie = []byte("z9hG4bK")

// unit scrubs one unit.
func (w words) unit(out, in []byte, k kept) {
	word := string(lower(in))
	a, err := netip.ParseAddr(word)
	switch {
	case err == nil && a.Is4():
		copy(out, w.address(a).String())
	case meanings[word], word == "anonymous", word == "anonymous.invalid", k.words && vocabulary[word],
		k.numbers && isNumber(in):
		copy(out, in)
	case bytes.HasPrefix(in, cookie):
		copy(out, cookie)
		w.text(out[len(cookie):], in[len(cookie):])
	default:
		w.text(out, in)
	}
}

// isNumber reports whether in is a number that fits 32 bits, more or less, one with a fraction, or a range.
func isNumber(in []byte) bool {
	marks := 0
	for _, c := range in {
		if c == '.' || c == '-' {
			marks++
		} else if !syntax.IsDigit(c) {
			return false
		}
	}
	return len(in) <= 10 && marks <= 1
}
