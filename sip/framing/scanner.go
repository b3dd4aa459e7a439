package framing

import (
	"bytes"

	"sipsieve/sip/syntax"
)

// A mode is what a stream's next byte can be.
type mode uint8

const (
	fresh     mode = iota // the first that was seen of it: anything
	atMessage             // the beginning of a message
	atLine                // the beginning of a line that need not be that of a message
	unsynced              // anything: bytes are missing before it
	midLine               // the middle of a line that is passed over
	inHead                // behind a start line
	inHTTP                // behind the first line of what may be an upgrade to WebSocket
	frames                // a WebSocket frame
	record                // a TLS record, if the one before it was one
	opaque                // nothing that can be read: TLS
)

// A stream is one direction of a connection. The bytes that it holds begin where a message may begin; places count from
// there.
type stream struct {
	number  uint64
	left    int64  // how many of the next bytes are passed over
	buf     uint32 // the buffer that holds what came of a message so far; 0 for none
	line    int32  // where the line, or the frame, begins that is looked at
	scanned int32  // up to where the end of the line was looked for
	need    int32  // the length of the message, once that is known
	lines   uint16
	mode    mode
}

// restart clears what s has read of a message.
func (s *stream) restart(m mode) { *s = stream{number: s.number, buf: s.buf, mode: m} }

// A scanner finds where messages begin and end in the bytes of streams.
type scanner struct {
	limits  Limits
	sync    syncPoints
	counts  *counters
	skipped int  // bytes of the payload at hand that were passed over
	idle    int  // those that are not meant to bring anything: keep-alives
	tooLong bool // the last step passed over a message whose headers are over a limit
}

// step returns how many bytes at the beginning of b are done with: a message if s.need is set, else something to
// pass over. It returns 0 where the bytes that follow decide.
func (c *scanner) step(s *stream, b []byte) int {
	switch {
	case s.left > 0:
		n := int(min(s.left, int64(len(b))))
		s.left -= int64(n)
		return c.skip(n)
	case s.mode == opaque:
		return len(b)
	case s.mode == frames:
		return c.frame(s, b)
	case s.mode == inHead, s.mode == inHTTP:
		return c.head(s, b)
	case s.mode == record:
		return c.record(s, b)
	case s.mode == midLine:
		return c.passLine(s, b)
	}
	return c.boundary(s, b)
}

// skip counts n bytes that are passed over.
func (c *scanner) skip(n int) int {
	c.skipped += n
	return n
}

// boundary looks at a place where a message may begin.
func (c *scanner) boundary(s *stream, b []byte) int {
	if n := len(b) - len(syntax.SkipEmpty(b)); n > 0 {
		c.idle += n
		if s.mode != atMessage {
			s.restart(atLine) // a blank line may be the end of headers that were not seen
		}
		return n
	}
	switch kind, sure := c.sync.kind(b); {
	case kind == 0 && s.mode == unsynced:
		return c.passLine(s, b)
	case kind == 0:
		return c.firstLine(s, b)
	case !sure:
		return 0
	case kind == inHead:
		return c.begins(s, b, inHead)
	case kind == frames:
		s.restart(frames)
		return c.frame(s, b)
	case s.mode == fresh:
		return c.turnOpaque(s, b)
	}
	s.restart(record)
	s.left = int64(recordLength(b))
	return c.step(s, b)
}

// begins goes on behind the first line of b.
func (c *scanner) begins(s *stream, b []byte, m mode) int {
	s.restart(m)
	s.line = int32(bytes.IndexByte(b, '\n') + 1)
	s.scanned = s.line
	return c.head(s, b)
}

// firstLine looks at a line that does not begin with a start line of a method of the registry.
func (c *scanner) firstLine(s *stream, b []byte) int {
	n := bytes.IndexByte(b[s.scanned:], '\n') + 1
	end := int(s.scanned) + n
	if n == 0 {
		end = len(b)
	}
	if s.mode != atMessage { // a line of something else may be long in coming
		to := min(end, c.limits.StartLine)
		if i := c.sync.find(b, syntax.Range{From: max(1, int(s.scanned)), To: to}, &binaryMarks); i < to {
			if _, sure := c.sync.kind(b[i:]); !sure {
				s.scanned = int32(i)
				return 0
			}
			s.restart(unsynced)
			return c.skip(i)
		}
	}
	switch {
	case end > c.limits.StartLine:
		return c.passLine(s, b)
	case n == 0:
		s.scanned = int32(len(b))
		return 0
	}
	if s.mode != atMessage { // a body need not end in a line break
		if i := c.sync.find(b, syntax.Range{From: 1, To: end}, &startMarks); i < end {
			s.restart(unsynced)
			return c.skip(i)
		}
	}
	switch line := b[:end]; {
	case syntax.IsStartLine(line):
		return c.begins(s, b, inHead)
	case isHTTP(line):
		return c.begins(s, b, inHTTP)
	}
	return c.passLine(s, b)
}

// passLine passes over the rest of a line, or what of it stands before a sync point.
func (c *scanner) passLine(s *stream, b []byte) int {
	n := bytes.IndexByte(b, '\n') + 1
	end := n
	if n == 0 {
		end = len(b)
	}
	i := c.sync.find(b, syntax.Range{To: end}, &marks)
	switch {
	case i == 0:
		s.restart(unsynced)
		return c.boundary(s, b)
	case i < end:
		s.restart(unsynced)
	case n > 0:
		s.restart(atLine)
	default:
		s.restart(midLine)
	}
	return c.skip(i)
}

// head looks for the end of the headers, and then of the message. A start line among the headers begins a message of
// its own: what stood before it was none, or lost its end.
func (c *scanner) head(s *stream, b []byte) int {
	for s.need == 0 {
		n := bytes.IndexByte(b[s.scanned:], '\n') + 1
		end := int(s.scanned) + n
		switch {
		case n == 0 && len(b) > MaxHead, end > MaxHead, int(s.lines) > c.limits.Headers:
			return c.headTooLong(s)
		case n == 0:
			s.scanned = int32(len(b))
			return 0
		}
		line := b[s.line:end]
		switch {
		case syntax.LineBreak(line) > 0 && s.mode == inHTTP:
			return c.upgrade(s, b[:end])
		case syntax.LineBreak(line) > 0:
			s.need = c.length(b[:end])
		case mayBeStartLine(line) && syntax.IsStartLine(line):
			n := int(s.line)
			s.restart(atLine)
			return c.skip(n)
		}
		s.line, s.scanned = int32(end), int32(end)
		if line[0] != ' ' && line[0] != '\t' {
			s.lines++
		}
	}
	if len(b) < int(s.need) {
		return 0
	}
	return int(s.need)
}

// length returns the length of the message of that head. One without a Content-Length, or with one that no message
// can have, ends with its head: a message that is refused must be passed over all the same.
func (c *scanner) length(head []byte) int32 {
	n := syntax.BodyLength(head)
	if n < 0 || len(head)+n > c.limits.Message {
		n = 0
	}
	return int32(len(head) + n)
}

// headTooLong passes over what was looked at of a head that is over a limit.
func (c *scanner) headTooLong(s *stream) int {
	c.tooLong = s.mode == inHead
	n := int(s.line)
	s.restart(atLine)
	return c.skip(n)
}

// record looks for a second TLS record behind the first: one alone may be chance where the beginning of the stream
// was not seen.
func (c *scanner) record(s *stream, b []byte) int {
	switch kind, sure := isRecord(b); {
	case kind == 0:
		s.restart(unsynced)
		return c.boundary(s, b)
	case !sure:
		return 0
	}
	return c.turnOpaque(s, b)
}

func (c *scanner) turnOpaque(s *stream, b []byte) int {
	s.restart(opaque)
	c.counts.tlsStreams.Add(1)
	return len(b)
}

// frame looks for the end of the message whose frames begin b. A message longer than a buffer, and one whose beginning
// was not seen, are passed over.
func (c *scanner) frame(s *stream, b []byte) int {
	for {
		f, ok := readFrame(b[s.line:])
		switch {
		case !ok && len(b) < bufferSize:
			return 0
		case !ok: // there is no room for more: what follows goes on with a message whose beginning was not seen
			n := int(s.line)
			s.restart(frames)
			return c.skip(n)
		}
		first := s.line == 0
		end := int64(s.line) + int64(f.head) + f.payload
		switch {
		case !f.legal(first):
			return c.outOfFrames(s)
		case f.control() && first && int64(len(b)) >= end:
			c.idle += int(end)
			return int(end)
		case f.control() && end <= bufferSize:
		case first && f.opcode == continuation, end > bufferSize:
			return c.passFrame(s, &f, b)
		}
		if int64(len(b)) < end {
			return 0
		}
		s.line = int32(end)
		if f.final && !f.control() {
			s.need = s.line
			return int(s.need)
		}
	}
}

// outOfFrames passes over what cannot be a frame: where the next one begins is not known.
func (c *scanner) outOfFrames(s *stream) int {
	n := int(s.line) + 1
	s.restart(unsynced)
	return c.skip(n)
}

// passFrame passes over f and what stands before it. The rest of its message follows, as its beginning was not seen.
func (c *scanner) passFrame(s *stream, f *frame, b []byte) int {
	if f.reserved != 0 {
		c.counts.deflated.Add(1)
	}
	left := int64(s.line) + int64(f.head) + f.payload
	s.restart(frames)
	s.left = left
	return c.step(s, b)
}

// upgrade looks whether the HTTP head goes over to SIP by WebSocket (RFC 7118 section 4): frames follow then. Each
// direction is decided by itself, for either may be all that was seen.
func (c *scanner) upgrade(s *stream, head []byte) int {
	if !lists(head, "upgrade", "websocket") || !lists(head, "sec-websocket-protocol", "sip") {
		s.restart(atLine)
		return c.skip(len(head))
	}
	c.counts.upgrades.Add(1)
	s.restart(frames)
	return len(head)
}
