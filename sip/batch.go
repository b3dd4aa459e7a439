package sip

import "bytes"

// A Batch owns Messages: it has copied the values that their spans point to, and unfolded them.
type Batch struct {
	Messages []Message
	text     []byte
}

// Add copies m and its values into b, and what may be kept of its session description as a value of Media.
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
	b.addMedia(c, from)
	c.Text, c.media = b.text[from:len(b.text):len(b.text)], nil
}

// addMedia appends the session description's lines, if there are any and a Span can reach them.
func (b *Batch) addMedia(c *Message, from int) {
	if c.media == nil || c.N == MaxSpans {
		return
	}
	off := len(b.text)
	b.text = appendMedia(b.text, c.media)
	n := len(b.text) - off
	if n == 0 || off-from+n > 65535 {
		b.text = b.text[:off]
		return
	}
	c.Spans[c.N] = Span{Header: Media, Off: uint16(off - from), Len: uint16(n)}
	c.N++
}

// carry sets the Spans of c that lie in its i-th value, as they do in that of m.
func (c *Message) carry(m *Message, i int, text []byte) {
	old, s := m.Spans[i], c.Spans[i]
	value := span{int(s.Off), int(s.Off) + int(s.Len)}
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
			*in.to = sentBy(text, value)
		default:
			*in.to = paramSpan(in.of.Header, text, value, in.name)
		}
	}
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
