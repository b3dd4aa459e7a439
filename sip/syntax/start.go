package syntax

import "bytes"

// Methods are the request methods of the IANA registry.
var Methods = [...]string{"INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "PRACK", "UPDATE", "INFO", "SUBSCRIBE",
	"NOTIFY", "REFER", "MESSAGE", "PUBLISH"}

// Version is that of a start line. It is compared without case (RFC 3261 section 7.1).
const Version = "SIP/2.0"

// A StartLine is a request line or a status line (RFC 3261 sections 7.1 and 7.2).
type StartLine struct {
	Method []byte // a request's, as it stands; nil in a response
	URI    Range  // a request's
	Status int    // 100 to 699; 0 in a request
	BareLF bool   // it ends in LF alone
	Next   int    // where the line after it begins
}

// ReadStartLine reads the start line at the beginning of text, to the letter but for the case of the version: white space
// that the grammar does not have makes it none, as it does for the parties on the wire.
func ReadStartLine(text []byte) (s StartLine, ok bool) {
	end := bytes.IndexByte(text, '\n')
	s.Next = end + 1
	if end < 0 {
		end, s.Next = len(text), len(text)
	}
	if end > 0 && text[end-1] == '\r' {
		end--
	} else {
		s.BareLF = s.Next > end
	}
	if HasPrefixFold(text[:end], Version) {
		return s, s.readStatus(text[len(Version):end])
	}
	return s, s.readRequest(text[:end])
}

// IsStartLine reports whether text begins with a start line.
func IsStartLine(text []byte) bool {
	_, ok := ReadStartLine(text)
	return ok
}

// readStatus reads what follows the version: a space and three digits, with a space and a reason or nothing after them.
func (s *StartLine) readStatus(rest []byte) (ok bool) {
	if len(rest) < 4 || rest[0] != ' ' || len(rest) > 4 && rest[4] != ' ' {
		return false
	}
	s.Status, ok = Decimal(rest[1:4], 699)
	return ok && s.Status >= 100
}

// readRequest reads a method, a URI and the version, one space between them.
func (s *StartLine) readRequest(line []byte) bool {
	space, tail := bytes.IndexByte(line, ' '), len(line)-len(Version)-1
	if space < 1 || tail <= space+1 || line[tail] != ' ' || !EndsInVersion(line) {
		return false
	}
	s.Method, s.URI = line[:space], Range{space + 1, tail}
	uri := line[s.URI.From:s.URI.To]
	return bytes.IndexByte(uri, ' ') < 0 && bytes.IndexByte(uri, ':') >= 0 && IsToken(s.Method)
}

// EndsInVersion reports whether line, its line break left out, ends as a request line does.
func EndsInVersion(line []byte) bool {
	return len(line) >= len(Version) && EqualFold(Version, line[len(line)-len(Version):])
}
