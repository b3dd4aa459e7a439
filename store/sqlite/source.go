package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// A key is where a row stands in an order: by moment and id, or by sensor and sequence, with the other two zero.
type key struct {
	moment   int64
	id       string
	sensor   string
	sequence policy.Sequence
}

// compare is negative if k comes before o.
func (k key) compare(o key) int {
	return cmp.Or(strings.Compare(k.sensor, o.sensor), cmp.Compare(k.sequence.Stream, o.sequence.Stream),
		cmp.Compare(k.sequence.Number, o.sequence.Number), cmp.Compare(k.moment, o.moment), strings.Compare(k.id, o.id))
}

// A source are the rows of one partition that a search has, in their order.
type source struct {
	place
	sensor string // of a search by storing: whose rows
	joined bool   // likewise: only rows that several sensors saw

	next  key // of the row that is here; before the first a key that none is before
	here  bool
	body  []byte
	ended bool
	read  int

	db   *sql.DB
	rows *sql.Rows
	late []lateRow // joined rows in their order
}

// A lateRow is a joined row with its key.
type lateRow struct {
	key  key
	body []byte
}

// advance reads the next row.
func (o *source) advance(ctx context.Context, s *search) error {
	if o.db == nil {
		if err := o.open(ctx, s); err != nil {
			return err
		}
	}
	if o.joined {
		if o.ended = len(o.late) == 0; !o.ended {
			o.here, o.next, o.body, o.late = true, o.late[0].key, o.late[0].body, o.late[1:]
			return nil
		}
		return o.close()
	}
	for o.here = false; o.rows.Next(); {
		var r record
		var moment int64
		_, intact := r.scan(o.rows, &moment)
		if o.read++; !intact {
			s.broken(o.place)
			continue
		}
		o.here, o.body = true, r.body
		if s.query.Stored {
			o.next.sequence = policy.Sequence{Stream: r.stream, Number: uint64(r.position)}
		} else {
			o.next.moment, o.next.id = moment, r.id
		}
		return nil
	}
	o.ended = true
	return errors.Join(o.rows.Err(), o.close())
}

// open begins to read the partition.
func (o *source) open(ctx context.Context, s *search) (err error) {
	if o.db, err = sql.Open("sqlite", dataSource(s.dir.path(o.place), true)); err != nil {
		return err
	}
	o.db.SetMaxOpenConns(1)
	e, _ := s.catalogue.get(o.place)
	if err := checkVersion(ctx, o.db, e); err != nil {
		return err
	}
	statement, args := o.statement(s)
	if o.rows, err = o.db.QueryContext(ctx, statement, args...); err != nil || !o.joined {
		return err
	}
	return o.readJoined(s)
}

// checkVersion returns an error unless the partition has tables of this version.
func checkVersion(ctx context.Context, db *sql.DB, e entry) error {
	have, err := versionOf(ctx, db, e)
	if err == nil && have < version {
		return errDamaged // the catalogue has rows of it
	}
	return err
}

// selectRecords has the moment behind the columns of a record. A test counts the rows that it comes to.
var selectRecords = "SELECT " + recordColumns + ", moment FROM excerpt %s WHERE true"

// selectBy begins a statement that finds its rows by an index.
func selectBy(index string) string {
	if index != "" {
		index = "INDEXED BY excerpt_" + index
	}
	return fmt.Sprintf(selectRecords, index)
}

// statement returns what reads the source's rows.
func (o *source) statement(s *search) (string, []any) {
	var c condition
	switch {
	case o.joined:
		c.filters(s)
		c.trunk(s)
		return selectBy("") + " AND parts IS NOT NULL" + c.text.String() + " ORDER BY id", c.args
	case s.query.Stored:
		c.and("sensor = ?", o.sensor)
		if after, ok := s.after[o.sensor]; ok {
			c.and("(spool, seq) > (?, ?)", after.Stream, int64(after.Number))
		}
		head := s.head[o.sensor]
		c.and("(spool, seq) <= (?, ?)", head.Stream, int64(head.Number))
		c.filters(s)
		c.trunk(s)
		return selectBy("place") + " AND parts IS NULL" + c.text.String() + " ORDER BY spool, seq", c.args
	}
	return s.byTime()
}

// byTime returns the statement that finds rows by the filter that is likely to have the fewest, in the order of time.
func (s *search) byTime() (string, []any) {
	var c condition
	switch first, _ := s.bounds(); { // one lower bound: an index is searched by no more
	case s.behind.Known && first == s.behind.Milli:
		c.and("(moment, id) > (?, ?)", first, s.behind.ID)
	case s.behind.ID != "" && first == timeless:
		c.and("(moment, id) > (?, ?)", first, s.behind.ID)
	default:
		c.and("moment >= ?", first)
	}
	c.filters(s)
	const inOrder = " ORDER BY moment, id"
	q, index := s.query, "moment"
	switch {
	case len(q.Pseudonyms) > 0:
		index = "call_id"
	case q.Account != "":
		index = "account"
	case q.Trunk != "": // what comes in by it, and what goes out by it and came in by another
		return selectBy("trunk_in") + " AND trunk_in = ?" + c.text.String() + " UNION ALL " + selectBy("trunk_out") +
				" AND trunk_out = ? AND trunk_out IS NOT trunk_in" + c.text.String() + inOrder,
			slices.Concat([]any{q.Trunk}, c.args, []any{q.Trunk}, c.args)
	case q.Disposition != "":
		index = "disposition"
	case q.Kind != "":
		index = "kind"
	}
	c.trunk(s)
	return selectBy(index) + c.text.String() + inOrder, c.args
}

// readJoined reads all joined rows that have something behind the cursor: they are few, since they are of calls that
// were handed from one host to another. Each stands where the last of its publications does that is behind the cursor;
// one of which a publication is behind the end of the answer is left to the next.
func (o *source) readJoined(s *search) error {
	for o.rows.Next() {
		var r record
		var moment int64
		if _, intact := r.scan(o.rows, &moment); !intact {
			s.broken(o.place)
			continue
		}
		row, err := rowOf(r.body, r.parts, policy.Sequence{Stream: r.stream, Number: uint64(r.position)})
		if err != nil {
			return err
		}
		if k, ok := s.keyOf(row); ok {
			o.late = append(o.late, lateRow{k, r.body})
		}
	}
	sortLate(o.late)
	return o.rows.Err()
}

// keyOf returns where a joined row stands, false if it is not in the answer.
func (s *search) keyOf(row store.Row) (k key, ok bool) {
	for _, part := range row.Parts {
		one := key{sensor: part.Sensor, sequence: part.Published}
		if s.head.Before(part.Sensor, part.Published) {
			return k, false
		}
		if s.after.Before(part.Sensor, part.Published) && (!ok || one.compare(k) > 0) {
			k, ok = one, true
		}
	}
	return k, ok
}

// close closes the partition.
func (o *source) close() error {
	if o.db == nil {
		return nil
	}
	var err error
	if o.rows != nil {
		err = o.rows.Close()
	}
	err = errors.Join(err, o.db.Close())
	o.db, o.rows, o.here = nil, nil, false
	return err
}

func sortLate(rows []lateRow) {
	slices.SortFunc(rows, func(a, b lateRow) int { return a.key.compare(b.key) })
}
