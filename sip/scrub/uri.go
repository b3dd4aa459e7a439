package scrub

import "bytes"

// schemes are those whose URIs are known by their beginnings.
var schemes = []string{"sips:", "sip:", "tel:", "urn:", "https:", "http:", "pres:", "im:", "mailto:"}

// uriEnd returns where the URI that begins at in[i] ends, 0 if none does.
func uriEnd(in []byte, i int) int {
	if i > 0 && isUnit(in[i-1]) {
		return 0
	}
	for _, s := range schemes {
		if len(in) < i+len(s) || string(lower(in[i:i+len(s)])) != s {
			continue
		}
		ends := " \t\r\n,;>\""
		if i > 0 && in[i-1] == '<' {
			ends = ">\r\n"
		}
		if n := bytes.IndexAny(in[i:], ends); n >= 0 {
			return i + n
		}
		return len(in)
	}
	return 0
}

// uri scrubs a URI that begins with its scheme: user, host, port, parameters, headers.
func (d *disguise) uri(out, in []byte) {
	colon := bytes.IndexByte(in, ':') + 1
	copy(out, in[:colon])
	switch scheme := string(lower(in[:colon])); {
	case scheme == "urn:":
		d.stretch(out[colon:], in[colon:], spoken)
		return
	case scheme == "tel:":
		d.user(out[colon:], in[colon:])
		return
	case scheme[0] == 'h':
		d.stretch(out[colon:], in[colon:], foreign)
		return
	}
	out, in = out[colon:], in[colon:]
	if at := bytes.IndexByte(in, '@'); at >= 0 {
		d.user(out[:at], in[:at])
		out[at] = '@'
		out, in = out[at+1:], in[at+1:]
	}
	n := bytes.IndexAny(in, ";?")
	if n < 0 {
		n = len(in)
	}
	d.host(out[:n], in[:n])
	end := bytes.IndexByte(in, '?')
	if end < n {
		end = len(in)
	}
	d.value(out[n:end], in[n:end], foreign)
	for i := end; i < len(in); { // ?name=value&name=value
		out[i] = in[i]
		i = d.parameter(out, in, i+1, foreign)
		for i < len(in) && in[i] != '&' {
			i = d.step(out, in, i, spoken)
		}
	}
}

// user scrubs the part before the host, whose parameters are those of RFC 4694 and its kin.
func (d *disguise) user(out, in []byte) {
	for i := 0; i < len(in); {
		if in[i] == ';' {
			out[i] = ';'
			i = d.parameter(out, in, i+1, foreign)
			continue
		}
		i = d.step(out, in, i, foreign)
	}
}

// host scrubs a host and its port.
func (d *disguise) host(out, in []byte) {
	end := len(in)
	if i := bytes.LastIndexByte(in, ':'); i >= 0 && bytes.IndexByte(in[i:], ']') < 0 &&
		i+1 < len(in) && d.portText(out[i+1:], in[i+1:]) {
		out[i], end = ':', i
	}
	d.stretch(out[:end], in[:end], foreign)
}

// via scrubs the values of Via: protocol, sent-by, parameters.
func (d *disguise) via(out, in []byte) {
	for len(in) > 0 {
		end := bytes.IndexByte(in, ',') + 1
		if end == 0 {
			end = len(in)
		}
		d.oneVia(out[:end], in[:end])
		out, in = out[end:], in[end:]
	}
}

func (d *disguise) oneVia(out, in []byte) {
	i := spaces(out, in, 0)
	for slashes := 0; ; slashes++ { // "SIP / 2.0 / UDP" is as good
		j := until(in, i, "/ \t\r\n")
		d.stretch(out[i:j], in[i:j], spoken)
		i = spaces(out, in, j)
		if slashes == 2 || i == len(in) || in[i] != '/' {
			break
		}
		out[i] = '/'
		i = spaces(out, in, i+1)
	}
	j := until(in, i, ";, \t\r\n")
	d.host(out[i:j], in[i:j])
	d.value(out[j:], in[j:], foreign)
}

// spaces copies the white space at i and returns the place behind it.
func spaces(out, in []byte, i int) int {
	for i < len(in) && (in[i] == ' ' || in[i] == '\t' || in[i] == '\r' || in[i] == '\n') {
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
