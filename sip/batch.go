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

// Add copies m and its values into b, what may be kept of its session description as a value of Media, and what the
// feed said of its call as a value of Correlation.
func (b *Batch) Add(m *Message) {
	b.Messages = append(b.Messages, *m)
	c := &b.Messages[len(b.Messages)-1]
	from := len(b.text)
	c.CallTag, c.PeerTag, c.BranchOf, c.SentBy = Span{}, Span{}, Span{}, Span{}
	for i, s := range m.Spans[:m.N] {
		off := len(b.text) - from
		b.text = appendValue(b.text, m.At(s), s.Folded)
		c.Spans[i] = Span{Header: s.Header, Off: uint16(off), Len: uint16(len(b.text) - from - off)}
		c.carry(m, i, b.text[from:])
	}
	b.addCarried(c, from)
	c.Text, c.carried = b.text[from:len(b.text):len(b.text)], nil
}

// addCarried appends what m has besides its headers.
func (b *Batch) addCarried(c *Message, from int) {
	if c.carried == nil {
		return
	}
	off := len(b.text)
	b.text = sdp.Reduce(b.text, c.carried.media)
	b.addSpan(c, Media, syntax.Range{From: from, To: off})
	off = len(b.text)
	b.text = append(b.text, c.carried.correlation...)
	b.addSpan(c, Correlation, syntax.Range{From: from, To: off})
}

// addSpan makes the text that was appended behind the span a value of c that begins where the span does. Text that is
// empty, or that no Span can reach, is removed again.
func (b *Batch) addSpan(c *Message, h Header, at syntax.Range) {
	n := len(b.text) - at.To
	if n == 0 || c.N == MaxSpans || len(b.text)-at.From > 65535 {
		b.text = b.text[:at.To]
		return
	}
	c.Spans[c.N] = Span{Header: h, Off: uint16(at.To - at.From), Len: uint16(n)}
	c.N++
}

// carry sets the Spans of c that lie in its i-th value, as they do in that of m.
func (c *Message) carry(m *Message, i int, text []byte) {
	old, s := m.Spans[i], c.Spans[i]
	value := syntax.Range{From: int(s.Off), To: int(s.Off) + int(s.Len)}
	for _, in := range [...]struct {
		to   *Span
		of   Span
		name string
	}{{&c.CallTag, m.CallTag, "tag"}, {&c.PeerTag, m.PeerTag, "tag"}, {&c.BranchOf, m.BranchOf, "branch"},
		{&c.SentBy, m.SentBy, ""}} {
		switch {
		case in.of.Len == 0 || in.of.Off < old.Off || in.of.Off+in.of.Len > old.Off+old.Len:
		case !old.Folded:
			*in.to = Span{Header: in.of.Header, Off: in.of.Off - old.Off + s.Off, Len: in.of.Len}
		case in.name == "":
			*in.to = sentBy(text, topmost(text, value))
		default:
			*in.to = paramSpan(in.of.Header, text, value, in.name)
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
