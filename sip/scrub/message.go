package scrub

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// A head is what the headers of a message say of its body.
type head struct {
	end    int // where the body begins; -1 if the headers do not end
	length int // Content-Length; -1 without one
	kind   string
}

// startsSIP reports whether in begins with the start line of a message.
func startsSIP(in []byte) bool {
	line, _, _ := bytes.Cut(in, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	if statusLine(line) {
		return len(line) >= 11 && isNumber(line[8:11])
	}
	space := bytes.IndexByte(line, ' ')
	return space > 0 && bytes.IndexFunc(line[:space], notToken) < 0 && bytes.HasSuffix(lower(line), []byte(" sip/2.0")) &&
		bytes.IndexByte(line[space:], ':') > 0
}

// statusLine reports whether line begins as that of a response, the version in any case (RFC 3261 section 7.1).
func statusLine(line []byte) bool {
	const version = "SIP/2.0 "
	return len(line) >= len(version) && bytes.EqualFold(line[:len(version)], []byte(version))
}

// notToken reports whether r may not stand in a token, RFC 3261 section 25.1.
func notToken(r rune) bool {
	return r >= 0x80 || !isLetter(byte(r)) && !isDigit(byte(r)) && !strings.ContainsRune("-.!%*_+`'~", r)
}

// blank fills out with what says nothing; line breaks stay.
func blank(out, in []byte) {
	for i, c := range in {
		if out[i] = 'x'; c == '\r' || c == '\n' {
			out[i] = c
		}
	}
}

// readHead reads what the headers say of the body, wherever they end.
func readHead(in []byte) head {
	h := head{end: -1, length: -1}
	for i := 0; i < len(in); {
		n := lineEnd(in, i)
		if len(bytes.TrimRight(in[i:n], "\r\n")) == 0 {
			h.end = n
			return h
		}
		name, value, _ := bytes.Cut(in[i:n], []byte(":"))
		value = bytes.Trim(value, " \t\r\n")
		switch string(lower(bytes.TrimRight(name, " \t"))) {
		case "content-length", "l":
			if v, err := strconv.ParseUint(string(value), 10, 31); err == nil {
				h.length = int(v)
			}
		case "content-type", "c":
			kind, _, _ := bytes.Cut(lower(value), []byte(";"))
			h.kind = string(bytes.Trim(kind, " \t\r\n"))
		}
		i = n
	}
	return h
}

// lineEnd returns the place behind the line that begins at i, those that continue it included.
func lineEnd(in []byte, i int) int {
	for {
		n := bytes.IndexByte(in[i:], '\n')
		if n < 0 {
			return len(in)
		}
		blankLine := n == 0 || n == 1 && in[i] == '\r'
		if i += n + 1; blankLine || i == len(in) || in[i] != ' ' && in[i] != '\t' {
			return i
		}
	}
}

// message scrubs the message at the beginning of in and returns how long it is: by its Content-Length, else all.
func (d *disguise) message(out, in []byte) int {
	h := readHead(in)
	if h.end < 0 {
		d.lines(out, in)
		return len(in)
	}
	d.lines(out[:h.end], in[:h.end])
	end := len(in)
	if h.length >= 0 {
		end = min(end, h.end+h.length)
	}
	d.body(out[h.end:end], in[h.end:end], h.kind)
	return end
}

// lines scrubs a start line, if there is one, and headers.
func (d *disguise) lines(out, in []byte) {
	for i := 0; i < len(in); {
		n := lineEnd(in, i)
		switch line := in[i:n]; {
		case startsSIP(line):
			d.startLine(out[i:n], line)
		default:
			d.header(out[i:n], line)
		}
		i = n
	}
}

func (d *disguise) startLine(out, in []byte) {
	if statusLine(in) {
		copy(out, in[:11])
		d.stretch(out[11:], in[11:], spoken)
		return
	}
	space, tail := bytes.IndexByte(in, ' '), bytes.LastIndexByte(in, ' ')
	d.method(out[:space], in[:space])
	copy(out[tail:], in[tail:])
	out[space] = ' '
	if space < tail {
		d.requestURI(out[space+1:tail], in[space+1:tail])
	}
}

func (d *disguise) method(out, in []byte) {
	if methods[string(lower(in))] {
		copy(out, in)
		return
	}
	d.stretch(out, in, foreign)
}

func (d *disguise) requestURI(out, in []byte) {
	if uriEnd(in, 0) > 0 {
		d.uri(out, in)
		return
	}
	d.value(out, in, foreign)
}

// header scrubs one header with its line break.
func (d *disguise) header(out, in []byte) {
	colon := bytes.IndexByte(in, ':')
	if colon < 0 || !isName(bytes.TrimRight(in[:colon], " \t")) {
		d.stretch(out, in, foreign)
		if colon >= 0 && isName(bytes.TrimRight(out[:colon], " \t")) {
			out[0] = '0' // what was no name is none
		}
		return
	}
	copy(out, in[:colon+1])
	name := string(lower(bytes.TrimRight(in[:colon], " \t")))
	out, in = out[colon+1:], in[colon+1:]
	switch name {
	case "via", "v":
		d.via(out, in)
	case "date":
		if _, err := time.Parse(time.RFC1123, string(bytes.TrimSpace(in))); err == nil {
			copy(out, in)
			return
		}
		d.value(out, in, foreign)
	case "identity", "y":
		d.identity(out, in)
	default:
		d.value(out, in, headers[name])
	}
}

// isName reports whether in is the name of a header: a letter, then letters, digits and hyphens, no number in it.
func isName(in []byte) bool {
	digits := 0
	for i, c := range in {
		switch {
		case isDigit(c) && i > 0 && digits < 2:
			digits++
		case isLetter(c), c == '-' && i > 0, c == '_' && i > 0:
			digits = 0
		default:
			return false
		}
	}
	return len(in) > 0
}

// identity scrubs a PASSporT (RFC 8225): its two JSON parts inside their encoding, so that the attestation stays, the
// signature as text.
func (d *disguise) identity(out, in []byte) {
	i := len(in) - len(bytes.TrimLeft(in, " \t"))
	copy(out, in[:i])
	end := len(in)
	if n := bytes.IndexAny(in[i:], "; \t\r\n"); n >= 0 {
		end = i + n
	}
	parts := bytes.Split(in[i:end], []byte("."))
	for n, p := range parts {
		if len(parts) != 3 || n == 2 || !d.encoded(out[i:i+len(p)], p) {
			d.stretch(out[i:i+len(p)], p, foreign)
		}
		if i += len(p); n < len(parts)-1 {
			out[i] = '.'
			i++
		}
	}
	d.value(out[end:], in[end:], foreign)
}

// claims are the words of a PASSporT's JSON that stay.
var claims = setOf(`attest a b c dest tn uri orig origid iat alg es256 ppt shaken typ passport x5u div opt rph rcd nam`)

// encoded scrubs a part of JSON in base64url, and reports whether in was one.
func (d *disguise) encoded(out, in []byte) bool {
	plain, err := base64.RawURLEncoding.DecodeString(string(in))
	if err != nil || len(plain) == 0 || plain[0] != '{' {
		return false
	}
	changed := bytes.Clone(plain)
	for i := 0; i < len(plain); {
		j := i
		for j < len(plain) && isUnit(plain[j]) {
			j++
		}
		switch {
		case j == i:
			i++
			continue
		case !claims[string(lower(plain[i:j]))]:
			d.text(changed[i:j], plain[i:j])
		}
		i = j
	}
	base64.RawURLEncoding.Encode(out, changed)
	return true
}
