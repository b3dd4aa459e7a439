package sip

import (
	"bytes"
	"time"

	"sipsieve/capture"
)

// maxHead bounds the headers of a message on a stream, in bytes.
const maxHead = 32 << 10

// A mode is what a stream's next byte can be.
type mode uint8

const (
	fresh   mode = iota // the first that was seen of it
	atLine              // the beginning of a line, or of a message
	midLine             // the middle of a line that is too long to be a start line
	opaque              // nothing that can be read: TLS
)

// A stream is one direction of a connection, framed by RFC 3261 section 18.3. The bytes that it holds begin where
// a message may begin.
type stream struct {
	number  uint64
	mode    mode
	started bool  // a start line was read
	buf     int32 // the buffer that holds what came of a message so far; 0 for none
	scanned int32 // how much of that was searched already
	need    int32 // the length of the message, once its headers are complete
}

// restart forgets the message that s was in.
func (s *stream) restart(m mode) { s.mode, s.started, s.scanned, s.need = m, false, 0, 0 }

// stream reads the messages that p brings to an end.
func (r *Reader) stream(p *capture.Packet, take func(*Message)) {
	i := r.streams.of(p.Stream, &r.counts)
	s := &r.streams.all[i]
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
}

// payload feeds s and counts a payload that brought nothing.
func (r *Reader) payload(s *stream, p *capture.Packet, take func(*Message)) {
	before := r.streams.skipped
	r.feed(s, p, take)
	skipped := r.streams.skipped - before
	r.counts.skipped.Add(uint64(skipped))
	switch {
	case s.mode == opaque:
		r.counts.opaque.Add(1)
	case skipped >= len(p.Payload):
		r.counts.notSIP.Add(1)
	case s.buf == 0 && len(skipEmpty(p.Payload)) == 0:
		r.counts.keepalive.Add(1)
	}
}

// gap ends what s was in the middle of: bytes are missing. A message of which only body is missing is used.
func (r *Reader) gap(s *stream, p *capture.Packet, take func(*Message)) {
	if s.buf > 0 {
		held := &r.streams.bufs[s.buf]
		if s.need > 0 {
			r.emit(p, piece{b: held.b, at: held.last, cut: true}, take)
		} else {
			r.counts.skipped.Add(uint64(len(held.b)))
		}
		r.streams.release(s)
	}
	if s.mode != opaque {
		s.restart(atLine)
	}
}

// feed takes p's payload to s. A message that lies in it whole is not copied.
func (r *Reader) feed(s *stream, p *capture.Packet, take func(*Message)) {
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
		if n == 0 {
			break
		}
		if s.need > 0 {
			r.emit(p, piece{b: b[done : done+n], at: p.Time, exact: true}, take)
			s.restart(atLine)
		}
		done += n
	}
	return done
}

func (r *Reader) emit(p *capture.Packet, c piece, take func(*Message)) {
	c.start, _ = readStart(c.b)
	r.message(p, c, take)
}

// step returns how many bytes at the beginning of b are done with: a message if s.need says so, else something to
// pass over. It returns 0 where the bytes that follow decide.
func (r *Reader) step(s *stream, b []byte) int {
	switch {
	case s.mode == opaque:
		return len(b)
	case s.mode == midLine:
		return r.passLine(s, b)
	case s.started:
		return r.head(s, b)
	}
	if n := len(b) - len(skipEmpty(b)); n > 0 {
		s.restart(atLine)
		return n
	}
	if s.mode == fresh && b[0] >= 0x14 && b[0] <= 0x17 && (len(b) < 2 || b[1] == 3) { // TLS record, RFC 8446 section 5.1
		if len(b) < 2 {
			return 0
		}
		s.mode = opaque
		return len(b)
	}
	return r.firstLine(s, b)
}

// firstLine looks for a start line in the line that begins b.
func (r *Reader) firstLine(s *stream, b []byte) int {
	n := bytes.IndexByte(b[s.scanned:], '\n') + 1
	end := int(s.scanned) + n
	switch {
	case n == 0 && len(b) > r.limits.StartLine, n > 0 && end > r.limits.StartLine:
		s.restart(midLine)
		return r.passLine(s, b)
	case n == 0:
		s.scanned = int32(len(b))
		return 0
	}
	if _, ok := readStart(b[:end]); !ok {
		s.restart(atLine)
		return r.skip(end)
	}
	s.started, s.scanned = true, int32(end-1)
	return r.head(s, b)
}

// passLine passes over the rest of a line.
func (r *Reader) passLine(s *stream, b []byte) int {
	if n := bytes.IndexByte(b, '\n') + 1; n > 0 {
		s.restart(atLine)
		return r.skip(n)
	}
	return r.skip(len(b))
}

func (r *Reader) skip(n int) int {
	r.streams.skipped += n
	return n
}

// head looks for the end of the headers, and then of the message.
func (r *Reader) head(s *stream, b []byte) int {
	if s.need == 0 {
		end, scanned := blankLine(b, int(s.scanned))
		if end > maxHead || end == 0 && len(b) > maxHead {
			return r.headTooLong(s, b)
		}
		if s.scanned = int32(scanned); end == 0 {
			return 0
		}
		s.need = int32(end)
		if n := lengthIn(b[:end]); n > 0 && end+n <= r.limits.Message {
			s.need += int32(n)
		}
	}
	if len(b) < int(s.need) {
		return 0
	}
	return int(s.need)
}

// headTooLong counts the message and goes on behind its start line.
func (r *Reader) headTooLong(s *stream, b []byte) int {
	line, _ := readStart(b)
	r.begin(&line)
	r.counts.refused[TooLong].Add(1)
	s.restart(atLine)
	return r.skip(line.next)
}

// blankLine returns where the headers end whose lines have been searched up to from, which is the end of a line. It
// returns 0 if they do not end yet, and how far it has searched.
func blankLine(b []byte, from int) (end, scanned int) {
	for i := from; ; i++ {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0, len(b)
		}
		i += n
		rest := b[i+1:]
		if len(rest) == 0 || len(rest) == 1 && rest[0] == '\r' {
			return 0, i
		}
		if n := lineBreak(rest); n > 0 {
			return i + 1 + n, i
		}
	}
}

// lengthIn returns the first Content-Length in the head of a message, -1 without one: a message that is refused
// must be passed over all the same.
func lengthIn(head []byte) int {
	for len(head) > 0 {
		var l []byte
		l, head, _ = bytes.Cut(head, []byte{'\n'})
		if len(l) == 0 || l[0]|0x20 != 'c' && l[0]|0x20 != 'l' {
			continue
		}
		name, value, _ := bytes.Cut(l, []byte{':'})
		if f := find(bytes.TrimRight(name, " \t\r")); f != nil && f.header == ContentLength {
			return contentLength(unfoldedNumber(value, head))
		}
	}
	return -1
}

// unfoldedNumber returns the value that begins in value and, if that is empty, goes on in the next line.
func unfoldedNumber(value, next []byte) []byte {
	value = bytes.TrimSpace(value)
	for len(value) == 0 && len(next) > 0 && (next[0] == ' ' || next[0] == '\t') {
		value, next, _ = bytes.Cut(next, []byte{'\n'})
		value = bytes.TrimSpace(value)
	}
	return value
}

// A buffer holds the beginning of a message.
type buffer struct {
	b    []byte
	last time.Time // of the packet that brought its last byte
}
