package scrub

import (
	"bytes"

	"sipsieve/sip/syntax"
)

// payloads scrubs what datagrams and streams carry, and counts it.
type payloads struct {
	messages messages
	sum      *Summary
}

// datagram scrubs the payload of a datagram: messages, keep-alives, and what is neither.
func (p payloads) datagram(out, in []byte) {
	for len(in) > 0 {
		n := len(in) - len(syntax.SkipEmpty(in))
		copy(out, in[:n])
		if out, in = out[n:], in[n:]; len(in) == 0 {
			return
		}
		if !isStartLine(in) {
			p.blank(out, in)
			return
		}
		n = p.message(out, in)
		out, in = out[n:], in[n:]
	}
}

// stream scrubs bytes of a stream: messages, keep-alives, and what is neither up to the next start line.
func (p payloads) stream(out, in []byte) {
	for len(in) > 0 {
		n := len(in) - len(bytes.TrimLeft(in, "\r\n"))
		copy(out, in[:n])
		if out, in = out[n:], in[n:]; len(in) == 0 {
			return
		}
		if isStartLine(in) {
			n = p.message(out, in)
		} else {
			n = nextStart(in)
			p.blank(out[:n], in[:n])
		}
		out, in = out[n:], in[n:]
	}
}

func (p payloads) message(out, in []byte) int {
	p.sum.Messages++
	return p.messages.message(out, in)
}

func (p payloads) blank(out, in []byte) {
	p.sum.Blanked++
	blank(out, in)
}

// nextStart returns where the next line begins that is a start line, the end without one.
func nextStart(in []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(in[i:], '\n')
		if n < 0 {
			return len(in)
		}
		if i += n + 1; isStartLine(in[i:]) {
			return i
		}
	}
}
