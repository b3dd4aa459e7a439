package reconcile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// maxLine bounds a line, in bytes; a longer one is refused.
const maxLine = 64 << 10

// A lineReader reads lines with their places. It splits at line ends only, so that a line is one row or none.
type lineReader struct {
	r      *bufio.Reader
	line   int   // of the last, from 1
	offset int64 // of the last
	next   int64
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReaderSize(r, maxLine)} }

// read returns the next line without its end, valid until the next call; long if it is longer than maxLine. The last
// error is io.EOF.
func (l *lineReader) read() (text []byte, long bool, err error) {
	text, err = l.r.ReadSlice('\n')
	l.offset = l.next
	l.next += int64(len(text))
	for errors.Is(err, bufio.ErrBufferFull) {
		var rest []byte
		long = true
		rest, err = l.r.ReadSlice('\n')
		l.next += int64(len(rest))
	}
	if err != nil && (!errors.Is(err, io.EOF) || l.next == l.offset) {
		return nil, false, err
	}
	l.line++
	text = bytes.TrimRight(text, "\r\n")
	if l.line == 1 {
		text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	}
	return text, long, nil
}

// A syntax finds the values in one line.
type syntax interface {
	// parse takes a line; false if it is no row, with the reason if it is refused.
	parse(line string) (ok bool, reason string)
	// value returns the value of a name; "" without one.
	value(name string) string
}

// A table is rows of cells under a header, or by number.
type table struct {
	comma byte
	names map[string]int
	cells []string
}

// newTable reads a header.
func newTable(header string) *table {
	t := &table{comma: commaOf(header), names: map[string]int{}}
	if ok, _ := t.parse(header); ok {
		for i, name := range t.cells {
			if _, twice := t.names[normal(name)]; !twice {
				t.names[normal(name)] = i
			}
		}
	}
	return t
}

// commaOf returns what separates the cells of a header: what stands most often in it.
func commaOf(header string) (best byte) {
	best = ','
	for _, c := range []byte(",;\t|") {
		if strings.Count(header, string(c)) > strings.Count(header, string(best)) {
			best = c
		}
	}
	return best
}

// Reasons why a line is refused.
const (
	refusedLong     = "too_long"
	refusedQuote    = "quote"
	refusedShort    = "too_few_columns"
	refusedNoTime   = "no_time"
	refusedTime     = "time"
	refusedDuration = "duration"
	refusedNoKey    = "no_call_id" // nor a number that was called
	refusedOutcome  = "no_outcome" // neither method, duration nor code
)

// parse implements syntax. Quotes are those of RFC 4180, within the line.
func (t *table) parse(line string) (ok bool, reason string) {
	t.cells = t.cells[:0]
	for {
		cell := line
		if strings.HasPrefix(line, `"`) {
			length := quotedLength(line)
			if length < 0 || length < len(line) && line[length] != t.comma {
				return false, refusedQuote
			}
			cell = strings.ReplaceAll(line[1:length-1], `""`, `"`)
			line = line[length:]
		} else if i := strings.IndexByte(line, t.comma); i >= 0 {
			cell, line = line[:i], line[i:]
		} else {
			line = ""
		}
		t.cells = append(t.cells, cell)
		if line == "" {
			break
		}
		line = line[1:]
	}
	if len(t.cells) < len(t.names) {
		return false, refusedShort
	}
	return true, ""
}

// quotedLength returns the length of the quoted cell at the beginning of line, quotes included; -1 if it has no end.
func quotedLength(line string) int {
	for i := 1; i < len(line); i++ {
		if line[i] != '"' {
			continue
		}
		if i+1 < len(line) && line[i+1] == '"' {
			i++
			continue
		}
		return i + 1
	}
	return -1
}

// value implements syntax.
func (t *table) value(name string) string {
	i, ok := t.names[name]
	if !ok {
		i = placed(name)
	}
	if i < 0 || i >= len(t.cells) {
		return ""
	}
	text := strings.TrimSpace(t.cells[i])
	if text == "NULL" || text == `\N` {
		return ""
	}
	return text
}

// has reports whether the header names one of the alternatives of a column.
func (t *table) has(c *column) bool {
	for _, parts := range c.names {
		for _, name := range parts {
			if _, ok := t.names[name]; ok || placed(name) >= 0 && placed(name) < len(t.cells) {
				return true
			}
		}
	}
	return false
}

// A journal is lines of a log, of which some have name=value with semicolons between.
type journal struct {
	marks  []string // with which the values of a row may begin
	values map[string]string
}

func newJournal(p *Profile) *journal {
	j := &journal{values: map[string]string{}}
	for _, f := range []field{setup, answer, stamp} {
		for _, parts := range p.columns[f].names {
			j.marks = append(j.marks, parts[0]+"=")
		}
	}
	return j
}

// rowIn returns where the values of a row begin in line, -1 without any.
func (j *journal) rowIn(line string) int {
	first := -1
	for _, mark := range j.marks {
		i := strings.Index(line, mark)
		if i >= 0 && (i == 0 || line[i-1] == ' ') && (first < 0 || i < first) {
			first = i
		}
	}
	return first
}

// parse implements syntax. Of a name that comes twice the first counts: those of the module come before what a message
// has.
func (j *journal) parse(line string) (ok bool, reason string) {
	i := j.rowIn(line)
	if i < 0 {
		return false, ""
	}
	clear(j.values)
	for part := range strings.SplitSeq(line[i:], ";") {
		name, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := j.values[name]; found && !twice {
			j.values[name] = value
		}
	}
	return true, ""
}

// value implements syntax.
func (j *journal) value(name string) string { return strings.TrimSpace(j.values[name]) }
