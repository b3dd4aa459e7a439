package sip

import (
	"bytes"

	"sipsieve/sip/framing"
	"sipsieve/sip/syntax"
)

// A pass is the state of one walk over the headers of a message.
type pass struct {
	seen   uint8  // bits of field.once that stood
	lines  int    // header lines so far
	length int    // Content-Length, -1 without one that can be read
	body   int    // where the body begins, 0 if the headers do not end
	token  []byte // a request's method as sent
}

// read walks over the headers of the message at the beginning of c. It says why it cannot be used, if not ok.
func (r *Reader) read(c *framing.Piece) (why Refusal, ok bool) {
	b, s := c.Text, &c.Start
	if s.Next > r.limits.StartLine || r.paramBomb(b[s.URI.From:s.URI.To]) {
		return TooLong, false
	}
	if s.Status == 0 {
		r.keep(RequestURI, b, s.URI)
	}
	for at := s.Next; at < len(b); {
		if n := syntax.LineBreak(b[at:]); n > 0 {
			r.pass.body = at + n
			break
		}
		l := syntax.LineAt(b, at)
		if l.Open && c.Cut {
			break // its end is not known
		}
		if why, ok = r.header(b, l); !ok {
			return why, false
		}
		at = l.Next
	}
	return NoCallID, r.pass.seen&needed == needed
}

// header takes note of the line l of b. A line without a colon is stepped over.
func (r *Reader) header(b []byte, l syntax.Line) (why Refusal, ok bool) {
	if r.pass.lines++; r.pass.lines > r.limits.Headers {
		return TooLong, false
	}
	if l.BareLF {
		r.m.Flags |= BareLF
	}
	colon := bytes.IndexByte(b[l.From:l.To], ':')
	if colon < 0 {
		return 0, true
	}
	name := syntax.Trim(b, syntax.Range{From: l.From, To: l.From + colon})
	if name.From != l.From { // a line that only looks like a continuation
		return 0, true
	}
	value := syntax.Trim(b, syntax.Range{From: l.From + colon + 1, To: l.To})
	f := find(b[name.From:name.To])
	if f == nil && r.want[Link] && r.isLink(b[name.From:name.To]) {
		f = &linkField
	}
	switch {
	case f == nil || f.header == 0 || !r.want[f.header]: // what is not read refuses no message
		return 0, true
	case l.To-l.From <= r.limits.Line:
		return r.field(f, b, value)
	case f.header == Identity:
		r.counts.oversize.Add(1)
		return 0, true
	}
	return TooLong, false
}

// linkField is what the headers are that name other legs.
var linkField = field{header: Link}

func (r *Reader) isLink(name []byte) bool {
	for _, l := range r.links {
		if syntax.EqualFold(l, name) {
			return true
		}
	}
	return false
}

// field takes note of a header that is read.
func (r *Reader) field(f *field, b []byte, value syntax.Range) (why Refusal, ok bool) {
	text := b[value.From:value.To]
	if r.pass.seen&f.once != 0 {
		r.m.Flags |= Repeated
		return DupSingle, r.repeats(f.header, b, text)
	}
	r.pass.seen |= f.once
	if f.address && (len(text) > r.limits.AddressLine || r.paramBomb(text)) {
		return TooLong, false
	}
	switch f.header {
	case CSeq:
		if !r.cseq(text) {
			return BadCSeq, false
		}
	case Via:
		return r.via(b, value)
	case ContentLength:
		r.pass.length = syntax.ContentLength(text)
	case Authorization, ProxyAuthorization, WWWAuthenticate, ProxyAuthenticate:
		r.credentials(f.header, b, value)
		return 0, true
	}
	r.keep(f.header, b, value)
	switch f.header {
	case From:
		r.m.CallTag = paramSpan(From, b, value, "tag")
	case To:
		r.m.PeerTag = paramSpan(To, b, value, "tag")
	}
	return 0, true
}

// reserved is how many Spans are kept free for the headers without which a message is not used, and appended how
// many for what a Batch adds: Media and Correlation.
const (
	reserved = len(always) + 1
	appended = 2
)

// keep adds a Span, if there is room.
func (r *Reader) keep(h Header, b []byte, s syntax.Range) {
	m := &r.m
	if m.N >= MaxSpans-appended-reserved && !r.first(h) || s.To > r.limits.Message {
		r.counts.leftOut.Add(1)
		return
	}
	folded := bytes.IndexByte(b[s.From:s.To], '\n') >= 0
	if folded {
		m.Flags |= Folded
	}
	m.Spans[m.N] = Span{Header: h, Folded: folded, Off: uint16(s.From), Len: uint16(s.To - s.From)}
	m.N++
}

// first reports whether h is one of those with a Span of their own, and has not used it.
func (r *Reader) first(h Header) bool {
	switch h {
	case RequestURI, CallID, CSeq, From, To, ContentLength:
		return true // they stand once
	case Via:
		return r.m.Vias == 0
	case ContentType:
		return r.m.count(ContentType) == 0
	}
	return false
}

// paramSpan returns where the parameter of that name stands in value; the zero Span without one.
func paramSpan(h Header, b []byte, value syntax.Range, name string) Span {
	r, ok := syntax.ParamRange(b[value.From:value.To], name)
	if !ok {
		return Span{}
	}
	return Span{Header: h, Off: uint16(value.From + r.From), Len: uint16(r.To - r.From)}
}
