package scrub

import (
	"bytes"

	"sipsieve/sip/syntax"
)

// values scrubs values of headers.
type values struct{ words }

// value scrubs the value of a header: quoted texts, URIs, parameters and words.
func (v values) value(out, in []byte, k kept) {
	for i := 0; i < len(in); {
		switch j := uriEnd(in, i); {
		case in[i] == '"':
			if j = i + syntax.QuotedLength(in[i:]); j == i {
				j = len(in)
			}
			v.quoted(out[i:j], in[i:j], k)
			i = j
		case j > 0:
			v.uri(out[i:j], in[i:j])
			i = j
		case in[i] == ';':
			out[i] = ';'
			i = v.parameter(out, in, i+1, k)
		default:
			i = v.step(out, in, i, k)
		}
	}
}

// quoted scrubs a text between quotes, and URIs in it.
func (v values) quoted(out, in []byte, k kept) {
	for i := 0; i < len(in); {
		if j := uriEnd(in, i); j > 0 {
			v.uri(out[i:j], in[i:j])
			i = j
			continue
		}
		i = v.step(out, in, i, k)
	}
}

// parameter scrubs the name that begins at in[i], and what follows an equals sign, and returns the place behind.
func (v values) parameter(out, in []byte, i int, k kept) int {
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
	v.unit(out[i:j], in[i:j], protocolWords)
	i = spaces(out, in, j)
	if i == len(in) || in[i] != '=' {
		return i
	}
	out[i] = '='
	i = spaces(out, in, i+1)
	if j := longAddress(in, i); j > 0 { // of received, without brackets
		v.longAddress(out[i:j], in[i:j])
		return j
	}
	for j = i; j < len(in) && isUnit(in[j]); j++ {
	}
	switch {
	case j == i: // quoted, bracketed, or nothing
		return i
	case name == "rport" && v.portText(out[i:j], in[i:j]):
	case numbered[name]:
		v.unit(out[i:j], in[i:j], wordsAndNumbers)
	case name == "tag" || name == "branch" || name == "boundary":
		v.unit(out[i:j], in[i:j], nothing)
	default:
		v.unit(out[i:j], in[i:j], kept{words: true, numbers: k.numbers})
	}
	return j
}

// schemes begin the URIs that are recognised in a text.
var schemes = []string{"sips:", "sip:", "tel:", "urn:", "https:", "http:", "pres:", "im:", "mailto:"}

// uriEnd returns where the URI that begins at in[i] ends, 0 if none does.
func uriEnd(in []byte, i int) int {
	if i > 0 && isUnit(in[i-1]) {
		return 0
	}
	for _, s := range schemes {
		if !syntax.HasPrefixFold(in[i:], s) {
			continue
		}
		ends := " \t\r\n,;>\""
		if i > 0 && in[i-1] == '<' {
			ends = ">\r\n"
		}
		return until(in, i, ends)
	}
	return 0
}

// uri scrubs a URI that begins with its scheme: user, host, port, parameters, headers.
func (v values) uri(out, in []byte) {
	colon := bytes.IndexByte(in, ':') + 1
	copy(out, in[:colon])
	switch scheme := string(lower(in[:colon])); {
	case scheme == "urn:":
		v.stretch(out[colon:], in[colon:], protocolWords)
		return
	case scheme == "tel:":
		v.user(out[colon:], in[colon:])
		return
	case scheme[0] == 'h':
		v.stretch(out[colon:], in[colon:], nothing)
		return
	}
	out, in = out[colon:], in[colon:]
	if at := bytes.IndexByte(in, '@'); at >= 0 {
		v.user(out[:at], in[:at])
		out[at] = '@'
		out, in = out[at+1:], in[at+1:]
	}
	n := until(in, 0, ";?")
	v.host(out[:n], in[:n])
	end := until(in, n, "?")
	v.value(out[n:end], in[n:end], nothing)
	for i := end; i < len(in); { // ?name=value&name=value
		out[i] = in[i]
		i = v.parameter(out, in, i+1, nothing)
		for i < len(in) && in[i] != '&' {
			i = v.step(out, in, i, protocolWords)
		}
	}
}

// user scrubs the part before the host, with its parameters (such as those of RFC 4694).
func (v values) user(out, in []byte) {
	for i := 0; i < len(in); {
		if in[i] == ';' {
			out[i] = ';'
			i = v.parameter(out, in, i+1, nothing)
			continue
		}
		i = v.step(out, in, i, nothing)
	}
}

// host scrubs a host and its port.
func (v values) host(out, in []byte) {
	end := len(in)
	if i := bytes.LastIndexByte(in, ':'); i >= 0 && bytes.IndexByte(in[i:], ']') < 0 &&
		i+1 < len(in) && v.portText(out[i+1:], in[i+1:]) {
		out[i], end = ':', i
	}
	v.stretch(out[:end], in[:end], nothing)
}

// via scrubs the values of Via: protocol, sent-by, parameters.
func (v values) via(out, in []byte) {
	for len(in) > 0 {
		end := min(until(in, 0, ",")+1, len(in))
		v.oneVia(out[:end], in[:end])
		out, in = out[end:], in[end:]
	}
}

// oneVia scrubs one value of Via.
func (v values) oneVia(out, in []byte) {
	i := spaces(out, in, 0)
	for slashes := 0; ; slashes++ { // "SIP / 2.0 / UDP" is valid, too
		j := until(in, i, "/ \t\r\n")
		v.stretch(out[i:j], in[i:j], protocolWords)
		i = spaces(out, in, j)
		if slashes == 2 || i == len(in) || in[i] != '/' {
			break
		}
		out[i] = '/'
		i = spaces(out, in, i+1)
	}
	j := until(in, i, ";, \t\r\n")
	v.host(out[i:j], in[i:j])
	v.value(out[j:], in[j:], nothing)
}

// spaces copies the white space at i and returns the place behind it.
func spaces(out, in []byte, i int) int {
	for i < len(in) && syntax.IsBlank(in[i]) {
		out[i] = in[i]
		i++
	}
	return i
}

// until returns the place of the first of ends from i on, else the end.
func until(in []byte, i int, ends string) int {
	if n := bytes.IndexAny(in[i:], ends); n >= 0 {
		return i + n
	}
	return len(in)
}
