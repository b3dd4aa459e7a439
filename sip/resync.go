package sip

import (
	"bytes"
	"encoding/binary"
)

// border looks at a place where a message may begin.
func (r *Reader) border(s *stream, b []byte) int {
	if n := len(b) - len(skipEmpty(b)); n > 0 {
		r.streams.idle += n
		s.restart(atLine)
		return n
	}
	switch kind, sure := foreign(b); {
	case kind == 0:
		return r.firstLine(s, b)
	case !sure:
		return 0
	case kind == frames:
		s.restart(frames)
		return r.frame(s, b)
	case s.mode == fresh:
		return r.turnOpaque(s, b)
	}
	s.restart(record)
	s.left = int64(recordHead + binary.BigEndian.Uint16(b[3:]))
	return r.step(s, b)
}

// firstLine looks for a start line in the line that begins b.
func (r *Reader) firstLine(s *stream, b []byte) int {
	n := bytes.IndexByte(b[s.scanned:], '\n') + 1
	end := int(s.scanned) + n
	if n == 0 {
		end = len(b)
	}
	if s.mode != atLine { // a line of a foreign stream may be long in coming
		if i := foreignIn(b, int(s.scanned), end); i < end {
			s.restart(torn)
			return r.skip(i)
		}
	}
	switch {
	case end > r.limits.StartLine:
		s.restart(midLine)
		return r.passLine(s, b)
	case n == 0:
		s.scanned = int32(len(b))
		return 0
	}
	line, ok := readStart(b[:end])
	switch {
	case ok && (line.method != Other || s.mode != torn): // VITE is what a loss left of a method
		s.restart(inHead)
	case isHTTP(b[:end]):
		s.restart(inHTTP)
	default:
		return r.passLine(s, b)
	}
	s.line, s.scanned = int32(end), int32(end)
	return r.head(s, b)
}

// passLine passes over the rest of a line, or what of it stands before something foreign.
func (r *Reader) passLine(s *stream, b []byte) int {
	n := bytes.IndexByte(b, '\n') + 1
	end := n
	if n == 0 {
		end = len(b)
	}
	i := foreignIn(b, 0, end)
	switch {
	case i == 0:
		s.restart(torn)
		return r.border(s, b)
	case i < end:
		s.restart(torn)
	case n > 0:
		s.restart(lost)
	default:
		s.restart(midLine)
	}
	return r.skip(i)
}

// foreignIn returns the first place in b[from:to] where what is no line may begin, to without one.
func foreignIn(b []byte, from, to int) int {
	for i := from; i < to; i++ {
		if c := b[i]; c-0x14 > 3 && c-0x81 > 1 {
			continue
		}
		if kind, _ := foreign(b[i:]); kind != 0 {
			return i
		}
	}
	return to
}

// foreign says what may begin b that is no line: frames, record, or 0 for nothing. It is not sure where too few bytes
// are there.
func foreign(b []byte) (kind mode, sure bool) {
	switch {
	case b[0]-0x14 <= 3:
		return isRecord(b)
	case b[0]-0x81 <= 1:
		return isFrame(b)
	}
	return 0, true
}

// A TLS record begins with its type, its version and its length, RFC 8446 section 5.1.
const (
	recordHead = 5
	maxRecord  = 1<<14 + 2048
)

func isRecord(b []byte) (kind mode, sure bool) {
	if b[0]-0x14 > 3 || len(b) > 1 && b[1] != 3 || len(b) > 2 && b[2] > 4 {
		return 0, true
	}
	if len(b) < recordHead {
		return record, false
	}
	if n := binary.BigEndian.Uint16(b[3:]); n == 0 || n > maxRecord {
		return 0, true
	}
	return record, true
}

// record looks for a second TLS record behind the first: one alone may be chance where the beginning of the stream
// was not seen.
func (r *Reader) record(s *stream, b []byte) int {
	switch kind, sure := isRecord(b); {
	case kind == 0:
		s.restart(torn)
		return r.border(s, b)
	case !sure:
		return 0
	}
	return r.turnOpaque(s, b)
}

func (r *Reader) turnOpaque(s *stream, b []byte) int {
	s.restart(opaque)
	r.counts.tlsStreams.Add(1)
	return len(b)
}

// isDTLS reports whether b begins with a record of DTLS 1.0 or 1.2 that lies in it whole, RFC 6347 section 4.1.
func isDTLS(b []byte) bool {
	const head = 13
	return len(b) > head && b[0]-0x14 <= 3 && b[1] == 0xfe && (b[2] == 0xff || b[2] == 0xfd) &&
		head+int(binary.BigEndian.Uint16(b[11:])) <= len(b)
}
