package sip

import (
	"bytes"
	"time"

	"sipsieve/capture"
	"sipsieve/sip/syntax"
)

// maxHead bounds the headers of a message on a stream, in bytes.
const maxHead = 32 << 10

// A mode is what a stream's next byte can be.
type mode uint8

const (
	fresh   mode = iota // the first that was seen of it: anything
	atLine              // the beginning of a message
	lost                // the beginning of a line that need not be that of a message
	torn                // anything: bytes are missing before it
	midLine             // the middle of a line that is passed over
	inHead              // behind a start line
	inHTTP              // behind the first line of what may be an upgrade to WebSocket
	frames              // a WebSocket frame
	record              // a TLS record, if the one before it was one
	opaque              // nothing that can be read: TLS
)

// A stream is one direction of a connection, framed by RFC 3261 section 18.3 or RFC 6455. The bytes that it holds
// begin where a message may begin; places count from there.
type stream struct {
	number  uint64
	left    int64 // how many of the next bytes are passed over
	buf     int32 // the buffer that holds what came of a message so far; 0 for none
	line    int32 // where the line, or the frame, begins that is looked at
	scanned int32 // up to where the end of the line was looked for
	need    int32 // the length of the message, once that is known
	lines   uint16
	mode    mode
}

// restart forgets the message that s was in.
func (s *stream) restart(m mode) { *s = stream{number: s.number, buf: s.buf, mode: m} }

// stream reads the messages that p brings to an end.
func (r *Reader) stream(p *capture.Packet, take func(*Message)) {
	i := r.streams.of(p.Stream, &r.counts)
	s := &r.streams.all[i]
	r.streams.skipped, r.streams.idle = 0, 0
	if p.Lost {
		r.gap(s, p, take)
	}
	if len(p.Payload) > 0 {
		r.payload(s, p, take)
	}
	if p.Cut || p.Ended {
		r.gap(s, p, take)
	}
	if p.Ended {
		r.streams.drop(i)
	}
	r.counts.skipped.Add(uint64(r.streams.skipped))
}

// payload feeds s and counts a payload that brought nothing.
func (r *Reader) payload(s *stream, p *capture.Packet, take func(*Message)) {
	before := r.streams.skipped
	r.feed(s, p, take)
	skipped, idle := r.streams.skipped-before, r.streams.idle
	switch {
	case s.mode == opaque:
		r.counts.opaque.Add(1)
	case idle >= len(p.Payload):
		r.counts.keepalive.Add(1)
	case skipped+idle >= len(p.Payload):
		r.counts.notSIP.Add(1)
	}
}

// gap ends what s was in the middle of: bytes are missing. A message of which only body is missing is used.
func (r *Reader) gap(s *stream, p *capture.Packet, take func(*Message)) {
	if s.buf > 0 {
		held := &r.streams.bufs[s.buf]
		c := piece{b: held.b, at: held.last, cut: true}
		if s.mode == frames {
			c.wire = len(held.b)
			c.b, _ = r.joined(held.b, true)
		}
		if s.need > 0 || c.wire > 0 && syntax.HeadLength(c.b) > 0 {
			r.emit(p, c, take)
		} else {
			r.skip(len(held.b))
		}
		r.streams.release(s)
	}
	if s.mode != opaque {
		s.restart(torn)
	}
}

// feed takes p's payload to s. A message that lies in it whole is not copied.
func (r *Reader) feed(s *stream, p *capture.Packet, take func(*Message)) {
	r.endShort(s, p, take)
	for b := p.Payload; len(b) > 0; {
		if s.buf == 0 {
			if b = b[r.run(s, p, b, take):]; len(b) > 0 {
				r.streams.hold(s, b, &r.counts).last = p.Time
			}
			return
		}
		held := &r.streams.bufs[s.buf]
		before := len(held.b)
		n := min(cap(held.b)-before, len(b))
		held.b, held.last = append(held.b, b[:n]...), p.Time
		done := r.run(s, p, held.b, take)
		if done >= before {
			b = b[done-before:]
			r.streams.release(s)
			continue
		}
		held.b = held.b[:copy(held.b, held.b[done:])]
		b = b[n:]
	}
}

// run takes messages and what lies between them off b and returns how many bytes that were.
func (r *Reader) run(s *stream, p *capture.Packet, b []byte, take func(*Message)) (done int) {
	for done < len(b) {
		n := r.step(s, b[done:])
		switch {
		case n == 0:
			return done
		case s.need == 0:
		case s.mode == frames:
			if text, ok := r.joined(b[done:done+n], false); ok {
				r.emit(p, piece{b: text, at: p.Time, exact: true, wire: n}, take)
			} else {
				r.skip(n)
			}
			s.restart(frames)
		default:
			r.emit(p, piece{b: b[done : done+n], at: p.Time, exact: true}, take)
			s.restart(atLine)
		}
		done += n
	}
	return done
}

// emit reads the message that c is. Only what came in frames can be none.
func (r *Reader) emit(p *capture.Packet, c piece, take func(*Message)) {
	b := skipEmpty(c.b)
	start, ok := syntax.ReadStartLine(b)
	switch {
	case len(b) == 0:
		r.streams.idle += c.wire
	case !ok:
		r.skip(c.wire)
	default:
		c.b, c.start = b, start
		r.message(p, c, take)
	}
}

// step returns how many bytes at the beginning of b are done with: a message if s.need says so, else something to
// pass over. It returns 0 where the bytes that follow decide.
func (r *Reader) step(s *stream, b []byte) int {
	switch {
	case s.left > 0:
		n := int(min(s.left, int64(len(b))))
		s.left -= int64(n)
		return r.skip(n)
	case s.mode == opaque:
		return len(b)
	case s.mode == frames:
		return r.frame(s, b)
	case s.mode == inHead, s.mode == inHTTP:
		return r.head(s, b)
	case s.mode == record:
		return r.record(s, b)
	case s.mode == midLine:
		return r.passLine(s, b)
	}
	return r.border(s, b)
}

// skip counts n bytes that are passed over.
func (r *Reader) skip(n int) int {
	r.streams.skipped += n
	return n
}

// head looks for the end of the headers, and then of the message. A start line among the headers begins a message of
// its own: what stood before it was none, or lost its end.
func (r *Reader) head(s *stream, b []byte) int {
	for s.need == 0 {
		n := bytes.IndexByte(b[s.scanned:], '\n') + 1
		end := int(s.scanned) + n
		switch {
		case n == 0 && len(b) > maxHead, end > maxHead, int(s.lines) > r.limits.Headers:
			return r.headTooLong(s, b)
		case n == 0:
			s.scanned = int32(len(b))
			return 0
		}
		line := b[s.line:end]
		switch {
		case syntax.LineBreak(line) > 0 && s.mode == inHTTP:
			return r.upgrade(s, b[:end])
		case syntax.LineBreak(line) > 0:
			s.need = r.length(b[:end])
		case hasVersion(line) && syntax.IsStartLine(line):
			n := int(s.line)
			s.restart(lost)
			return r.skip(n)
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

// hasVersion reports whether line begins or ends with the version that a start line has.
func hasVersion(line []byte) bool {
	return syntax.HasPrefixFold(line, syntax.Version) || syntax.EndsInVersion(bytes.TrimRight(line, "\r\n"))
}

// length returns the length of the message of that head. One that says nothing of its body, or something that
// nobody would send, has none that could be found.
func (r *Reader) length(head []byte) int32 {
	n := syntax.BodyLength(head)
	if n < 0 || len(head)+n > r.limits.Message {
		n = 0
	}
	return int32(len(head) + n)
}

// headTooLong counts the message, if it is one, and passes over what was looked at.
func (r *Reader) headTooLong(s *stream, b []byte) int {
	if s.mode == inHead {
		line, _ := syntax.ReadStartLine(b)
		r.begin(&line)
		r.counts.refused[TooLong].Add(1)
	}
	n := int(s.line)
	s.restart(lost)
	return r.skip(n)
}

// A buffer holds the beginning of a message.
type buffer struct {
	b    []byte
	last time.Time // of the packet that brought its last byte
}
