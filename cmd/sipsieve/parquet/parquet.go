// Package parquet writes excerpts as an Apache Parquet file, whose columns have types: times in UTC to the microsecond,
// days, whole numbers, truth values, texts and lists of texts, each with nulls.
//
// # Memory
//
// A Writer holds the rows of one row group, groupRows at most, and about 100 bytes for each column of each row group
// that was written, for the end of the file.
package parquet

import (
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"
)

// groupRows is how many rows a row group has: what a reader can skip, and what a Writer holds.
const groupRows = 10_000

// A Type is what the values of a column are.
type Type int

// The types of columns. The zero Type takes whatever JSON value there is: a text without its quotes, others as JSON.
const (
	Text    Type = iota
	Integer      // INT64
	Truth        // BOOLEAN
	Time         // TIMESTAMP_MICROS, UTC
	Day          // DATE
	Texts        // LIST of STRING
)

// node returns the optional node of a column's type.
func (t Type) node() parquet.Node {
	switch t {
	case Integer:
		return parquet.Optional(parquet.Int(64))
	case Truth:
		return parquet.Optional(parquet.Leaf(parquet.BooleanType))
	case Time:
		return parquet.Optional(parquet.Timestamp(parquet.Microsecond))
	case Day:
		return parquet.Optional(parquet.Date())
	case Texts:
		return parquet.Optional(parquet.List(parquet.String()))
	}
	return parquet.Optional(parquet.String())
}

// A Column is a key of excerpts and the type of its values.
type Column struct {
	Name string
	Type Type
}

// A table is the root of a schema, with its columns in the order given: a parquet.Group has them by name.
type table struct {
	parquet.Group
	columns []Column
}

// Fields implements parquet.Node.
func (t table) Fields() []parquet.Field {
	fields := t.Group.Fields()
	place := map[string]int{}
	for i, c := range t.columns {
		place[c.Name] = i
	}
	slices.SortFunc(fields, func(a, b parquet.Field) int { return place[a.Name()] - place[b.Name()] })
	return fields
}

// A Writer writes one file. After an error it writes nothing more.
type Writer struct {
	columns []Column
	file    *parquet.GenericWriter[any]
	row     parquet.Row
	err     error
	unfit   map[string]int
}

// NewWriter returns a Writer of a file to w, which ends with Close.
func NewWriter(w io.Writer, columns []Column) *Writer {
	root := table{Group: parquet.Group{}, columns: columns}
	for _, c := range columns {
		root.Group[c.Name] = c.Type.node()
	}
	file := parquet.NewGenericWriter[any](w, parquet.NewSchema("excerpt", root), parquet.MaxRowsPerRowGroup(groupRows),
		parquet.Compression(&parquet.Snappy), parquet.CreatedBy("sipsieve", "", ""))
	return &Writer{columns: columns, unfit: map[string]int{}, file: file}
}

// Write writes a row, the values by key. A value that is not of its column's type is null there, and counted.
func (w *Writer) Write(row map[string]json.RawMessage) {
	if w.err != nil {
		return
	}
	w.row = w.row[:0]
	for i, c := range w.columns {
		w.add(i, c, row[c.Name])
	}
	_, w.err = w.file.WriteRows([]parquet.Row{w.row})
}

// add appends the values of a column to the row: of a null one at definition level 0, of an empty list one at level 1.
func (w *Writer) add(i int, c Column, raw json.RawMessage) {
	if len(raw) == 0 || string(raw) == "null" {
		w.row = append(w.row, parquet.NullValue().Level(0, 0, i))
		return
	}
	values, ok := c.Type.values(raw)
	switch {
	case !ok:
		w.unfit[c.Name]++
		w.row = append(w.row, parquet.NullValue().Level(0, 0, i))
	case len(values) == 0:
		w.row = append(w.row, parquet.NullValue().Level(0, 1, i))
	case c.Type == Texts:
		for n, v := range values {
			w.row = append(w.row, v.Level(min(n, 1), 2, i))
		}
	default:
		w.row = append(w.row, values[0].Level(0, 1, i))
	}
}

// values returns the elements of a list, or the one value of another type. It reports false for a value of another
// type.
func (t Type) values(raw json.RawMessage) (all []parquet.Value, ok bool) {
	switch t {
	case Integer:
		var n int64
		ok = json.Unmarshal(raw, &n) == nil
		return []parquet.Value{parquet.Int64Value(n)}, ok
	case Truth:
		var b bool
		ok = json.Unmarshal(raw, &b) == nil
		return []parquet.Value{parquet.BooleanValue(b)}, ok
	case Texts:
		var list []string
		ok = json.Unmarshal(raw, &list) == nil
		for _, text := range list {
			all = append(all, parquet.ByteArrayValue([]byte(text)))
		}
		return all, ok
	}
	var text string
	isText := json.Unmarshal(raw, &text) == nil
	switch {
	case t == Time:
		at, err := time.Parse(time.RFC3339, text)
		return []parquet.Value{parquet.Int64Value(at.UnixMicro())}, isText && err == nil
	case t == Day:
		day, err := time.Parse(time.DateOnly, text)
		return []parquet.Value{parquet.Int32Value(int32(day.Unix() / 86400))}, isText && err == nil
	case !isText:
		text = string(raw)
	}
	return []parquet.Value{parquet.ByteArrayValue([]byte(text))}, true
}

// Close ends the file and returns the first error.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	return w.file.Close()
}

// Unfit returns how many values of each column were not of its type.
func (w *Writer) Unfit() map[string]int { return w.unfit }
