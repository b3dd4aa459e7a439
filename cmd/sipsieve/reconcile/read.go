// This file has methods of Comparison because a file is a job of its own: its lines, its syntax, its rows.

package reconcile

import (
	"errors"
	"hash/maphash"
	"io"
	"slices"
	"strings"
	"time"
)

// Read reads one file of the SBC's. size is its size in bytes, 0 if it is not known. The error names a line or no line,
// and has no text of the file.
func (c *Comparison) Read(r io.Reader, size int64) error {
	if c.files++; c.files >= MostFiles {
		return errors.New("sbc: too many files")
	}
	f := &sbcFile{Comparison: c, lines: newLineReader(r), number: c.files, size: size}
	defer func() { c.syntaxes = append(c.syntaxes, f.syntax) }()
	for {
		line, long, err := f.lines.read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errorAt(c.files, f.lines.line+1, errors.New("it cannot be read"))
		case f.lines.line >= mostLines || f.lines.next >= mostOffset:
			return errorAt(c.files, f.lines.line, errors.New("the file is too long"))
		}
		if err := f.take(string(line), long); err != nil {
			return err
		}
	}
}

// An sbcFile is a file of the SBC's while it is read.
type sbcFile struct {
	*Comparison
	lines  *lineReader
	number int // from 1
	size   int64
	syntax syntax // nil before the first line that is not empty
	header string
}

// take takes one line: as nothing, as the header, as refused, or as a row.
func (f *sbcFile) take(line string, long bool) error {
	count := &f.Comparison.lines
	count.Total++
	switch {
	case long:
		count.refuse(f.number, f.lines.line, refusedLong)
		return nil
	case strings.TrimSpace(line) == "":
		count.Empty++
		return nil
	case f.syntax == nil:
		isHeader, err := f.choose(line)
		if err != nil {
			return errorAt(f.number, f.lines.line, err)
		}
		if isHeader {
			count.Headers++
			return nil
		}
	case f.header != "" && line == f.header: // of files that were put together
		count.Headers++
		return nil
	}
	row, fate := f.row(line)
	switch {
	case fate == fateSkipped:
		count.Skipped++
	case fate == fateOutside:
		count.Outside++
	case fate != "":
		count.refuse(f.number, f.lines.line, fate)
	default:
		return f.keep(row)
	}
	return nil
}

// choose finds the syntax of the file by its first line, and whether that is a header.
func (f *sbcFile) choose(line string) (isHeader bool, err error) {
	p := f.Profile
	j := newJournal(p)
	if p.folds && j.rowIn(line) >= 0 {
		f.syntax = j
		return false, nil
	}
	if p.byNumber() {
		t := &table{comma: commaOf(line), names: map[string]int{}}
		f.syntax = t
		return false, nil
	}
	t := newTable(line)
	if t.has(&p.columns[callID]) || t.has(&p.columns[called]) || t.has(&p.columns[answer]) {
		f.syntax, f.header = t, line
		return true, nil
	}
	if p.folds { // a log that begins with other lines
		f.syntax = j
		return false, nil
	}
	return false, errors.New("the header names no column that the profile has: name them by --columns")
}

// keep adds a row.
func (f *sbcFile) keep(row call) error {
	c := f.Comparison
	if len(c.rows) >= MostRows {
		return errorAt(f.number, f.lines.line, ErrTooMany)
	}
	const sample = 1000
	if len(c.rows) == sample && f.size > f.lines.next { // so that growing takes no second copy
		c.rows = slices.Grow(c.rows, int(min(float64(f.size)/float64(f.lines.next)*sample*1.05, MostRows)))
	}
	c.rows = append(c.rows, row)
	c.lines.Rows++
	return nil
}

// Fates of a line that is no row, beside the reasons of lines that are refused.
const (
	fateSkipped = "skipped"
	fateOutside = "outside"
)

// row reads a row, or returns why it is none.
func (f *sbcFile) row(line string) (r call, fate string) {
	if ok, reason := f.syntax.parse(line); !ok {
		return r, orSkipped(reason)
	}
	v, fate := f.values()
	if fate != "" {
		return r, fate
	}
	r = call{place: uint64(f.number)<<48 | uint64(f.lines.offset), line: uint32(f.lines.line), talk: unknownTalk,
		caller: readNumber(v.text[caller]), called: readNumber(v.text[called]), code: readCode(v.text[code])}
	if v.hasTalk {
		r.talk = int32(v.talk / time.Millisecond)
	}
	if fate = f.outcome(&r, v); fate != "" {
		return r, fate
	}
	switch id := v.text[callID]; {
	case id != "":
		f.identify(&r, id)
	case r.called == 0:
		return r, refusedNoKey
	}
	return r, f.inWindow(&r)
}

func orSkipped(reason string) string {
	if reason == "" {
		return fateSkipped
	}
	return reason
}

// inWindow returns fateOutside if a row is further from the window than Margin.
func (f *sbcFile) inWindow(r *call) string {
	early := !f.From.IsZero() && r.start < f.From.Add(-Margin).UnixMilli()
	late := !f.To.IsZero() && r.start >= f.To.Add(Margin).UnixMilli()
	if early || late {
		return fateOutside
	}
	return ""
}

// longestRing is how much earlier the INVITE of a call may be than the time that a row has of it.
const longestRing = 10 * time.Minute

// identify sets by what a row is matched: the Call-ID's pseudonym of the epoch of the call, of both epochs if it is near
// the end of one.
func (f *sbcFile) identify(r *call, id string) {
	r.key = maphash.String(f.seed, id)
	if f.Name == nil || r.role == roleBye {
		return
	}
	began := time.UnixMilli(r.start)
	name := f.Name(id, began.Add(time.Minute))
	if name == "" {
		return
	}
	r.name = maphash.String(f.seed, name)
	if earlier := f.Name(id, began.Add(-longestRing)); earlier != name && earlier != "" {
		f.other = append(f.other, otherName{r.key, maphash.String(f.seed, earlier)})
	}
}

// callIDAt returns the Call-ID of the row at a place, read from its file again; "" without one.
func (c *Comparison) callIDAt(file io.ReaderAt, place uint64) string {
	number := int(place >> 48)
	f := &sbcFile{Comparison: c, number: number, syntax: c.syntaxes[number-1]}
	f.lines = newLineReader(io.NewSectionReader(file, int64(place&(mostOffset-1)), maxLine))
	line, _, err := f.lines.read()
	if err != nil {
		return ""
	}
	if ok, _ := f.syntax.parse(string(line)); !ok {
		return ""
	}
	id, _ := f.pick(callID)
	return id
}

// rowValues are the values of a row.
type rowValues struct {
	text    [fields]string
	time    [fields]time.Time // of those that are times; zero for none
	talk    time.Duration
	hasTalk bool
}

// values reads the values of the parsed line.
func (f *sbcFile) values() (v rowValues, fate string) {
	var unit time.Duration
	for i := range fields {
		v.text[i], unit = f.pick(i)
		if i == duration && v.text[i] != "" {
			if v.talk, v.hasTalk = readSpan(v.text[i], unit); !v.hasTalk {
				fate = refusedDuration
			}
		}
	}
	if word := v.text[kind]; word != "" && !f.Profile.columns[kind].isCall(word) {
		return v, fateSkipped
	}
	switch v.text[method] {
	case "", "INVITE", "BYE":
	default:
		return v, fateSkipped
	}
	for _, i := range []field{setup, answer, end, stamp} {
		if isNoTime(v.text[i]) {
			continue
		}
		t, ok := readTime(v.text[i], f.Profile.Layout, f.Zone)
		if !ok && t.IsZero() {
			fate = refusedTime
		}
		if ok {
			v.time[i] = t
		}
	}
	return v, fate
}

// isNoTime reports whether text stands for no time, such as 0000-00-00 00:00:00.
func isNoTime(text string) bool { return strings.Trim(text, "0-:. /TZ") == "" }

// pick returns the value of a field: of its alternatives the first that the line has.
func (f *sbcFile) pick(i field) (text string, unit time.Duration) {
	c := &f.Profile.columns[i]
	for n, parts := range c.names {
		text = f.syntax.value(parts[0])
		for _, part := range parts[1:] {
			text += " " + f.syntax.value(part)
		}
		if text = strings.TrimSpace(text); text != "" {
			return text, c.unit[n]
		}
	}
	return "", time.Second
}

// first returns the first time that is set.
func first(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
