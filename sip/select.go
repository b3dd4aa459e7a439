package sip

import "bytes"

// A pass is the state of one walk over the headers of a message.
type pass struct {
	seen   uint8  // bits of field.once that stood
	lines  int    // header lines so far
	length int    // Content-Length, -1 without one that can be read
	body   int    // where the body begins, 0 if the headers do not end
	token  []byte // a request's method as sent
}

// A line is one header line with its continuations (RFC 3261 section 7.3.1).
type line struct {
	span
	next   int  // where the following line begins
	folded bool // it has continuations
	lf     bool // it ends in LF alone
	open   bool // the text ended before the line did, or where a continuation could have begun
}

// read walks over the headers of the message at the beginning of c.b. It says why it cannot be used, if not ok.
func (r *Reader) read(c *piece) (why Refusal, ok bool) {
	b, s := c.b, &c.start
	if s.next > r.limits.StartLine || r.paramBomb(b[s.uri.from:s.uri.to]) {
		return TooLong, false
	}
	if s.status == 0 {
		r.keep(RequestURI, b, s.uri)
	}
	for at := s.next; at < len(b); {
		if n := lineBreak(b[at:]); n > 0 {
			r.pass.body = at + n
			break
		}
		l := lineAt(b, at)
		if l.open && c.cut {
			break // its end is not known
		}
		if why, ok = r.header(b, l); !ok {
			return why, false
		}
		at = l.next
	}
	return NoCallID, r.pass.seen&needed == needed
}

// lineBreak returns the length of the line break at the beginning of b, 0 if there is none.
func lineBreak(b []byte) int {
	switch {
	case b[0] == '\n':
		return 1
	case b[0] == '\r' && len(b) > 1 && b[1] == '\n':
		return 2
	}
	return 0
}

// lineAt finds the end of the line that begins at b[at], its continuations included.
func lineAt(b []byte, at int) line {
	l := line{span: span{from: at}}
	for i := at; ; l.folded = true {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			l.to, l.next, l.open = len(b), len(b), true
			break
		}
		i += n + 1
		l.to, l.next, l.open = i-1, i, i == len(b)
		if l.open || b[i] != ' ' && b[i] != '\t' {
			break
		}
	}
	if l.to > at && b[l.to-1] == '\r' {
		l.to--
	} else {
		l.lf = l.next > l.to
	}
	return l
}

// header takes note of the line l of b. A line without a colon is stepped over.
func (r *Reader) header(b []byte, l line) (why Refusal, ok bool) {
	if r.pass.lines++; r.pass.lines > r.limits.Headers {
		return TooLong, false
	}
	if l.lf {
		r.m.Flags |= BareLF
	}
	colon := bytes.IndexByte(b[l.from:l.to], ':')
	if colon < 0 {
		return 0, true
	}
	name := trim(b, span{l.from, l.from + colon})
	if name.from != l.from { // a line that only looks like a continuation
		return 0, true
	}
	value := trim(b, span{l.from + colon + 1, l.to})
	f := find(b[name.from:name.to])
	if f == nil && r.want[Link] && r.isLink(b[name.from:name.to]) {
		f = &linkField
	}
	switch {
	case f == nil || f.header == 0 || !r.want[f.header]: // what is not read refuses no message
		return 0, true
	case l.to-l.from <= r.limits.Line:
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
		if sameWord(l, name) {
			return true
		}
	}
	return false
}

// field takes note of a header that is read.
func (r *Reader) field(f *field, b []byte, value span) (why Refusal, ok bool) {
	text := b[value.from:value.to]
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
		r.pass.length = contentLength(text)
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
func (r *Reader) keep(h Header, b []byte, s span) {
	m := &r.m
	if m.N >= MaxSpans-appended-reserved && !r.first(h) || s.to > r.limits.Message {
		r.counts.leftOut.Add(1)
		return
	}
	folded := bytes.IndexByte(b[s.from:s.to], '\n') >= 0
	if folded {
		m.Flags |= Folded
	}
	m.Spans[m.N] = Span{Header: h, Folded: folded, Off: uint16(s.from), Len: uint16(s.to - s.from)}
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
func paramSpan(h Header, b []byte, value span, name string) Span {
	from, to, ok := param(b[value.from:value.to], name)
	if !ok {
		return Span{}
	}
	return Span{Header: h, Off: uint16(value.from + from), Len: uint16(to - from)}
}
