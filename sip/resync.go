package sip

import (
	"bytes"
	"encoding/binary"

	"sipsieve/sip/syntax"
)

// border looks at a place where a message may begin.
func (r *Reader) border(s *stream, b []byte) int {
	if n := len(b) - len(skipEmpty(b)); n > 0 {
		r.streams.idle += n
		if s.mode != atLine {
			s.restart(lost) // a blank line may be the end of headers that were not seen
		}
		return n
	}
	switch kind, sure := r.landmark(b); {
	case kind == 0 && s.mode == torn:
		return r.passLine(s, b)
	case kind == 0:
		return r.firstLine(s, b)
	case !sure:
		return 0
	case kind == inHead:
		return r.begins(s, b, inHead)
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

// begins goes on behind the first line of b.
func (r *Reader) begins(s *stream, b []byte, m mode) int {
	s.restart(m)
	s.line = int32(bytes.IndexByte(b, '\n') + 1)
	s.scanned = s.line
	return r.head(s, b)
}

// firstLine looks at a line that does not begin with a start line of a method of the registry.
func (r *Reader) firstLine(s *stream, b []byte) int {
	n := bytes.IndexByte(b[s.scanned:], '\n') + 1
	end := int(s.scanned) + n
	if n == 0 {
		end = len(b)
	}
	if s.mode != atLine { // a line of something else may be long in coming
		to := min(end, r.limits.StartLine)
		if i := r.landmarkIn(b, syntax.Range{From: max(1, int(s.scanned)), To: to}, &binaryMarks); i < to {
			if _, sure := r.landmark(b[i:]); !sure {
				s.scanned = int32(i)
				return 0
			}
			s.restart(torn)
			return r.skip(i)
		}
	}
	switch {
	case end > r.limits.StartLine:
		return r.passLine(s, b)
	case n == 0:
		s.scanned = int32(len(b))
		return 0
	}
	if s.mode != atLine { // a body need not end in a line break
		if i := r.landmarkIn(b, syntax.Range{From: 1, To: end}, &startMarks); i < end {
			s.restart(torn)
			return r.skip(i)
		}
	}
	switch line := b[:end]; {
	case syntax.IsStartLine(line):
		return r.begins(s, b, inHead)
	case isHTTP(line):
		return r.begins(s, b, inHTTP)
	}
	return r.passLine(s, b)
}

// passLine passes over the rest of a line, or what of it stands before a landmark.
func (r *Reader) passLine(s *stream, b []byte) int {
	n := bytes.IndexByte(b, '\n') + 1
	end := n
	if n == 0 {
		end = len(b)
	}
	i := r.landmarkIn(b, syntax.Range{From: 0, To: end}, &marks)
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

// What a landmark may begin with.
var (
	startMarks  = marksOf("IABCROPUSNMs")
	binaryMarks = marksOf("\x14\x15\x16\x17\x81\x82")
	marks       = marksOf("IABCROPUSNMs\x14\x15\x16\x17\x81\x82")
)

func marksOf(bytes string) (set [256]bool) {
	for i := range len(bytes) {
		set[bytes[i]] = true
	}
	return set
}

// landmarkIn returns the first place in s where a landmark that begins with one of first stands, or may, s.To
// without one.
func (r *Reader) landmarkIn(b []byte, s syntax.Range, first *[256]bool) int {
	for i := s.From; i < s.To; i++ {
		if !first[b[i]] {
			continue
		}
		if kind, _ := r.landmark(b[i:]); kind != 0 {
			return i
		}
	}
	return s.To
}

// landmark says what begins b by which a stream is known again wherever its bytes are picked up: inHead for a start
// line of a method of the registry, frames for a WebSocket frame with such a message, record for one of TLS, 0 for
// none. It is not sure where too few bytes are there.
func (r *Reader) landmark(b []byte) (kind mode, sure bool) {
	switch {
	case startMarks[b[0]]:
		return r.isStartMark(b)
	case b[0] == 0x81 || b[0] == 0x82:
		return isFrame(b)
	}
	return isRecord(b)
}

func (r *Reader) isStartMark(b []byte) (kind mode, sure bool) {
	whole, alike := startWord(b)
	if !alike {
		return 0, true
	}
	n := bytes.IndexByte(b[:min(len(b), r.limits.StartLine)], '\n') + 1
	switch {
	case n == 0 && len(b) < r.limits.StartLine:
		return inHead, false
	case !whole || !syntax.IsStartLine(b[:n]):
		return 0, true
	case versions(b[:n]) > 1: // a status line without its end, and another start line
		return 0, true
	}
	return inHead, true
}

// versions returns how often the version stands in line.
func versions(line []byte) (n int) {
	for i := bytes.IndexByte(line, '/'); i >= 0; i = bytes.IndexByte(line, '/') {
		if i >= len("sip") && syntax.HasPrefixFold(line[i-len("sip"):], syntax.Version) {
			n++
		}
		line = line[i+1:]
	}
	return n
}

// startWords are what a request's start line may begin with: the methods of the registry, each with its space.
var startWords = func() (words []string) {
	for _, method := range syntax.Methods {
		words = append(words, method+" ")
	}
	return words
}()

// startWord reports whether b is one of startWords, or the version and a space, as far as b goes, and whether it goes
// far enough.
func startWord(b []byte) (whole, alike bool) {
	for _, word := range startWords {
		if n := min(len(b), len(word)); string(b[:n]) == word[:n] {
			return n == len(word), true
		}
	}
	const word = syntax.Version + " "
	n := min(len(b), len(word))
	return n == len(word), syntax.EqualFold(word[:n], b[:n])
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
