package sip

import "bytes"

// A start is a start line that could be read: RFC 3261 sections 7.1 and 7.2, to the letter, the version in any case.
// White space that the grammar does not have makes it unreadable, as it does for the parties on the wire.
type start struct {
	method Method
	token  []byte // a request's method as sent
	status int
	uri    span
	lf     bool // it ends in LF alone
	next   int  // where the line after it begins
}

// version is compared without case (RFC 3261 section 7.1).
const version = "sip/2.0"

// beginsWithVersion reports whether line begins with the version.
func beginsWithVersion(line []byte) bool {
	return len(line) >= len(version) && equalFold(version, line[:len(version)])
}

// endsWithVersion reports whether line, its line break left out, ends with the version.
func endsWithVersion(line []byte) bool {
	return len(line) >= len(version) && equalFold(version, line[len(line)-len(version):])
}

// readStart reads the start line at the beginning of b.
func readStart(b []byte) (start, bool) {
	end := bytes.IndexByte(b, '\n')
	s := start{next: end + 1}
	if end < 0 {
		end, s.next = len(b), len(b)
	}
	if end > 0 && b[end-1] == '\r' {
		end--
	} else {
		s.lf = s.next > end
	}
	if beginsWithVersion(b[:end]) {
		return s, s.statusLine(b[:end])
	}
	return s, s.requestLine(b[:end])
}

// statusLine reads the version, a space and three digits, with a space and a reason or nothing after them.
func (s *start) statusLine(line []byte) bool {
	line = line[len(version):]
	if len(line) < 4 || line[0] != ' ' || len(line) > 4 && line[4] != ' ' {
		return false
	}
	for _, c := range line[1:4] {
		if c < '0' || c > '9' {
			return false
		}
		s.status = s.status*10 + int(c-'0')
	}
	return s.status >= 100 && s.status < 700
}

// requestLine reads a method, a URI and the version, one space between them.
func (s *start) requestLine(line []byte) bool {
	sp := bytes.IndexByte(line, ' ')
	tail := len(line) - len(version) - 1
	if sp < 1 || tail <= sp+1 || line[tail] != ' ' || !endsWithVersion(line) {
		return false
	}
	s.token, s.uri = line[:sp], span{sp + 1, tail}
	uri := line[s.uri.from:s.uri.to]
	if bytes.IndexByte(uri, ' ') >= 0 || bytes.IndexByte(uri, ':') < 0 || !isToken(s.token) {
		return false
	}
	s.method = methodOf(s.token)
	return true
}

// methodOf returns the method of that name. Methods are told apart by case (RFC 3261 section 7.1).
func methodOf(token []byte) Method {
	for m := Invite; m < Other; m++ {
		if string(token) == methodNames[m] {
			return m
		}
	}
	return Other
}

func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenBytes[c] {
			return false
		}
	}
	return len(b) > 0
}

// tokenBytes are the bytes of a token, RFC 3261 section 25.1.
var tokenBytes = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~") {
		set[c] = true
	}
	return set
}()
