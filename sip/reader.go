package sip

import (
	"hash/maphash"

	"sipsieve/capture"
	"sipsieve/sip/framing"
	"sipsieve/sip/sdp"
	"sipsieve/sip/syntax"
)

// A Selection is the set of headers that may be looked at. What is not in it is stepped over, but for RequestURI,
// CallID, CSeq, From, To, the topmost Via, ContentType and ContentLength: without them no message can be told
// from another.
type Selection [Headers]bool

// always are the headers that every Selection has.
var always = [...]Header{RequestURI, CallID, CSeq, From, To, ContentType, ContentLength}

// Limits bound one message. The field names are RFC 3261's; sizes are bytes.
type Limits struct {
	Message, StartLine, Line, AddressLine int
	Headers, Params                       int
}

// DefaultLimits returns the limits of section 6.3 of the capture notes.
func DefaultLimits() Limits {
	return Limits{Message: 65535, StartLine: 2048, Line: 8192, AddressLine: 2048, Headers: 128, Params: 64}
}

// A Reader makes Messages of Packets. It is used by one goroutine; its Counts may be read from any.
type Reader struct {
	want    Selection
	allVias bool
	limits  Limits
	links   []string
	pass    pass
	m       Message
	carried carried
	framer  *framing.Framer
	counts  counters
}

// NewReader returns a Reader that looks at the headers of s only. What a Limit of l above 65535 bytes would allow
// is refused all the same: a Span reaches no further.
func NewReader(s Selection, l Limits) *Reader {
	l.Message, l.StartLine = min(l.Message, 65535), min(l.StartLine, framing.MaxHead)
	r := &Reader{want: s, allVias: s[Via], limits: l}
	r.framer = framing.New(framing.Limits{Message: l.Message, StartLine: l.StartLine, Headers: l.Headers},
		func(name []byte) bool { return find(name) != nil })
	for _, h := range always {
		r.want[h] = true
	}
	r.want[Via] = true
	return r
}

// Links names the headers, lower case, whose values become Link, if Link is selected. It is called before Read.
func (r *Reader) Links(names ...string) { r.links = names }

// Read calls take with every Message in p, in the order of the bytes. The Message borrows p's payload, or the
// Reader's own buffer, until take returns.
func (r *Reader) Read(p *capture.Packet, take func(*Message)) {
	if p.Stream != 0 {
		r.framer.Read(p, func(c framing.Piece) { r.piece(p, &c, take) })
		return
	}
	b := syntax.SkipEmpty(p.Payload)
	if len(b) == 0 {
		r.counts.keepalive.Add(1)
		return
	}
	s, ok := syntax.ReadStartLine(b)
	switch {
	case !ok && framing.IsDTLS(b):
		r.counts.dtls.Add(1)
	case !ok:
		r.counts.notSIP.Add(1)
	}
	for ok { // several messages in one datagram: so segmentation offload shows them to us
		n := r.message(p, &framing.Piece{Text: b, Start: s, Time: p.Time, Cut: p.Cut || p.Mirrored && isShort(b)}, take)
		b = b[n:]
		s, ok = syntax.ReadStartLine(b)
	}
}

// isShort reports whether b, the copy of one message, ends before the message does: agents that cut their packets give
// the length of what is left. A copy without its empty line is short unless it says that there is no body.
func isShort(b []byte) bool {
	if head := syntax.HeadLength(b); head > 0 {
		return syntax.BodyLength(b[:head]) > len(b)-head
	}
	return syntax.BodyLength(b) != 0
}

// piece reads what the framer found in a stream.
func (r *Reader) piece(p *capture.Packet, c *framing.Piece, take func(*Message)) {
	if c.TooLong {
		r.begin(&c.Start)
		r.counts.refused[TooLong].Add(1)
		return
	}
	r.message(p, c, take)
}

// message reads the message at the beginning of c.b and returns how many bytes it took: all of them, unless
// another start line stands right where its Content-Length says that it ends: a line break between them is no sign of
// offload, but of a sender whose rest RFC 3261 section 18.3 throws away.
func (r *Reader) message(p *capture.Packet, c *framing.Piece, take func(*Message)) int {
	r.begin(&c.Start)
	why, ok := r.read(c)
	if !ok && !c.Exact { // the next message of the datagram does not suffer for it
		r.pass.body = syntax.HeadLength(c.Text)
		r.pass.length = syntax.BodyLength(c.Text[:r.pass.body])
	}
	end := r.end(c)
	if ok && end > r.limits.Message {
		why, ok = TooLong, false
	}
	if !ok {
		r.counts.refused[why].Add(1)
		return end
	}
	r.finish(p, c, c.Text[:end])
	r.counts.oddities(r.m.Flags)
	take(&r.m)
	return end
}

// begin counts the message under its start line and forgets the one before.
func (r *Reader) begin(s *syntax.StartLine) {
	m := &r.m
	m.Method, m.Status, m.CSeq, m.Vias, m.Flags, m.N = 0, s.Status, 0, 0, 0, 0
	if s.Status != 0 {
		r.counts.statuses[s.Status].Add(1)
	} else {
		m.Method = methodOf(s.Method)
		r.counts.requests[m.Method].Add(1)
	}
	m.CallTag, m.PeerTag, m.BranchOf, m.SentBy = Span{}, Span{}, Span{}, Span{}
	if s.BareLF {
		m.Flags = BareLF
	}
	r.pass = pass{length: -1, token: s.Method}
}

// end returns where the message ends, and takes note of what is missing.
func (r *Reader) end(c *framing.Piece) int {
	n := r.pass.body + r.pass.length
	framed := r.pass.body > 0 && r.pass.length >= 0
	switch {
	case c.Cut && (!framed || n > len(c.Text)):
		r.m.Flags |= Truncated
	case framed && n > len(c.Text):
		r.m.Flags |= BodyShort
	case framed && !c.Exact:
		if _, more := syntax.ReadStartLine(c.Text[n:]); more {
			return n
		}
		r.counts.trailing.Add(uint64(len(c.Text) - n))
	}
	return len(c.Text)
}

// finish sets what the Message has from its packet, and its fingerprints.
func (r *Reader) finish(p *capture.Packet, c *framing.Piece, b []byte) {
	m := &r.m
	m.Time, m.Flow, m.ID, m.VLAN, m.Link, m.Point, m.Origin = c.Time, p.Flow, p.ID, p.VLAN, p.Link, p.Point, p.Origin
	m.Stream = p.Stream
	if c.Wire > 0 {
		m.Flow.Transport = capture.WebSocket
	}
	m.Text = b
	m.Body = maphash.Bytes(seed, b)
	m.Mark, m.Mirrored, m.Arrived = mark(p, m.Body), p.Mirrored, p.Arrived
	m.carried, r.carried = &r.carried, carried{}
	if r.want[Media] && r.pass.body > 0 {
		r.carried.media = sdp.Find(m.Value(ContentType), r.body(b))
	}
	if r.want[Correlation] {
		r.carried.correlation = p.Correlation
	}
}

// body returns what follows the headers, as far as Content-Length goes.
func (r *Reader) body(b []byte) []byte {
	end := len(b)
	if n := r.pass.body + r.pass.length; r.pass.length >= 0 && n < end {
		end = n
	}
	return b[r.pass.body:end]
}

// seed makes fingerprints of one process comparable, whichever Reader made them, and those of two not.
var seed = maphash.MakeSeed()

// mark is the fingerprint of a message of that body between the ends of p.
func mark(p *capture.Packet, body uint64) uint64 {
	return maphash.Comparable(seed, hopOf{p.Flow.Src, p.Flow.Dst, body})
}
