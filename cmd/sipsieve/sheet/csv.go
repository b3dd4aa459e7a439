package sheet

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sipsieve/cmd/sipsieve/plain"
	"sipsieve/store/policy"
)

// envelopeColumns are the columns that every purpose has, in the order of the payload's keys: those of all kinds of
// records, then those of a loss.
var envelopeColumns = []string{"schema", "kind", "stage", "id", "dialog", "revision", "status", "missing", "completeness",
	"purpose", "policy", "class", "expires", "site", "sensor", "source", "from", "to", "count", "reason"}

// opsColumns are the further columns of records about a sensor, which are of no purpose of a policy.
var opsColumns = []string{"loss_purpose", "event", "ledger"}

// unprinted are keys that are of use to a store alone, which joins two halves of a call by them.
var unprinted = []string{"blind_clock", "blind_side"}

// columns returns first and then the keys of all purposes, each once, in the register's order for one purpose.
func columns(first []string, purposes []*policy.Purpose) []string {
	keys := slices.Clone(first)
	if purposes == nil {
		keys = append(keys, opsColumns...)
	}
	for _, p := range purposes {
		for _, key := range p.Columns() {
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// A csvSheet is CSV (RFC 4180, lines ended by a line feed) with a header: every column by name, in one order.
type csvSheet struct {
	csv   *csv.Writer
	keys  []string
	other map[string]int // records by a field that has no column
}

func newCSVSheet(lines *bufio.Writer, purposes []*policy.Purpose) (*csvSheet, error) {
	s := &csvSheet{csv: csv.NewWriter(lines), keys: columns(envelopeColumns, purposes), other: map[string]int{}}
	return s, s.csv.Write(s.keys)
}

func (s *csvSheet) write(body []byte) {
	row := ReadRow(body)
	_ = s.csv.Write(cells(row, s.keys))
	for key := range row {
		if !slices.Contains(s.keys, key) && !slices.Contains(unprinted, key) {
			s.other[key]++
		}
	}
}

func (s *csvSheet) pass() { s.csv.Flush() }

func (s *csvSheet) flush() error {
	s.csv.Flush()
	return s.csv.Error()
}

// notes names the fields of older policies: a column of each would change with every answer.
func (s *csvSheet) notes() (lines []string) {
	for _, key := range slices.Sorted(maps.Keys(s.other)) {
		lines = append(lines, fmt.Sprintf("%d records have %s, which the policy in force does not keep and which has no "+
			"column: --format jsonl has it", s.other[key], key))
	}
	return lines
}

// ReadRow returns the values of an excerpt's JSON by key; nil if it cannot be read.
func ReadRow(body []byte) (row map[string]json.RawMessage) {
	if json.Unmarshal(body, &row) != nil {
		return nil
	}
	return row
}

// cells returns the values of keys in row.
func cells(row map[string]json.RawMessage, keys []string) []string {
	out := make([]string, len(keys))
	for i, key := range keys {
		out[i] = Cell(row[key])
	}
	return out
}

// Cell returns a JSON value as a cell, neutral: text without its quotes, null and absent as nothing, lists with spaces.
func Cell(raw json.RawMessage) string {
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
		return ""
	case raw[0] == '"':
		var s string
		_ = json.Unmarshal(raw, &s)
		return plain.Neutral(s)
	case raw[0] == '[':
		var list []any
		_ = json.Unmarshal(raw, &list)
		words := make([]string, len(list))
		for i, v := range list {
			words[i] = plain.Neutral(fmt.Sprint(v))
		}
		text := strings.Join(words, " ")
		if sign := strings.TrimLeft(text, " "); strings.HasPrefix(sign, "+") && !plain.Dialable.MatchString(text) {
			return "'" + text // of numbers, each of which may stand alone
		}
		return text
	case raw[0] == '{':
		return plain.Neutral(string(raw))
	}
	return string(raw) // a number, true or false
}
