package sheet

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sipsieve/cmd/sipsieve/parquet"
	"sipsieve/cmd/sipsieve/plain"
	"sipsieve/store/cpni"
	"sipsieve/store/policy"
)

// envelopeTypes are the types of the columns of the envelope and of a loss that are no texts.
var envelopeTypes = map[string]parquet.Type{"revision": parquet.Integer, "completeness": parquet.Integer,
	"missing": parquet.Texts, "expires": parquet.Day, "from": parquet.Time, "to": parquet.Time, "count": parquet.Integer}

// A parquetSheet is an Apache Parquet file with the columns of csv.
type parquetSheet struct{ *parquet.Writer }

// newParquetSheet returns an error if w is a terminal: a file of Parquet is no text.
func newParquetSheet(w io.Writer, purposes []*policy.Purpose) (parquetSheet, error) {
	if plain.IsTerminal(w) {
		return parquetSheet{}, errors.New("format: parquet is not for a terminal: send standard output to a file")
	}
	var all []parquet.Column
	for _, key := range columns(envelopeColumns, purposes) {
		c := parquet.Column{Name: key, Type: envelopeTypes[key]}
		for _, p := range purposes {
			if form := p.Form(key); form != "" && !slices.Contains(envelopeColumns, key) {
				c.Type = typeOf(key, form)
				break
			}
		}
		all = append(all, c)
	}
	return parquetSheet{parquet.NewWriter(plain.Bare(w), all)}, nil
}

// typeOf returns the type of what a transform leaves of a field. A key of a further transform is name_transform.
func typeOf(key, form string) parquet.Type {
	action, _, _ := strings.Cut(form, ":")
	f, known := cpni.FieldOf(strings.TrimSuffix(key, "_"+action))
	if !known {
		if f, known = cpni.FieldOf(key); !known {
			return parquet.Text
		}
	}
	entry := f.Entry()
	switch {
	case action == "presence":
		return parquet.Truth
	case strings.HasSuffix(entry.Type, "_list"):
		return parquet.Texts
	case !slices.Contains([]string{"keep", "truncate", "bucket"}, action):
		return parquet.Text
	}
	return map[string]parquet.Type{"time": parquet.Time, "int": parquet.Integer, "duration": parquet.Integer,
		"bool": parquet.Truth}[entry.Type]
}

func (s parquetSheet) write(body []byte) { s.Write(ReadRow(body)) }
func (s parquetSheet) pass()             {} // a file has its end behind its rows
func (s parquetSheet) flush() error      { return s.Close() }

// notes names the values that an older policy kept in another form.
func (s parquetSheet) notes() (lines []string) {
	for _, key := range slices.Sorted(maps.Keys(s.Unfit())) {
		lines = append(lines, fmt.Sprintf("%d values of %s are not of the type of the column and are null: "+
			"--format jsonl has them", s.Unfit()[key], key))
	}
	return lines
}
