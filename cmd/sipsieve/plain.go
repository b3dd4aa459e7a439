package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// appendPlain appends text to dst with an escape in place of each character that a terminal acts on or that does not
// show: control characters, escape sequences, marks of direction, invisible ones. What keep has stays as it is. The
// escapes are those of JSON (RFC 8259 section 7), so that a JSON text means the same afterwards; a byte that is not
// UTF-8 becomes U+FFFD.
func appendPlain(dst, text []byte, keep string) []byte {
	for len(text) > 0 {
		if c := text[0]; c < utf8.RuneSelf {
			if c >= ' ' && c != 0x7f || strings.IndexByte(keep, c) >= 0 {
				dst = append(dst, c)
			} else {
				dst = fmt.Appendf(dst, `\u%04x`, c)
			}
			text = text[1:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		switch high, low := utf16.EncodeRune(r); {
		case unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r > 0xffff:
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
	}
	return dst
}

// A plainWriter writes to a person or a program what is plain in the sense of appendPlain; line ends and tabs stay.
// It may be used by several goroutines.
type plainWriter struct {
	to   io.Writer
	mu   sync.Mutex
	rest []byte // of a character whose end is not written yet
	buf  []byte
}

// Write writes p, but for a character at its end that is not whole: that waits for the next.
func (w *plainWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := p
	if len(w.rest) > 0 {
		text = append(w.rest, p...)
	}
	whole := len(text)
	for i := max(0, len(text)-utf8.UTFMax+1); i < len(text); i++ {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			whole = i
			break
		}
	}
	w.buf = appendPlain(w.buf[:0], text[:whole], "\n\t")
	w.rest = append([]byte(nil), text[whole:]...)
	if _, err := w.to.Write(w.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end writes what still waits.
func (w *plainWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.to.Write(appendPlain(nil, w.rest, ""))
	w.rest = nil
}

// bare returns the writer behind w: for what draws on a terminal, and for what is plain by itself.
func bare(w io.Writer) io.Writer {
	if p, ok := w.(*plainWriter); ok {
		return p.to
	}
	return w
}

// dialable are numbers in E.164 form, and the area codes of such: no spreadsheet computes with them.
var dialable = regexp.MustCompile(`^\+[0-9]{1,15}$`)

// signs begin a formula, also in their wide forms. The dash is the last, where it is no range of a regular expression.
const signs = "=+@\uff1d\uff0b\uff0d\uff20-"

// formula matches what a spreadsheet may take for a formula, at the beginning of a cell or behind a separator of cells.
var formula = regexp.MustCompile("(^|[;,|] *)( *)([" + signs + "])")

// neutral returns text for a cell of a table that a person opens: plain, on one line, and no formula: one begins with '.
func neutral(text string) string {
	text = string(appendPlain(nil, []byte(text), ""))
	if dialable.MatchString(text) || !strings.ContainsAny(text, signs) {
		return text
	}
	return formula.ReplaceAllString(text, "$1'$2$3")
}
