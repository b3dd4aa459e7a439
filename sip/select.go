package sip

import (
	"bytes"
	"slices"

	"sipsieve/sip/framing"
	"sipsieve/sip/syntax"
)

// A Selection is the set of headers that may be looked at. What is not in it is stepped over, but for RequestURI,
// CallID, CSeq, From, To, the topmost Via, ContentType and ContentLength, which identify and frame every message.
type Selection [Headers]bool

// always are the headers that every Selection has.
var always = [...]Header{RequestURI, CallID, CSeq, From, To, ContentType, ContentLength}

// A selector walks over the headers of one message after another and takes the values that are selected.
type selector struct {
	want    Selection
	allVias bool
	limits  Limits
	links   []string // names of headers whose values become Link, lower case
	counts  *counters
	m       Message
	seen    uint8  // bits of headerRow.once that stood
	lines   int    // header lines so far
	length  int    // Content-Length, -1 without one that can be read
	body    int    // where the body begins, 0 if the headers do not end
	token   []byte // a request's method as it stands
}

// Reads reports whether a Reader of s looks at h.
func (s *Selection) Reads(h Header) bool { return s[h] || h == Via || slices.Contains(always[:], h) }

func newSelector(s Selection, l Limits, c *counters) selector {
	x := selector{limits: l, counts: c}
	x.selectHeaders(s)
	return x
}

// selectHeaders selects s, and what every Selection has.
func (x *selector) selectHeaders(s Selection) {
	x.want, x.allVias = s, s[Via]
	for _, h := range always {
		x.want[h] = true
	}
	x.want[Via] = true
}

// begin clears the message before.
func (x *selector) begin(s *syntax.StartLine) {
	m := &x.m
	m.Method, m.Status, m.CSeq, m.Vias, m.Flags, m.N = 0, s.Status, 0, 0, 0, 0
	if s.Status == 0 {
		m.Method = methodOf(s.Method)
	}
	m.fromTag, m.toTag, m.branch, m.sentBy = Span{}, Span{}, Span{}, Span{}
	if s.BareLF {
		m.Flags = BareLF
	}
	x.seen, x.lines, x.length, x.body, x.token = 0, 0, -1, 0, s.Method
}

// read walks over the headers of the message that c begins with. When ok is false, why is the reason not to use it.
func (x *selector) read(c *framing.Piece) (why Refusal, ok bool) {
	b, s := c.Text, &c.Start
	if s.Next > x.limits.StartLine || x.paramBomb(b[s.URI.From:s.URI.To]) {
		return TooLong, false
	}
	if s.Status == 0 {
		x.keep(RequestURI, b, s.URI)
	}
	for i := s.Next; i < len(b); {
		if n := syntax.LineBreak(b[i:]); n > 0 {
			x.body = i + n
			break
		}
		l := syntax.LineAt(b, i)
		if l.Open && c.Cut {
			break // its end is not known
		}
		if why, ok = x.header(b, l); !ok {
			return why, false
		}
		i = l.Next
	}
	return NoCallID, x.seen&needed == needed
}

// header reads the line l of b. A line without a colon is stepped over.
func (x *selector) header(b []byte, l syntax.Line) (why Refusal, ok bool) {
	if x.lines++; x.lines > x.limits.Headers {
		return TooLong, false
	}
	if l.BareLF {
		x.m.Flags |= BareLF
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
	entry := names.entry(b[name.From:name.To])
	h := names.entries[entry].header
	if entry == 0 && x.want[Link] && x.isLink(b[name.From:name.To]) {
		h = Link
	}
	switch {
	case h == 0 || !x.want[h]: // what is not read refuses no message
		return 0, true
	case l.To-l.From <= x.limits.Line:
		return x.value(h, b, value)
	case h == Identity:
		x.counts.oversize.Add(1)
		return 0, true
	}
	return TooLong, false
}

func (x *selector) isLink(name []byte) bool {
	for _, l := range x.links {
		if syntax.EqualFold(l, name) {
			return true
		}
	}
	return false
}

// value takes the value of a header that is read.
func (x *selector) value(h Header, b []byte, value syntax.Range) (why Refusal, ok bool) {
	row, text := &headers[h], b[value.From:value.To]
	if x.seen&row.once != 0 {
		x.m.Flags |= Repeated
		return DupSingle, x.repeats(h, b, text)
	}
	x.seen |= row.once
	if row.address && (len(text) > x.limits.AddressLine || x.paramBomb(text)) {
		return TooLong, false
	}
	switch h {
	case CSeq:
		if !x.cseq(text) {
			return BadCSeq, false
		}
	case Via:
		return x.via(b, value)
	case ContentLength:
		x.length = syntax.ContentLength(text)
	case Authorization, ProxyAuthorization, WWWAuthenticate, ProxyAuthenticate:
		x.credentials(h, b, value)
		return 0, true
	}
	x.keep(h, b, value)
	switch h {
	case From:
		x.m.fromTag = paramSpan(From, b, value, "tag")
	case To:
		x.m.toTag = paramSpan(To, b, value, "tag")
	}
	return 0, true
}

// Spans that are kept free: reserved for the headers without which a message is not used, appended for what a Batch
// adds, Media and Correlation.
const (
	reserved = len(always) + 2
	appended = 2
)

// keep adds a Span, if there is room.
func (x *selector) keep(h Header, b []byte, s syntax.Range) {
	m := &x.m
	if m.N >= maxSpans-appended-reserved && !x.first(h) || s.To > x.limits.Message {
		x.counts.leftOut.Add(1)
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
func (x *selector) first(h Header) bool {
	switch h {
	case RequestURI, CallID, CSeq, From, To, ContentLength:
		return true // they stand once
	case Via:
		return x.m.Vias == 0
	case ContentType, Privacy: // what a party asks for is not lost among many headers
		return x.m.count(h) == 0
	}
	return false
}

// cseq reads a CSeq: below 2^31 (RFC 3261 section 8.1.1.5), a space, a method.
func (x *selector) cseq(v []byte) bool {
	n, i := 0, 0
	for ; i < len(v) && '0' <= v[i] && v[i] <= '9'; i++ {
		if n = n*10 + int(v[i]-'0'); n >= 1<<31 {
			return false
		}
	}
	method := syntax.Trim(v, syntax.Range{From: i, To: len(v)})
	token := v[method.From:method.To]
	if i == 0 || method.From == i || !syntax.IsToken(token) {
		return false
	}
	x.m.CSeq = uint32(n)
	if x.m.Status != 0 {
		x.m.Method = methodOf(token)
	} else if !bytes.Equal(token, x.token) {
		x.m.Flags |= CSeqMismatch
	}
	return true
}

// paramBomb reports whether one of the comma-separated values of v has more parameters than the limit, those of
// its URI and the URI's own headers included.
func (x *selector) paramBomb(v []byte) bool {
	if bytes.Count(v, []byte{';'})+bytes.Count(v, []byte{'&'}) <= x.limits.Params {
		return false
	}
	s := syntax.Scan(v)
	for i := 0; i < len(v); {
		end := s.Next(i, ',', ',')
		if bytes.Count(v[i:end], []byte{';'})+bytes.Count(v[i:end], []byte{'&'}) > x.limits.Params {
			return true
		}
		i = end + 1
	}
	return false
}

// lowerVias is how many Via values below the topmost an INVITE keeps at least: they show which hop follows which.
const lowerVias = 4

// via reads a Via line: how many values it has, and of the topmost its branch and sent-by.
func (x *selector) via(b []byte, value syntax.Range) (why Refusal, ok bool) {
	v := b[value.From:value.To]
	if x.paramBomb(v) {
		return TooLong, false
	}
	s := syntax.Scan(v)
	top := s.Next(0, ',', ',')
	all := x.allVias || x.m.Method == Invite && x.m.Request() && x.m.Vias <= lowerVias
	if x.m.Vias == 0 {
		one := syntax.Range{From: value.From, To: value.From + top}
		if !all {
			value = syntax.Trim(b, one)
		}
		x.keep(Via, b, value)
		x.m.branch = paramSpan(Via, b, one, "branch")
		x.m.sentBy = sentBy(b, one)
	} else if all {
		x.keep(Via, b, value)
	}
	for x.m.Vias < 255 {
		x.m.Vias++
		if top >= len(v) {
			break
		}
		top = s.Next(top+1, ',', ',')
	}
	return 0, true
}

// credentials keeps a Span of each allowed parameter of a Digest value, name and all: username="alice". No parameter of
// another scheme is kept: it may be a secret.
func (x *selector) credentials(h Header, b []byte, value syntax.Range) {
	const scheme = "digest"
	v := b[value.From:value.To]
	if len(v) <= len(scheme) || !syntax.HasPrefixFold(v, scheme) || !syntax.IsBlank(v[len(scheme)]) {
		return
	}
	s := syntax.Scan(v)
	for i := len(scheme); i < len(v); {
		end := s.Next(i, ',', ',')
		one := syntax.Trim(v, syntax.Range{From: i, To: end})
		if mayKeep(h, v[one.From:one.To]) {
			x.keep(h, b, syntax.Range{From: value.From + one.From, To: value.From + one.To})
		}
		i = end + 1
	}
}

// repeats reports whether text is the value that b's message has of h, a header of one value. CSeq and Content-Length
// are compared as numbers, the others byte for byte, with white space and line breaks taken for one space.
func (x *selector) repeats(h Header, b, text []byte) bool {
	var first []byte
	for _, s := range x.m.Spans[:x.m.N] {
		if s.Header == h {
			first = b[s.Off : int(s.Off)+int(s.Len)]
			break
		}
	}
	switch n := syntax.ContentLength(first); {
	case h == CSeq:
		return sameCSeq(first, text)
	case h == ContentLength && n >= 0:
		return n == syntax.ContentLength(text)
	}
	return sameSpaced(first, text)
}
