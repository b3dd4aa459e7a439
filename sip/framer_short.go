package sip

import (
	"bytes"

	"sipsieve/capture"
	"sipsieve/sip/syntax"
)

// endShort ends the message whose body s waits for, if p begins with a message: its Content-Length was more than
// there is, and the next messages would be taken for its body. A body that may hold a message of its own (message/*,
// multipart/*, text/*) is waited for.
func (r *Reader) endShort(s *stream, p *capture.Packet, take func(*Message)) {
	if s.buf == 0 || s.need == 0 || s.mode != inHead || !r.beginsMessage(p.Payload) {
		return
	}
	held := &r.streams.bufs[s.buf]
	if quotes(held.b) {
		return
	}
	r.emit(p, piece{b: held.b, at: held.last, exact: true}, take)
	r.streams.release(s)
	s.restart(atLine)
}

// beginsMessage reports whether b begins with a start line of a method of the registry or of a response, and the
// line of a header that is known.
func (r *Reader) beginsMessage(b []byte) bool {
	if len(b) == 0 || !startMarks[b[0]] {
		return false
	}
	if kind, sure := r.isStartMark(b); kind == 0 || !sure {
		return false
	}
	first, _, ended := bytes.Cut(b[bytes.IndexByte(b, '\n')+1:], []byte{'\n'})
	name, _, ok := bytes.Cut(first, []byte{':'})
	return ended && ok && find(bytes.TrimRight(name, " \t")) != nil
}

// quotes reports whether the body of the message that b begins with may hold another message.
func quotes(b []byte) bool {
	kind := syntax.ContentType(b[:syntax.HeadLength(b)])
	for _, class := range [...]string{"message/", "multipart/", "text/"} {
		if syntax.HasPrefixFold(kind, class) {
			return true
		}
	}
	return false
}
