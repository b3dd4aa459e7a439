package sqlite

import (
	"database/sql"
	"encoding/binary"
	"hash/crc64"
	"math"

	"sipsieve/store"
)

// A record is a row of a partition as it is kept, without what is derived from its body.
type record struct {
	id, kind, sensor, stage, status, dialog          string
	revision, completeness, unseen, stream, position int64
	body, parts                                      []byte
}

// recordOf returns what is kept of x.
func recordOf(x store.Row) record {
	return record{id: x.ID, kind: x.Kind, sensor: x.Sensor, stage: x.Stage, status: x.Status, dialog: x.Dialog,
		revision: int64(x.Revision), completeness: int64(x.Completeness), unseen: int64(x.Missing),
		stream: x.Published.Stream, position: int64(x.Published.Number), body: x.Body(), parts: x.PartsText()}
}

// A tableLine is a row with all columns of its table that are stored.
type tableLine struct {
	row store.Row
	record
	moment int64
	texts  []string // of columnKeys
}

// columnKeys are the keys of a body that have columns.
var columnKeys = []string{"account_id", "trunk_in", "trunk_out", "disposition", "call_id"}

func lineOf(x store.Row) tableLine {
	return tableLine{row: x, record: recordOf(x), moment: moment(x), texts: x.Texts(columnKeys...)}
}

var sumTable = crc64.MakeTable(crc64.ECMA)

// sum returns the checksum of r. The sums of all rows of a partition, added up, are the sum of the partition.
func (r *record) sum() int64 {
	var numbers [5 * 8]byte
	for i, n := range []int64{r.revision, r.completeness, r.unseen, r.stream, r.position} {
		binary.LittleEndian.PutUint64(numbers[8*i:], uint64(n))
	}
	sum := crc64.Update(0, sumTable, numbers[:])
	for _, text := range []string{r.id, r.kind, r.sensor, r.stage, r.status, r.dialog} {
		sum = crc64.Update(sum, sumTable, append([]byte(text), 0))
	}
	sum = crc64.Update(crc64.Update(sum, sumTable, r.body), sumTable, []byte{0})
	return int64(crc64.Update(sum, sumTable, r.parts))
}

// recordColumns are the columns of a record and its checksum, as scan reads them.
const recordColumns = `id, kind, sensor, stage, revision, status, completeness, body, coalesce(dialog, ''), unseen, spool,
	seq, parts, sum`

// scan reads the row that rows has come to: recordColumns, and behind them what goes into more. It reports whether the
// row is intact: of the types of its columns, and with its checksum.
func (r *record) scan(rows *sql.Rows, more ...any) (sum int64, intact bool) {
	*r = record{}
	err := rows.Scan(append([]any{&r.id, &r.kind, &r.sensor, &r.stage, &r.revision, &r.status, &r.completeness, &r.body,
		&r.dialog, &r.unseen, &r.stream, &r.position, &r.parts, &sum}, more...)...)
	return sum, err == nil && r.sum() == sum
}

// timeless is the moment of a row without a time: the first of all.
const timeless = math.MinInt64

// moment returns the time of x in Unix milliseconds, or timeless.
func moment(x store.Row) int64 {
	if t, known := x.Time(); known {
		return milli(t)
	}
	return timeless
}
