package syntax

import "bytes"

// A Line is a header line with its continuations (RFC 3261 section 7.3.1), without its line break.
type Line struct {
	Range
	Next   int  // where the following line begins
	BareLF bool // it ends in LF alone
	Open   bool // the text ends before the line does, or where a continuation could begin
}

// LineAt returns the line that begins at text[start].
func LineAt(text []byte, start int) Line {
	l := Line{Range: Range{From: start}}
	for i := start; ; {
		n := bytes.IndexByte(text[i:], '\n')
		if n < 0 {
			l.To, l.Next, l.Open = len(text), len(text), true
			break
		}
		i += n + 1
		l.To, l.Next, l.Open = i-1, i, i == len(text)
		if l.Open || text[i] != ' ' && text[i] != '\t' {
			break
		}
	}
	if l.To > start && text[l.To-1] == '\r' {
		l.To--
	} else {
		l.BareLF = l.Next > l.To
	}
	return l
}

// LineBreak returns the length of the line break at the beginning of text, which is not empty; 0 if there is none.
func LineBreak(text []byte) int {
	switch {
	case text[0] == '\n':
		return 1
	case text[0] == '\r' && len(text) > 1 && text[1] == '\n':
		return 2
	}
	return 0
}

// LineLength returns the length of the first line of text, its line break included; of an open line all of text.
func LineLength(text []byte) int {
	if n := bytes.IndexByte(text, '\n') + 1; n > 0 {
		return n
	}
	return len(text)
}

// HeadLength returns the length of the start line and headers at the beginning of text, the empty line behind them
// included; 0 if there is no empty line.
func HeadLength(text []byte) int {
	for i := 0; i < len(text); {
		if n := LineBreak(text[i:]); n > 0 {
			return i + n
		}
		n := bytes.IndexByte(text[i:], '\n') + 1
		if n == 0 {
			break
		}
		i += n
	}
	return 0
}

// Header returns the first value of a header in head, by its name or its compact form, both in lower case; of a folded
// value the first line that is not empty.
func Header(head []byte, name, compact string) (value []byte, ok bool) {
	for len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, []byte{'\n'})
		if len(line) == 0 || Lower(line[0]) != name[0] && Lower(line[0]) != compact[0] {
			continue
		}
		left, right, header := bytes.Cut(line, []byte{':'})
		if left = bytes.TrimRight(left, " \t\r"); header && (EqualFold(name, left) || EqualFold(compact, left)) {
			return unfolded(right, head), true
		}
	}
	return nil, false
}

// unfolded returns the value that begins in value and, if that is empty, goes on in the next line.
func unfolded(value, next []byte) []byte {
	value = bytes.TrimSpace(value)
	for len(value) == 0 && len(next) > 0 && (next[0] == ' ' || next[0] == '\t') {
		value, next, _ = bytes.Cut(next, []byte{'\n'})
		value = bytes.TrimSpace(value)
	}
	return value
}

// maxLength is what a Content-Length that is larger counts as.
const maxLength = 1 << 31

// ContentLength reads the value of a Content-Length in bytes, at most 1<<31; -1 for what is no number.
func ContentLength(value []byte) int {
	if !AllDigits(value) {
		return -1
	}
	n := 0
	for _, c := range value {
		n = min(n*10+int(c-'0'), maxLength)
	}
	return n
}

// BodyLength returns the first Content-Length in head, in bytes; -1 without one that is a number.
func BodyLength(head []byte) int {
	value, _ := Header(head, "content-length", "l")
	return ContentLength(value)
}

// ContentType returns the first Content-Type in head with its parameters, nil without one.
func ContentType(head []byte) []byte {
	value, _ := Header(head, "content-type", "c")
	return value
}

// SkipEmpty returns text without the line breaks that may stand before a message (RFC 3261 section 7.5) and the zero
// bytes that some devices send to keep a binding open.
func SkipEmpty(text []byte) []byte {
	for len(text) > 0 && (text[0] == '\r' || text[0] == '\n' || text[0] == 0) {
		text = text[1:]
	}
	return text
}
