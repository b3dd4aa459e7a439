package scrub

import (
	"bytes"

	"sipsieve/sip/syntax"
)

// descriptions scrubs session descriptions (RFC 8866).
type descriptions struct{ values }

func (d descriptions) scrub(out, in []byte) {
	for len(in) > 0 {
		n := syntax.LineLength(in)
		d.line(out[:n], in[:n])
		out, in = out[n:], in[n:]
	}
}

// numberedAttributes are the attributes whose numbers stay.
var numberedAttributes = setOf(`rtpmap fmtp ptime maxptime framerate rtcp-fb`)

func (d descriptions) line(out, in []byte) {
	if len(in) < 2 || in[1] != '=' {
		d.stretch(out, in, nothing)
		return
	}
	copy(out, in[:2])
	kind := in[0]
	out, in = out[2:], in[2:]
	switch kind {
	case 'v', 'b':
		d.stretch(out, in, wordsAndNumbers)
	case 't':
		d.stretch(out, in, kept{words: true, numbers: string(bytes.TrimSpace(in)) == "0 0"})
	case 'c':
		d.stretch(out, in, protocolWords)
	case 'o':
		d.origin(out, in)
	case 'm':
		d.fields(out, in, wordsAndNumbers, 1)
	case 'a':
		d.attribute(out, in)
	default:
		d.stretch(out, in, nothing)
	}
}

// origin scrubs o=: the name of the user, then what names the session.
func (d descriptions) origin(out, in []byte) {
	n := max(bytes.IndexByte(in, ' '), 0)
	if n == 1 && in[0] == '-' {
		out[0] = '-'
	} else {
		d.stretch(out[:n], in[:n], nothing)
	}
	d.stretch(out[n:], in[n:], protocolWords)
}

// fields scrubs words between spaces, of which the one at index port is a port.
func (d descriptions) fields(out, in []byte, k kept, port int) {
	for n := 0; len(in) > 0; n++ {
		end := until(in, 0, " ")
		word := bytes.TrimRight(in[:end], "\r\n")
		if n != port || !d.portText(out, word) {
			d.stretch(out[:len(word)], word, k)
		}
		copy(out[len(word):end], in[len(word):end])
		if end < len(in) {
			out[end] = ' '
			end++
		}
		out, in = out[end:], in[end:]
	}
}

func (d descriptions) attribute(out, in []byte) {
	colon := bytes.IndexByte(in, ':')
	if colon < 0 {
		d.stretch(out, in, protocolWords)
		return
	}
	name := string(lower(in[:colon]))
	d.stretch(out[:colon], in[:colon], protocolWords)
	out[colon] = ':'
	out, in = out[colon+1:], in[colon+1:]
	switch {
	case name == "rtcp":
		d.fields(out, in, protocolWords, 0)
	case name == "candidate":
		d.fields(out, in, protocolWords, 5)
	case numberedAttributes[name]:
		d.stretch(out, in, wordsAndNumbers)
	case name == "crypto", name == "setup", name == "group":
		d.stretch(out, in, protocolWords)
	default:
		d.stretch(out, in, nothing)
	}
}
