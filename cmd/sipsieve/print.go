package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sipsieve/store/policy"
)

// A printer writes excerpts in one form. flush returns the first error of the writer.
type printer struct {
	lines *bufio.Writer
	sheet sheet
	buf   []byte
}

// A sheet is a form of output. It keeps no more in memory than tableBlock rows, however many are written.
type sheet interface {
	// write writes one excerpt's JSON. Errors of the writer are those of flush.
	write(body []byte)
	// pass hands on what can be written now, for a reader that waits.
	pass()
	// flush writes what is left and returns the first error.
	flush() error
	// notes returns what a reader has to know of what was not written, one line each.
	notes() []string
}

// formats are the values of --format, profiles those of --profile, a choice among the forms of CSV.
var (
	formats  = []string{"jsonl", "csv", "table", "parquet"}
	profiles = []string{"generic", "cgrates"}
)

// A layout is what --format and --profile name; the zero layout is that of jsonl.
type layout struct{ format, profile string }

// newPrinter returns a printer of f. Its columns are what the purposes may publish.
func newPrinter(f layout, w io.Writer, purposes []*policy.Purpose) (*printer, error) {
	p := &printer{lines: bufio.NewWriterSize(w, 64<<10)}
	if f.profile != "" && f.format == "" {
		f.format = "csv"
	}
	switch {
	case f.profile != "" && !slices.Contains(profiles, f.profile):
		return nil, errors.New("profile: want " + strings.Join(profiles, " or "))
	case f.profile != "" && f.format != "csv":
		return nil, errors.New("profile: it is a form of csv: want --format csv with it")
	}
	var err error
	switch f.format {
	case "", "jsonl":
		p.sheet = jsonSheet{p.lines}
	case "csv":
		if f.profile == "cgrates" {
			p.sheet, err = newRatingSheet(p.lines, purposes)
		} else {
			p.sheet, err = newCSVSheet(p.lines, purposes)
		}
	case "table":
		p.sheet = newTableSheet(p.lines, purposes)
	case "parquet":
		p.sheet, err = newParquetSheet(w, purposes)
	default:
		last := len(formats) - 1
		return nil, errors.New("format: want " + strings.Join(formats[:last], ", ") + " or " + formats[last])
	}
	return p, err
}

// print writes an excerpt.
func (p *printer) print(x policy.Excerpt) {
	p.buf = x.Body()
	p.sheet.write(x.Body())
}

// room returns a buffer for the next excerpt, valid until the next call of print.
func (p *printer) room() []byte { return p.buf[:0] }

// pass flushes what was printed, for a reader that waits.
func (p *printer) pass() {
	p.sheet.pass()
	_ = p.lines.Flush() // bufio.Writer returns its first error again at flush
}

func (p *printer) flush() error { return errors.Join(p.sheet.flush(), p.lines.Flush()) }

// note writes the notes of the form to stderr, each behind the name of the verb.
func (p *printer) note(stderr io.Writer, verb string) {
	for _, one := range p.sheet.notes() {
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
