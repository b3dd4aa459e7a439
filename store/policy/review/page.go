package review

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"sipsieve/store/policy"
)

// A page is what a reader sees, whatever its format.
type page struct {
	title  string
	blocks []block
}

// A block is a table, or a paragraph with a label before it; a heading stands before either.
type block struct {
	heading, label, text string
	table                *table
	fields               bool // the table has a row for each field, in small print
}

// A table has a header for each column; the first cell of a row is the header of the row.
type table struct {
	caption string
	head    []string
	widths  []int // of the columns in text, in characters
	rows    [][]string
}

// Formats are the formats that Explain writes.
var Formats = []string{"text", "markdown", "html"}

// Explain writes p in a page for its approval, in one of Formats: a table of the purposes, what the product does not do,
// for each purpose a sentence a group of fields, and a line for a signature. HTML has the map of fields as well. The
// error is of w, or of a format that is none.
func Explain(w io.Writer, p *policy.Policy, format string) error {
	v := explanation(p)
	switch format {
	case "text":
		return v.text(w)
	case "markdown":
		return v.markdown(w)
	case "html":
		v.blocks = append(v.blocks, fieldMap(p).blocks...)
		return v.html(w)
	}
	return errors.New("format: want " + strings.Join(Formats, ", "))
}

// Map writes what each purpose of p keeps of each field as one page of HTML, which needs no other file.
func Map(w io.Writer, p *policy.Policy) error { return fieldMap(p).html(w) }

const lineWidth = 100 // characters of text

func (v page) text(w io.Writer) error {
	var b strings.Builder
	b.WriteString(wrapped(v.title, lineWidth, "") + "\n")
	for _, k := range v.blocks {
		if k.heading != "" {
			b.WriteString("\n" + strings.ToUpper(k.heading) + "\n")
		}
		switch {
		case k.table != nil:
			k.table.text(&b)
		default:
			b.WriteString(wrapped(strings.TrimPrefix(k.label+": ", ": ")+k.text, lineWidth, "  ") + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *table) text(b *strings.Builder) {
	var rule []string
	for _, n := range t.widths {
		rule = append(rule, strings.Repeat("-", n))
	}
	for _, row := range append([][]string{t.head, rule}, t.rows...) {
		t.row(b, row)
	}
}

// row writes the cells of a row beside each other, each in as many lines as it needs.
func (t *table) row(b *strings.Builder, row []string) {
	cells, most := make([][]string, len(row)), 0
	for i, cell := range row {
		cells[i] = strings.Split(wrapped(cell, t.widths[i], ""), "\n")
		most = max(most, len(cells[i]))
	}
	for n := range most {
		var line strings.Builder
		for i, lines := range cells {
			text := ""
			if n < len(lines) {
				text = lines[n]
			}
			fmt.Fprintf(&line, "%-*s ", t.widths[i], text)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// wrapped returns text in lines of at most width characters, the second and further ones after an indent.
func wrapped(text string, width int, indent string) string {
	var b strings.Builder
	room := width
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case n+1 > room:
			b.WriteString("\n" + indent)
			room = width - len(indent)
		default:
			b.WriteByte(' ')
			room--
		}
		b.WriteString(word)
		room -= n
	}
	return b.String()
}

func (v page) markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# " + escaped(v.title) + "\n")
	for _, k := range v.blocks {
		if k.heading != "" {
			b.WriteString("\n## " + escaped(k.heading) + "\n")
		}
		switch {
		case k.table != nil:
			b.WriteString("\n" + markdownRow(k.table.head) + "|" + strings.Repeat("---|", len(k.table.head)) + "\n")
			for _, row := range k.table.rows {
				b.WriteString(markdownRow(row))
			}
		case k.label != "":
			b.WriteString("\n**" + escaped(k.label) + ":** " + escaped(k.text) + "\n")
		default:
			b.WriteString("\n" + escaped(k.text) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownRow(cells []string) string {
	row := "|"
	for _, cell := range cells {
		row += " " + escaped(cell) + " |"
	}
	return row + "\n"
}

// escaped returns text without what Markdown reads as its own.
func escaped(text string) string { return markdownEscapes.Replace(text) }

var markdownEscapes = strings.NewReplacer(`\`, `\\`, "|", `\|`, "_", `\_`, "*", `\*`, "`", "\\`", "<", "&lt;", "&", "&amp;",
	"[", `\[`, "#", `\#`, "\n", " ")
