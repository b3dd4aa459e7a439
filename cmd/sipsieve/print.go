package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"sipsieve/store/policy"
)

// A printer writes excerpts as JSON lines, CSV or a table. flush returns the first error of the writer.
type printer struct {
	format string
	lines  *bufio.Writer
	table  bool
	rows   [][]string // of a table, which is written at the end
	csv    *csv.Writer
	keys   []string // columns of csv and table
	buf    []byte
}

// envelopeColumns are the columns that every purpose has, in the order of the payload's keys.
var envelopeColumns = []string{"schema", "kind", "stage", "id", "revision", "status", "missing", "completeness",
	"purpose", "policy", "class", "expires", "site", "sensor", "source"}

// tableColumns are the envelope's columns that a table shows; a terminal has no width for the others.
var tableColumns = []string{"purpose", "kind", "stage", "status", "missing"}

// newPrinter returns a printer of format jsonl, csv or table. Its columns are what the purposes may publish.
func newPrinter(format string, w io.Writer, purposes []*policy.Purpose) (*printer, error) {
	p := &printer{format: format, lines: bufio.NewWriterSize(w, 64<<10)}
	switch format {
	case "jsonl":
		return p, nil
	case "csv":
		p.csv = csv.NewWriter(p.lines)
		p.keys = columns(envelopeColumns, purposes)
		return p, p.csv.Write(p.keys)
	case "table":
		p.table, p.keys = true, columns(tableColumns, purposes)
		return p, nil
	}
	return nil, fmt.Errorf("format: want jsonl, csv or table")
}

// columns returns first and then the keys of all purposes, each once, in the register's order for one purpose.
func columns(first []string, purposes []*policy.Purpose) []string {
	keys := slices.Clone(first)
	for _, p := range purposes {
		for _, key := range p.Columns() {
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// print writes an excerpt.
func (p *printer) print(x policy.Excerpt) {
	p.buf = x.Body()
	p.printBody(x.Body())
}

// room returns a buffer for the next excerpt, valid until the next call of print.
func (p *printer) room() []byte { return p.buf[:0] }

// printBody writes one excerpt's JSON.
func (p *printer) printBody(body []byte) {
	switch p.format {
	case "jsonl":
		_, _ = p.lines.Write(body)
		_ = p.lines.WriteByte('\n')
	case "csv":
		_ = p.csv.Write(cells(body, p.keys))
	case "table":
		p.rows = append(p.rows, cells(body, p.keys))
	}
}

// pass flushes what was printed, for a reader that waits; a table is written at the end.
func (p *printer) pass() {
	if p.csv != nil {
		p.csv.Flush()
	}
	_ = p.lines.Flush() // bufio.Writer returns its first error again at flush
}

func (p *printer) flush() error {
	if p.csv != nil {
		p.csv.Flush()
		if err := p.csv.Error(); err != nil {
			return err
		}
	}
	if p.table {
		p.writeTable()
	}
	return p.lines.Flush()
}

// writeTable writes the rows without the columns that have nothing in any of them.
func (p *printer) writeTable() {
	var used []int
	for i := range p.keys {
		if len(p.rows) == 0 || slices.ContainsFunc(p.rows, func(r []string) bool { return r[i] != "" }) {
			used = append(used, i)
		}
	}
	w := tabwriter.NewWriter(p.lines, 0, 0, 2, ' ', 0)
	head := make([]string, len(p.keys))
	for i, key := range p.keys {
		head[i] = strings.ToUpper(key)
	}
	for _, row := range append([][]string{head}, p.rows...) {
		for n, i := range used {
			if n > 0 {
				_, _ = w.Write([]byte{'\t'})
			}
			_, _ = w.Write([]byte(row[i]))
		}
		_, _ = w.Write([]byte{'\n'})
	}
	_ = w.Flush() // the writer below returns its first error again when it is flushed
}

// cells returns the values of keys in body, each neutral: text without its quotes, null and absent as nothing, lists
// with spaces.
func cells(body []byte, keys []string) []string {
	out := make([]string, len(keys))
	var row map[string]json.RawMessage
	if json.Unmarshal(body, &row) != nil {
		return out
	}
	for i, key := range keys {
		out[i] = cell(row[key])
	}
	return out
}

func cell(raw json.RawMessage) string {
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
		return ""
	case raw[0] == '"':
		var s string
		_ = json.Unmarshal(raw, &s)
		return neutral(s)
	case raw[0] == '[':
		var list []any
		_ = json.Unmarshal(raw, &list)
		words := make([]string, len(list))
		for i, v := range list {
			words[i] = neutral(fmt.Sprint(v))
		}
		text := strings.Join(words, " ")
		if sign := strings.TrimLeft(text, " "); strings.HasPrefix(sign, "+") && !dialable.MatchString(text) {
			return "'" + text // of numbers, each of which may stand alone
		}
		return text
	case raw[0] == '{':
		return neutral(string(raw))
	}
	return string(raw) // a number, true or false
}
