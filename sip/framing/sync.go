package framing

import (
	"bytes"
	"encoding/binary"

	"sipsieve/sip/syntax"
)

// syncPoints find the places by which a stream is recognised wherever its bytes are picked up: a start line of a method of
// the registry, a WebSocket frame with such a message, a TLS record.
type syncPoints struct {
	maxLine int // bytes of a start line
	known   func(name []byte) bool
}

// What a sync point may begin with.
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

// find returns the first place in r where a sync point that begins with one of first stands, or may, r.To without one.
func (p *syncPoints) find(b []byte, r syntax.Range, first *[256]bool) int {
	for i := r.From; i < r.To; i++ {
		if !first[b[i]] {
			continue
		}
		if kind, _ := p.kind(b[i:]); kind != 0 {
			return i
		}
	}
	return r.To
}

// kind returns what begins b: inHead for a start line of a method of the registry, frames for a WebSocket frame with such
// a message, record for one of TLS, 0 for none. It is not sure where too few bytes are there.
func (p *syncPoints) kind(b []byte) (kind mode, sure bool) {
	switch {
	case startMarks[b[0]]:
		return p.startLine(b)
	case b[0] == 0x81 || b[0] == 0x82:
		return isFrame(b)
	}
	return isRecord(b)
}

func (p *syncPoints) startLine(b []byte) (kind mode, sure bool) {
	whole, alike := startWord(b)
	if !alike {
		return 0, true
	}
	n := bytes.IndexByte(b[:min(len(b), p.maxLine)], '\n') + 1
	switch {
	case n == 0 && len(b) < p.maxLine:
		return inHead, false
	case !whole || !syntax.IsStartLine(b[:n]):
		return 0, true
	case versions(b[:n]) > 1: // a status line without its end, and another start line
		return 0, true
	}
	return inHead, true
}

// isMessage reports whether b begins with a start line of a method of the registry or of a response, and the line of
// a header that is known.
func (p *syncPoints) isMessage(b []byte) bool {
	if len(b) == 0 || !startMarks[b[0]] {
		return false
	}
	if kind, sure := p.startLine(b); kind == 0 || !sure {
		return false
	}
	first, _, ended := bytes.Cut(b[bytes.IndexByte(b, '\n')+1:], []byte{'\n'})
	name, _, ok := bytes.Cut(first, []byte{':'})
	return ended && ok && p.known(bytes.TrimRight(name, " \t"))
}

// mayBeStartLine reports whether line begins or ends with the version that a start line has.
func mayBeStartLine(line []byte) bool {
	return syntax.HasPrefixFold(line, syntax.Version) || syntax.EndsInVersion(bytes.TrimRight(line, "\r\n"))
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

// isTLSType reports whether c is the type of a record of TLS or DTLS: 20 to 23.
func isTLSType(c byte) bool { return c-0x14 <= 3 }

// isRecord returns record if b begins with a TLS record, 0 if not. It is not sure where too few bytes are there.
func isRecord(b []byte) (kind mode, sure bool) {
	if !isTLSType(b[0]) || len(b) > 1 && b[1] != 3 || len(b) > 2 && b[2] > 4 {
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

// recordLength returns the length of the TLS record that b begins with, its head included.
func recordLength(b []byte) int { return recordHead + int(binary.BigEndian.Uint16(b[3:])) }

// IsDTLS reports whether b begins with a record of DTLS 1.0 or 1.2 that lies in it whole, RFC 6347 section 4.1.
func IsDTLS(b []byte) bool {
	const head = 13
	return len(b) > head && isTLSType(b[0]) && b[1] == 0xfe && (b[2] == 0xff || b[2] == 0xfd) &&
		head+int(binary.BigEndian.Uint16(b[11:])) <= len(b)
}
