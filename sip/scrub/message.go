package scrub

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"sipsieve/sip/syntax"
)

// messages scrubs SIP messages: start line, headers and body.
type messages struct{ values }

// message scrubs the message at the beginning of in and returns how long it is: by its Content-Length, else all.
func (m messages) message(out, in []byte) int {
	head := syntax.HeadLength(in)
	if head == 0 {
		m.lines(out, in)
		return len(in)
	}
	m.lines(out[:head], in[:head])
	end := len(in)
	if n := syntax.BodyLength(in[:head]); n >= 0 {
		end = min(end, head+n)
	}
	m.body(out[head:end], in[head:end], contentType(in[:head]))
	return end
}

// contentType returns the media type that head gives for the body, in lower case and without parameters.
func contentType(head []byte) string {
	kind, _, _ := bytes.Cut(syntax.ContentType(head), []byte{';'})
	return string(lower(bytes.TrimSpace(kind)))
}

// isStartLine reports whether in begins with a start line, or with one that its white space, its status or its URI make
// unreadable (syntax.IsStartLine is stricter): a capture with such a line is scrubbed to show that line.
func isStartLine(in []byte) bool {
	line := bytes.TrimRight(in[:syntax.LineLength(in)], "\r\n")
	if isStatusLine(line) {
		return len(line) >= statusEnd && isNumber(line[statusEnd-3:statusEnd])
	}
	method, rest, _ := bytes.Cut(line, []byte{' '})
	return syntax.IsToken(method) && bytes.IndexByte(rest, ':') >= 0 && syntax.EndsInVersion(rest) &&
		rest[len(rest)-len(syntax.Version)-1] == ' '
}

// statusEnd is where the status code of a status line ends.
const statusEnd = len(syntax.Version) + len(" 200")

func isStatusLine(line []byte) bool { return syntax.HasPrefixFold(line, syntax.Version+" ") }

// lines scrubs a start line, if there is one, and headers.
func (m messages) lines(out, in []byte) {
	for len(in) > 0 {
		n := syntax.LineBreak(in)
		if n > 0 {
			copy(out, in[:n])
		} else {
			n = syntax.LineAt(in, 0).Next
			m.line(out[:n], in[:n])
		}
		out, in = out[n:], in[n:]
	}
}

func (m messages) line(out, in []byte) {
	if isStartLine(in) {
		m.startLine(out, in)
		return
	}
	m.header(out, in)
}

func (m messages) startLine(out, in []byte) {
	if isStatusLine(in) {
		copy(out, in[:statusEnd])
		m.stretch(out[statusEnd:], in[statusEnd:], protocolWords)
		return
	}
	space, tail := bytes.IndexByte(in, ' '), bytes.LastIndexByte(in, ' ')
	m.method(out[:space], in[:space])
	copy(out[tail:], in[tail:])
	out[space] = ' '
	if space < tail {
		m.requestURI(out[space+1:tail], in[space+1:tail])
	}
}

func (m messages) method(out, in []byte) {
	if slices.Contains(syntax.Methods[:], strings.ToUpper(string(in))) {
		copy(out, in)
		return
	}
	m.stretch(out, in, nothing)
}

func (m messages) requestURI(out, in []byte) {
	if uriEnd(in, 0) > 0 {
		m.uri(out, in)
		return
	}
	m.value(out, in, nothing)
}

// header scrubs one header with its line break.
func (m messages) header(out, in []byte) {
	colon := bytes.IndexByte(in, ':')
	if colon < 0 || !isName(bytes.TrimRight(in[:colon], " \t")) {
		m.stretch(out, in, nothing)
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
		m.via(out, in)
	case "date":
		if _, err := time.Parse(time.RFC1123, string(bytes.TrimSpace(in))); err == nil {
			copy(out, in)
			return
		}
		m.value(out, in, nothing)
	case "identity", "y":
		passports(m).scrub(out, in)
	default:
		m.value(out, in, headers[name])
	}
}

// isName reports whether in is the name of a header: a letter, then letters, digits and hyphens, no number in it.
func isName(in []byte) bool {
	digits := 0
	for i, c := range in {
		switch {
		case syntax.IsDigit(c) && i > 0 && digits < 2:
			digits++
		case syntax.IsLetter(c), c == '-' && i > 0, c == '_' && i > 0:
			digits = 0
		default:
			return false
		}
	}
	return len(in) > 0
}

// body scrubs a body. Of what is no session description, nor parts, nor a piece of SIP, only the length is left.
func (m messages) body(out, in []byte, kind string) {
	switch {
	case kind == "application/sdp":
		descriptions(m).scrub(out, in)
	case kind == "message/sipfrag":
		m.lines(out, in)
	case strings.HasPrefix(kind, "multipart/"):
		m.parts(out, in)
	default:
		blank(out, in)
	}
}

// parts scrubs a body of several parts, RFC 2046 section 5.1: what begins with two hyphens is taken for a boundary.
func (m messages) parts(out, in []byte) {
	scrub := blank // what stands before the first one is no part
	for len(in) > 0 {
		if bytes.HasPrefix(in, []byte("--")) {
			n := syntax.LineLength(in)
			m.boundary(out[:n], in[:n])
			out, in, scrub = out[n:], in[n:], m.part
			continue
		}
		end := bytes.Index(in, []byte("\n--")) + 1
		if end == 0 {
			end = len(in)
		}
		scrub(out[:end], in[:end])
		out, in = out[end:], in[end:]
	}
}

// boundary scrubs a boundary as the parameter of that name is scrubbed.
func (m messages) boundary(out, in []byte) {
	text := bytes.TrimRight(in, "\r\n")
	copy(out[len(text):], in[len(text):])
	begin := 0
	if bytes.HasPrefix(text, []byte("--")) {
		begin = copy(out, "--")
	}
	end := len(text)
	if begin < end-2 && bytes.HasSuffix(text, []byte("--")) {
		end -= 2
		copy(out[end:], "--")
	}
	m.stretch(out[begin:end], text[begin:end], nothing)
}

// part scrubs what stands between two boundaries.
func (m messages) part(out, in []byte) {
	head := syntax.HeadLength(in)
	if head == 0 {
		blank(out, in)
		return
	}
	m.lines(out[:head], in[:head])
	m.body(out[head:], in[head:], contentType(in[:head]))
}

// blank fills out with the letter x; line breaks stay.
func blank(out, in []byte) {
	for i, c := range in {
		if out[i] = 'x'; c == '\r' || c == '\n' {
			out[i] = c
		}
	}
}
