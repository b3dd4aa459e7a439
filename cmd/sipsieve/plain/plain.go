// Package plain writes text from messages and files so that neither a terminal nor a spreadsheet acts on it.
package plain

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
)

// Append appends text to dst with an escape in place of each character that a terminal acts on or that does not
// show: control characters, escape sequences, marks of direction, invisible ones. What keep has stays as it is. The
// escapes are those of JSON (RFC 8259 section 7), so that a JSON text means the same afterwards; a byte that is not
// UTF-8 becomes U+FFFD.
func Append(dst, text []byte, keep string) []byte {
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

// A Writer writes to a person or a program what is plain in the sense of Append; line ends and tabs stay.
// It may be used by several goroutines.
type Writer struct {
	to   io.Writer
	mu   sync.Mutex
	rest []byte // of a character whose end is not written yet
	buf  []byte
}

// New returns a Writer to w.
func New(w io.Writer) *Writer { return &Writer{to: w} }

// Write writes p, but for a character at its end that is not whole: that waits for the next.
func (w *Writer) Write(p []byte) (int, error) {
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
	w.buf = Append(w.buf[:0], text[:whole], "\n\t")
	w.rest = append([]byte(nil), text[whole:]...)
	if _, err := w.to.Write(w.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// End writes what still waits.
func (w *Writer) End() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.to.Write(Append(nil, w.rest, ""))
	w.rest = nil
}

// Bare returns the writer behind w: for what draws on a terminal, and for what is plain by itself.
func Bare(w io.Writer) io.Writer {
	if p, ok := w.(*Writer); ok {
		return p.to
	}
	return w
}

// IsTerminal reports whether what is written to w goes to a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := Bare(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Dialable are numbers in E.164 form, and the area codes of such: no spreadsheet computes with them.
var Dialable = regexp.MustCompile(`^\+[0-9]{1,15}$`)

// signs begin a formula, also in their wide forms. The dash is the last, where it is no range of a regular expression.
const signs = "=+@\uff1d\uff0b\uff0d\uff20-"

// formula matches what a spreadsheet may take for a formula, at the beginning of a cell or behind a separator of cells.
var formula = regexp.MustCompile("(^|[;,|] *)( *)([" + signs + "])")

// Neutral returns text for a cell of a table that a person opens: plain, on one line, and no formula: one begins with '.
func Neutral(text string) string {
	text = string(Append(nil, []byte(text), ""))
	if Dialable.MatchString(text) || !strings.ContainsAny(text, signs) {
		return text
	}
	return formula.ReplaceAllString(text, "$1'$2$3")
}
