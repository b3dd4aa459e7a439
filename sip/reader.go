package sip

import (
	"hash/maphash"
	"net/netip"

	"sipsieve/capture"
	"sipsieve/sip/framing"
	"sipsieve/sip/sdp"
	"sipsieve/sip/syntax"
)

// Limits bound one message. The field names are RFC 3261's; sizes are bytes.
type Limits struct {
	Message, StartLine, Line, AddressLine int
	Headers, Params                       int
}

// DefaultLimits returns the limits that the package comment lists.
func DefaultLimits() Limits {
	return Limits{Message: 65535, StartLine: 2048, Line: 8192, AddressLine: 2048, Headers: 128, Params: 64}
}

// A Reader makes Messages of Packets. It is used by one goroutine; its Counts may be read from any.
type Reader struct {
	sel     selector
	carried carried
	framer  *framing.Framer
	counts  counters
}

// NewReader returns a Reader that looks at the headers of s only. A limit of l above 65535 bytes counts as 65535: a Span
// reaches no further.
func NewReader(s Selection, l Limits) *Reader {
	l.Message, l.StartLine = min(l.Message, 65535), min(l.StartLine, framing.MaxHead)
	r := &Reader{}
	r.sel = newSelector(s, l, &r.counts)
	r.framer = framing.New(framing.Limits{Message: l.Message, StartLine: l.StartLine, Headers: l.Headers},
		names.has)
	return r
}

// Select has the Reader look at the headers of s from the next packet on. It is called by the goroutine of Read.
func (r *Reader) Select(s Selection) { r.sel.selectHeaders(s) }

// Links names the headers, lower case, whose values become Link, if Link is selected. It is called before Read.
func (r *Reader) Links(names ...string) { r.sel.links = names }

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
	for ok { // segmentation offload gives several messages in one datagram
		n := r.message(p, &framing.Piece{Text: b, Start: s, Time: p.Time, Cut: p.Cut || p.Mirrored && isShort(b)}, take)
		b = b[n:]
		s, ok = syntax.ReadStartLine(b)
	}
}

// isShort reports whether b, the copy of one message, ends before the message does: agents that cut their packets give
// the length of what is left. A copy without its empty line is short unless its Content-Length is 0.
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

// message reads the message that c begins with and returns how many bytes it took: all of them, unless another start
// line stands where its Content-Length ends it, which is how segmentation offload looks. Behind a line break there, the
// rest is dropped (RFC 3261 section 18.3).
func (r *Reader) message(p *capture.Packet, c *framing.Piece, take func(*Message)) int {
	r.begin(&c.Start)
	why, ok := r.sel.read(c)
	if !ok && !c.Exact { // the next message of the datagram is read all the same
		r.sel.body = syntax.HeadLength(c.Text)
		r.sel.length = syntax.BodyLength(c.Text[:r.sel.body])
	}
	end := r.end(c)
	if ok && end > r.sel.limits.Message {
		why, ok = TooLong, false
	}
	if !ok {
		r.counts.refused[why].Add(1)
		return end
	}
	r.finish(p, c, c.Text[:end])
	r.counts.oddities(r.sel.m.Flags)
	take(&r.sel.m)
	return end
}

// begin counts the message under its start line, and clears the one before.
func (r *Reader) begin(s *syntax.StartLine) {
	r.sel.begin(s)
	if s.Status != 0 {
		r.counts.statuses[s.Status].Add(1)
	} else {
		r.counts.requests[r.sel.m.Method].Add(1)
	}
}

// end returns where the message ends, and flags what is missing.
func (r *Reader) end(c *framing.Piece) int {
	n := r.sel.body + r.sel.length
	framed := r.sel.body > 0 && r.sel.length >= 0
	switch {
	case c.Cut && (!framed || n > len(c.Text)):
		r.sel.m.Flags |= Truncated
	case framed && n > len(c.Text):
		r.sel.m.Flags |= BodyShort
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
	m := &r.sel.m
	m.Time, m.Flow, m.ID, m.VLAN, m.Link, m.Point, m.Origin = c.Time, p.Flow, p.ID, p.VLAN, p.Link, p.Point, p.Origin
	m.Stream = p.Stream
	if c.Wire > 0 {
		m.Flow.Transport = capture.WebSocket
	}
	m.Text = b
	m.Body = maphash.Bytes(seed, b)
	m.Mark, m.Mirrored, m.Arrived = mark(p, m.Body), p.Mirrored, p.Arrived
	m.carried, r.carried = &r.carried, carried{}
	if r.sel.want[Media] && r.sel.body > 0 {
		r.carried.media = sdp.Find(m.Value(ContentType), r.body(b))
	}
	if r.sel.want[Correlation] {
		r.carried.correlation = p.Correlation
	}
}

// body returns what follows the headers, as far as Content-Length goes.
func (r *Reader) body(b []byte) []byte {
	end := len(b)
	if n := r.sel.body + r.sel.length; r.sel.length >= 0 && n < end {
		end = n
	}
	return b[r.sel.body:end]
}

// Counts returns what has been counted so far.
func (r *Reader) Counts() Counts {
	c, streams := &r.counts, r.framer.Counts()
	n := Counts{NotSIP: c.notSIP.Load() + streams.NotSIP, Keepalive: c.keepalive.Load() + streams.Keepalive,
		Opaque: c.dtls.Load() + streams.Opaque, DTLS: c.dtls.Load(), TLSStreams: streams.TLSStreams,
		Upgrades: streams.Upgrades, Inflated: streams.Inflated, Deflated: streams.Deflated,
		Skipped: streams.Skipped, Evicted: streams.Evicted,
		Trailing: c.trailing.Load(), LeftOut: c.leftOut.Load(), Oversize: c.oversize.Load()}
	load(n.Requests[:], c.requests[:])
	load(n.Statuses[:], c.statuses[:])
	load(n.Refused[:], c.refused[:])
	load(n.Odd[:], c.odd[:])
	return n
}

// seed makes fingerprints of one process comparable, whichever Reader made them, and those of two not.
var seed = maphash.MakeSeed()

// mark is the fingerprint of a message of that body between the ends of p.
func mark(p *capture.Packet, body uint64) uint64 {
	return maphash.Comparable(seed, hopOf{p.Flow.Src, p.Flow.Dst, body})
}

// hopOf is what copies and retransmissions of a message on one hop have in common.
type hopOf struct {
	src, dst netip.AddrPort
	body     uint64
}
