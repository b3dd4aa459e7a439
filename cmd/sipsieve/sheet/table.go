package sheet

import (
	"bufio"
	"slices"
	"strings"
	"text/tabwriter"

	"sipsieve/store/policy"
)

// tableColumns are the envelope's columns that a table shows; a terminal has no width for the others.
var tableColumns = []string{"purpose", "kind", "stage", "status", "missing"}

// opsTableColumns are those of a table of records about sensors.
var opsTableColumns = []string{"sensor", "kind", "from", "to", "policy", "count", "reason"}

// TableBlock is how many rows have one header and one width of columns.
const TableBlock = 1000

// A tableSheet is text in columns, for a person: blocks of TableBlock rows, each under its own header, without the
// columns that have nothing in any row of the block.
type tableSheet struct {
	lines *bufio.Writer
	keys  []string
	rows  [][]string // of the block that is not written yet
	blank bool       // a block was written
}

func newTableSheet(lines *bufio.Writer, purposes []*policy.Purpose) *tableSheet {
	first := tableColumns
	if purposes == nil {
		first = opsTableColumns
	}
	return &tableSheet{lines: lines, keys: columns(first, purposes)}
}

func (s *tableSheet) write(body []byte) {
	if len(s.rows) == TableBlock {
		s.writeBlock()
	}
	s.rows = append(s.rows, cells(ReadRow(body), s.keys))
}

func (s *tableSheet) pass() {} // a block is written whole

func (s *tableSheet) flush() error {
	if len(s.rows) > 0 || !s.blank {
		s.writeBlock()
	}
	return nil
}

func (s *tableSheet) notes() []string { return nil }

func (s *tableSheet) writeBlock() {
	var used []int
	for i := range s.keys {
		if len(s.rows) == 0 || slices.ContainsFunc(s.rows, func(r []string) bool { return r[i] != "" }) {
			used = append(used, i)
		}
	}
	if s.blank {
		_ = s.lines.WriteByte('\n')
	}
	w := tabwriter.NewWriter(s.lines, 0, 0, 2, ' ', 0)
	head := make([]string, len(s.keys))
	for i, key := range s.keys {
		head[i] = strings.ToUpper(key)
	}
	for _, row := range append([][]string{head}, s.rows...) {
		for n, i := range used {
			if n > 0 {
				_, _ = w.Write([]byte{'\t'})
			}
			_, _ = w.Write([]byte(row[i]))
		}
		_, _ = w.Write([]byte{'\n'})
	}
	_ = w.Flush() // the writer below returns its first error again when it is flushed
	s.rows, s.blank = s.rows[:0], true
}
