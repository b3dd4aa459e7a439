package sip

import (
	"bytes"
	"unsafe"

	"sipsieve/sip/sdp"
	"sipsieve/sip/syntax"
)

// A Batch owns Messages: it has copied the values that their spans point to, and unfolded them.
type Batch struct {
	Messages []Message
	text     []byte
}

// Add copies m and its values into b, what sdp.Reduce keeps of its session description as a value of Media, and the
// correlation identifier of its packet as a value of Correlation.
func (b *Batch) Add(m *Message) {
	b.Messages = append(b.Messages, *m)
	c := &b.Messages[len(b.Messages)-1]
	begin := len(b.text)
	c.fromTag, c.toTag, c.branch, c.sentBy = Span{}, Span{}, Span{}, Span{}
	for i, s := range m.Spans[:m.N] {
		off := len(b.text) - begin
		b.text = appendValue(b.text, m.At(s), s.Folded)
		c.Spans[i] = Span{Header: s.Header, Off: uint16(off), Len: uint16(len(b.text) - begin - off)}
		carry(c, m, i, b.text[begin:])
	}
	b.addCarried(c, begin)
	c.Text, c.carried = b.text[begin:len(b.text):len(b.text)], nil
}

// addCarried appends what m has besides its headers.
func (b *Batch) addCarried(c *Message, begin int) {
	if c.carried == nil {
		return
	}
	off := len(b.text)
	b.text = sdp.Reduce(b.text, c.carried.media)
	b.addSpan(c, Media, syntax.Range{From: begin, To: off})
	off = len(b.text)
	b.text = append(b.text, c.carried.correlation...)
	b.addSpan(c, Correlation, syntax.Range{From: begin, To: off})
}

// addSpan makes the text that was appended to before a value of c, whose text begins where before does. Text that is
// empty, or that no Span can reach, is removed again.
func (b *Batch) addSpan(c *Message, h Header, before syntax.Range) {
	n := len(b.text) - before.To
	if n == 0 || c.N == maxSpans || len(b.text)-before.From > 65535 {
		b.text = b.text[:before.To]
		return
	}
	c.Spans[c.N] = Span{Header: h, Off: uint16(before.To - before.From), Len: uint16(n)}
	c.N++
}

// carry sets the Spans of c, a copy of m with the given text, that lie in its i-th value: tags, branch and sent-by.
func carry(c, m *Message, i int, text []byte) {
	old, s := m.Spans[i], c.Spans[i]
	value := syntax.Range{From: int(s.Off), To: int(s.Off) + int(s.Len)}
	for _, part := range [...]struct {
		to   *Span
		in   Span
		name string // of a parameter; "" for sent-by
	}{{&c.fromTag, m.fromTag, "tag"}, {&c.toTag, m.toTag, "tag"}, {&c.branch, m.branch, "branch"},
		{&c.sentBy, m.sentBy, ""}} {
		switch {
		case part.in.Len == 0 || part.in.Off < old.Off || part.in.Off+part.in.Len > old.Off+old.Len:
		case !old.Folded:
			*part.to = Span{Header: part.in.Header, Off: part.in.Off - old.Off + s.Off, Len: part.in.Len}
		case part.name == "":
			*part.to = sentBy(text, topmost(text, value))
		default:
			*part.to = paramSpan(part.in.Header, text, value, part.name)
		}
	}
}

// topmost returns the first of the comma-separated values.
func topmost(b []byte, value syntax.Range) syntax.Range {
	s := syntax.Scan(b[value.From:value.To])
	return syntax.Range{From: value.From, To: value.From + s.Next(0, ',', ',')}
}

// appendValue appends v to dst; of a folded one each line break with the white space around it as one space
// (RFC 3261 section 7.3.1).
func appendValue(dst, v []byte, folded bool) []byte {
	if !folded {
		return append(dst, v...)
	}
	for {
		i := bytes.IndexByte(v, '\n')
		if i < 0 {
			return append(dst, v...)
		}
		dst = append(append(dst, bytes.TrimRight(v[:i], " \t\r")...), ' ')
		v = bytes.TrimLeft(v[i+1:], " \t")
	}
}

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	b.Messages, b.text = b.Messages[:0], b.text[:0]
}

// Size returns how many bytes the Messages of b and their values take.
func (b *Batch) Size() int { return len(b.Messages)*int(unsafe.Sizeof(Message{})) + len(b.text) }
