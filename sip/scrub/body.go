package scrub

import (
	"bytes"
	"strings"
)

// body scrubs a body. Of what is no session description, nor parts, nor a piece of SIP, only the length is left.
func (d *disguise) body(out, in []byte, kind string) {
	switch {
	case kind == "application/sdp":
		d.description(out, in)
	case kind == "message/sipfrag":
		d.lines(out, in)
	case strings.HasPrefix(kind, "multipart/"):
		d.parts(out, in)
	default:
		blank(out, in)
	}
}

// parts scrubs a body of several parts, RFC 2046 section 5.1: what begins with two hyphens is taken for a boundary.
func (d *disguise) parts(out, in []byte) {
	scrub := blank // what stands before the first one is for nobody
	for len(in) > 0 {
		if bytes.HasPrefix(in, []byte("--")) {
			n := bytes.IndexByte(in, '\n') + 1
			if n == 0 {
				n = len(in)
			}
			d.boundary(out[:n], in[:n])
			out, in, scrub = out[n:], in[n:], d.part
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
func (d *disguise) boundary(out, in []byte) {
	text := bytes.TrimRight(in, "\r\n")
	copy(out[len(text):], in[len(text):])
	at := 0
	if bytes.HasPrefix(text, []byte("--")) {
		at = copy(out, "--")
	}
	end := len(text)
	if at < end-2 && bytes.HasSuffix(text, []byte("--")) {
		end -= 2
		copy(out[end:], "--")
	}
	d.stretch(out[at:end], text[at:end], foreign)
}

func (d *disguise) part(out, in []byte) {
	h := readHead(in)
	if h.end < 0 || h.end > len(in) {
		blank(out, in)
		return
	}
	d.lines(out[:h.end], in[:h.end])
	d.body(out[h.end:], in[h.end:], h.kind)
}

// description scrubs a session description, RFC 8866, line by line.
func (d *disguise) description(out, in []byte) {
	for len(in) > 0 {
		n := bytes.IndexByte(in, '\n') + 1
		if n == 0 {
			n = len(in)
		}
		d.sdpLine(out[:n], in[:n])
		out, in = out[n:], in[n:]
	}
}

// counted are the attributes whose numbers stay.
var counted = setOf(`rtpmap fmtp ptime maxptime framerate rtcp-fb`)

func (d *disguise) sdpLine(out, in []byte) {
	if len(in) < 2 || in[1] != '=' {
		d.stretch(out, in, foreign)
		return
	}
	copy(out, in[:2])
	kind := in[0]
	out, in = out[2:], in[2:]
	switch kind {
	case 'v', 'b':
		d.stretch(out, in, counting)
	case 't':
		d.stretch(out, in, language{words: true, numbers: string(bytes.TrimSpace(in)) == "0 0"})
	case 'c':
		d.stretch(out, in, spoken)
	case 'o':
		d.origin(out, in)
	case 'm':
		d.fields(out, in, counting, 1)
	case 'a':
		d.attribute(out, in)
	default:
		d.stretch(out, in, foreign)
	}
}

// origin scrubs o=: the name of the user, then what names the session.
func (d *disguise) origin(out, in []byte) {
	n := max(bytes.IndexByte(in, ' '), 0)
	if n == 1 && in[0] == '-' {
		out[0] = '-'
	} else {
		d.stretch(out[:n], in[:n], foreign)
	}
	d.stretch(out[n:], in[n:], spoken)
}

// fields scrubs words between spaces, of which the one of that number, from 0 on, is a port.
func (d *disguise) fields(out, in []byte, l language, port int) {
	for n := 0; len(in) > 0; n++ {
		end := bytes.IndexByte(in, ' ')
		if end < 0 {
			end = len(in)
		}
		word := bytes.TrimRight(in[:end], "\r\n")
		if n != port || !d.portText(out, word) {
			d.stretch(out[:len(word)], word, l)
		}
		copy(out[len(word):end], in[len(word):end])
		if end < len(in) {
			out[end] = ' '
			end++
		}
		out, in = out[end:], in[end:]
	}
}

func (d *disguise) attribute(out, in []byte) {
	colon := bytes.IndexByte(in, ':')
	if colon < 0 {
		d.stretch(out, in, spoken)
		return
	}
	name := string(lower(in[:colon]))
	d.stretch(out[:colon], in[:colon], spoken)
	out[colon] = ':'
	out, in = out[colon+1:], in[colon+1:]
	switch {
	case name == "rtcp":
		d.fields(out, in, spoken, 0)
	case name == "candidate":
		d.fields(out, in, spoken, 5)
	case counted[name]:
		d.stretch(out, in, counting)
	case name == "crypto":
		d.stretch(out, in, spoken)
	case name == "setup", name == "group":
		d.stretch(out, in, spoken)
	default:
		d.stretch(out, in, foreign)
	}
}
