// Package sheet writes excerpts for people and programs: JSON lines, CSV in two profiles, a table, Parquet.
package sheet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sipsieve/store/policy"
)

// A Printer writes excerpts in one form. Flush returns the first error of the writer.
type Printer struct {
	lines *bufio.Writer
	form  form
	buf   []byte
}

// A form is a form of output. It keeps no more in memory than TableBlock rows, however many are written.
type form interface {
	// write writes one excerpt's JSON. Errors of the writer are those of flush.
	write(body []byte)
	// pass hands on what can be written now, for a reader that waits.
	pass()
	// flush writes what is left and returns the first error.
	flush() error
	// notes returns what a reader has to know of what was not written, one line each.
	notes() []string
}

// Formats are what a Layout may name, Profiles the forms of CSV.
var (
	Formats  = []string{"jsonl", "csv", "table", "parquet"}
	Profiles = []string{"generic", "cgrates"}
)

// A Layout names one of Formats, and of csv one of Profiles; the zero Layout is jsonl.
type Layout struct{ Format, Profile string }

// New returns a Printer of f to w. Its columns are what the purposes may publish.
func New(f Layout, w io.Writer, purposes []*policy.Purpose) (*Printer, error) {
	p := &Printer{lines: bufio.NewWriterSize(w, 64<<10)}
	if f.Profile != "" && f.Format == "" {
		f.Format = "csv"
	}
	switch {
	case f.Profile != "" && !slices.Contains(Profiles, f.Profile):
		return nil, errors.New("profile: want " + strings.Join(Profiles, " or "))
	case f.Profile != "" && f.Format != "csv":
		return nil, errors.New("profile: it is a form of csv: want --format csv with it")
	}
	var err error
	switch f.Format {
	case "", "jsonl":
		p.form = jsonSheet{p.lines}
	case "csv":
		if f.Profile == "cgrates" {
			p.form, err = newRatingSheet(p.lines, purposes)
		} else {
			p.form, err = newCSVSheet(p.lines, purposes)
		}
	case "table":
		p.form = newTableSheet(p.lines, purposes)
	case "parquet":
		p.form, err = newParquetSheet(w, purposes)
	default:
		last := len(Formats) - 1
		return nil, errors.New("format: want " + strings.Join(Formats[:last], ", ") + " or " + Formats[last])
	}
	return p, err
}

// Write writes the JSON of an excerpt.
func (p *Printer) Write(body []byte) { p.form.write(body) }

// Print writes an excerpt.
func (p *Printer) Print(x policy.Excerpt) {
	p.buf = x.Body()
	p.form.write(x.Body())
}

// Room returns a buffer for the next excerpt, valid until the next call of Print.
func (p *Printer) Room() []byte { return p.buf[:0] }

// Pass flushes what was printed, for a reader that waits.
func (p *Printer) Pass() {
	p.form.pass()
	_ = p.lines.Flush() // bufio.Writer returns its first error again at Flush
}

// Flush writes what is left and returns the first error of the writer.
func (p *Printer) Flush() error { return errors.Join(p.form.flush(), p.lines.Flush()) }

// Notes returns what a reader has to know of what was not written, one line each.
func (p *Printer) Notes() []string { return p.form.notes() }

// Note writes the Notes to stderr, each behind the name of the verb.
func (p *Printer) Note(stderr io.Writer, verb string) {
	for _, one := range p.Notes() {
		fmt.Fprintf(stderr, "%s: %s\n", verb, one)
	}
}

// A jsonSheet has one JSON object a line.
type jsonSheet struct{ lines *bufio.Writer }

func (s jsonSheet) write(body []byte) {
	_, _ = s.lines.Write(body)
	_ = s.lines.WriteByte('\n')
}

func (s jsonSheet) pass()           {}
func (s jsonSheet) flush() error    { return nil }
func (s jsonSheet) notes() []string { return nil }
