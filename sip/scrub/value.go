package scrub

import (
	"bytes"
	"net/netip"
)

// stretch scrubs a text without structure.
func (d *disguise) stretch(out, in []byte, l language) {
	for i := 0; i < len(in); {
		i = d.step(out, in, i, l)
	}
}

// step scrubs what begins at in[i], an address, a unit or one byte, and returns where the next begins.
func (d *disguise) step(out, in []byte, i int, l language) int {
	switch c := in[i]; {
	case c == '%' && i+2 < len(in) && isHexDigit(in[i+1]) && isHexDigit(in[i+2]):
		copy(out[i:], escaped(in[i:i+3]))
		return i + 3
	case isUnit(c) || c == ':':
		if j := longAddress(in, i); j > 0 {
			d.longAddress(out[i:j], in[i:j])
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
		d.unit(out[i:j], in[i:j], l)
		return j
	case c < ' ' && c != '\t' && c != '\r' && c != '\n' || c == 0x7f:
		out[i] = 'x'
	default:
		out[i] = c
	}
	return i + 1
}

// isUnit reports whether c is a byte of a unit: what is disguised as a whole.
func isUnit(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~' || c >= 0x80
}

// escaped returns an escape with another letter in it if it stands for a letter, a digit or no ASCII.
func escaped(e []byte) []byte {
	c := nibble(e[1])<<4 | nibble(e[2])
	if isLetter(c) || isDigit(c) || c >= 0x80 {
		return []byte("%78")
	}
	return e
}

func isHexDigit(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func nibble(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// longAddress returns where the IPv6 or link-layer address that begins at in[i] ends, 0 if none does.
func longAddress(in []byte, i int) int {
	if i > 0 && (isUnit(in[i-1]) || in[i-1] == ':') {
		return 0
	}
	j, colons := i, 0
	for ; j < len(in) && (in[j] == ':' || in[j] == '.' || isHexDigit(in[j])); j++ {
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
		if (i%3 == 2) != (c == ':') || i%3 != 2 && !isHexDigit(c) {
			return false
		}
	}
	return len(in) == 17
}

// longAddress puts the disguise of an IPv6 or link-layer address into out, group by group.
func (d *disguise) longAddress(out, in []byte) {
	if isLink(in) {
		var v [6]byte
		for i := range v {
			v[i] = nibble(in[3*i])<<4 | nibble(in[3*i+1])
		}
		for i, c := range d.link(v) {
			hexadecimal(out[3*i:3*i+2], in[3*i:3*i+2], int(c))
		}
		for i := 2; i < len(in); i += 3 {
			out[i] = ':'
		}
		return
	}
	a, _ := netip.ParseAddr(string(in))
	w := d.address(a)
	if dot := bytes.IndexByte(in, '.'); dot >= 0 { // ends in four octets, which may be an address of their own
		copy(out, in)
		from := bytes.LastIndexByte(in, ':') + 1
		d.unit(out[from:], in[from:], foreign)
		return
	}
	b := w.As16()
	parts := bytes.Split(in, []byte(":"))
	at, group := 0, 0
	for i, p := range parts {
		if len(p) > 0 {
			hexadecimal(out[at:at+len(p)], p, int(b[2*group])<<8|int(b[2*group+1]))
		}
		switch {
		case len(p) > 0:
			group++
		case i > 0 && i < len(parts)-1: // the groups that :: leaves out
			group += 8 - filled(parts)
		}
		if at += len(p); at < len(in) {
			out[at] = ':'
			at++
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
		if !small && isLetter(out[i]) {
			out[i] -= 'a' - 'A'
		}
		n >>= 4
	}
}

// cookie begins every branch that RFC 3261 makes.
var cookie = []byte("z9hG4bK")

// unit scrubs one unit.
func (d *disguise) unit(out, in []byte, l language) {
	word := string(lower(in))
	a, err := netip.ParseAddr(word)
	switch {
	case err == nil && a.Is4():
		copy(out, d.address(a).String())
	case meanings[word], word == "anonymous", word == "anonymous.invalid", l.words && vocabulary[word],
		l.numbers && isNumber(in):
		copy(out, in)
	case bytes.HasPrefix(in, cookie):
		copy(out, cookie)
		d.text(out[len(cookie):], in[len(cookie):])
	default:
		d.text(out, in)
	}
}

// isNumber reports whether in is a number that fits 32 bits, more or less, one with a fraction, or a range.
func isNumber(in []byte) bool {
	marks := 0
	for _, c := range in {
		if c == '.' || c == '-' {
			marks++
		} else if !isDigit(c) {
			return false
		}
	}
	return len(in) <= 10 && marks <= 1
}

// value scrubs the value of a header: quoted texts, URIs, parameters and words.
func (d *disguise) value(out, in []byte, l language) {
	for i := 0; i < len(in); {
		switch j := uriEnd(in, i); {
		case in[i] == '"':
			j = quoteEnd(in, i)
			d.quoted(out[i:j], in[i:j], l)
			i = j
		case j > 0:
			d.uri(out[i:j], in[i:j])
			i = j
		case in[i] == ';':
			out[i] = ';'
			i = d.parameter(out, in, i+1, l)
		default:
			i = d.step(out, in, i, l)
		}
	}
}

// quoted scrubs a text between quotes, and URIs in it.
func (d *disguise) quoted(out, in []byte, l language) {
	for i := 0; i < len(in); {
		if j := uriEnd(in, i); j > 0 {
			d.uri(out[i:j], in[i:j])
			i = j
			continue
		}
		i = d.step(out, in, i, l)
	}
}

// quoteEnd returns the place behind the text whose quote opens at in[i].
func quoteEnd(in []byte, i int) int {
	for i++; i < len(in); i++ {
		switch in[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(in)
}

// parameter scrubs the name that begins at in[i], and what follows an equals sign, and returns the place behind.
func (d *disguise) parameter(out, in []byte, i int, l language) int {
	i = spaces(out, in, i)
	if i < len(in) && in[i] == '+' { // of a feature, RFC 3840
		out[i] = '+'
		i++
	}
	j := i
	for j < len(in) && isUnit(in[j]) {
		j++
	}
	if j == i {
		return j
	}
	name := string(lower(in[i:j]))
	d.unit(out[i:j], in[i:j], spoken)
	i = spaces(out, in, j)
	if i == len(in) || in[i] != '=' {
		return i
	}
	out[i] = '='
	i = spaces(out, in, i+1)
	if j := longAddress(in, i); j > 0 { // of received, without brackets
		d.longAddress(out[i:j], in[i:j])
		return j
	}
	for j = i; j < len(in) && isUnit(in[j]); j++ {
	}
	switch {
	case j == i: // quoted, bracketed, or nothing
		return i
	case name == "rport" && d.portText(out[i:j], in[i:j]):
	case numbered[name]:
		d.unit(out[i:j], in[i:j], counting)
	case name == "tag" || name == "branch" || name == "boundary":
		d.unit(out[i:j], in[i:j], foreign)
	default:
		d.unit(out[i:j], in[i:j], language{words: true, numbers: l.numbers})
	}
	return j
}
