package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sipsieve/store/policy"
)

// ErrNoPurpose is the error of a Query without a purpose.
var ErrNoPurpose = errors.New("no purpose")

// ErrAfter is the error of a Query whose After is not the Next of an Item of the same order.
var ErrAfter = errors.New("not a cursor of this order")

// A Query names what a reader may see: one purpose, always. A record is in the answer if it meets all that is set.
type Query struct {
	Purpose string
	Kind    string // "" for every kind

	// From and before To, to the millisecond, of the time that expiry is counted from; zero for no bound. A call
	// without it is found by its first other time; what keeps no time at all is within no bound.
	From, To time.Time

	Account     string   // the value of account_id
	Trunk       string   // the value of trunk_in or of trunk_out
	Disposition string   // the value of disposition
	Pseudonyms  []string // of which one is the value of call_id

	// Stored asks for the order in which records were stored or corrected: by sensor, then as each sensor published
	// them. The answer then ends where the last Put ended that returned before the Query began, with an Item that has
	// no Body: its Next is where the next poll goes on. Without Stored the order is by time, those without one first,
	// then by id.
	Stored bool
	After  string // the Next of an Item: only what comes after it in the same order; "" for all
	Limit  int    // of records; 0 for all
}

// An Item is one record of an answer.
type Item struct {
	Body []byte // the excerpt as it was published, or was joined; the caller's to keep
	Next string // the After of a Query that goes on behind it
}

// A Cursor is how far a reader has got in the order of storing: for each sensor the last publication that it has read
// of that sensor's stream. A record that another publication has replaced or completed since then comes again. A reader
// that keeps the cursor together with what it read misses nothing and needs no clock.
type Cursor map[string]policy.Sequence

// Start is the text of the cursor before the first record.
const Start = "start"

// String returns c for ParseCursor: sensor:stream.number, by sensor, with commas between; Start for none.
func (c Cursor) String() string {
	if len(c) == 0 {
		return Start
	}
	var b strings.Builder
	for i, sensor := range slices.Sorted(maps.Keys(c)) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s:%d.%d", sensor, c[sensor].Stream, c[sensor].Number)
	}
	return b.String()
}

// ParseCursor reads what String wrote; "" is Start. Its error is ErrAfter.
func ParseCursor(text string) (Cursor, error) {
	c := Cursor{}
	if text == "" || text == Start {
		return c, nil
	}
	for one := range strings.SplitSeq(text, ",") {
		sensor, place, _ := strings.Cut(one, ":")
		stream, number, _ := strings.Cut(place, ".")
		s, err := strconv.ParseInt(stream, 10, 64)
		n, err2 := strconv.ParseUint(number, 10, 63)
		_, twice := c[sensor]
		if CheckName(sensor) != nil || err != nil || err2 != nil || twice {
			return nil, ErrAfter
		}
		c[sensor] = policy.Sequence{Stream: s, Number: n}
	}
	return c, nil
}

// Reach moves c on to one publication, if that is behind c.
func (c Cursor) Reach(sensor string, s policy.Sequence) {
	if c.Before(sensor, s) {
		c[sensor] = s
	}
}

// Before reports whether a publication comes behind c. One whose place is not known comes behind a cursor only that has
// nothing of its sensor.
func (c Cursor) Before(sensor string, s policy.Sequence) bool {
	have, ok := c[sensor]
	return !ok || s.Stream > have.Stream || s.Stream == have.Stream && s.Number > have.Number
}

// A Mark is where a record stands in the order by time.
type Mark struct {
	Known bool  // it has a time
	Milli int64 // Unix milliseconds
	ID    string
}

// String returns m for ParseMark.
func (m Mark) String() string {
	if !m.Known {
		return "-/" + m.ID
	}
	return strconv.FormatInt(m.Milli, 10) + "/" + m.ID
}

// ParseMark reads what String wrote. Its error is ErrAfter.
func ParseMark(text string) (m Mark, err error) {
	moment, id, ok := strings.Cut(text, "/")
	if !ok || id == "" {
		return m, ErrAfter
	}
	if m.ID = id; moment == "-" {
		return m, nil
	}
	if m.Milli, err = strconv.ParseInt(moment, 10, 64); err != nil {
		return m, ErrAfter
	}
	m.Known = true
	return m, nil
}

// Compare is negative if m comes before o.
func (m Mark) Compare(o Mark) int {
	switch {
	case m.Known != o.Known:
		return trueFirst(!m.Known, !o.Known)
	case m.Milli != o.Milli:
		return trueFirst(m.Milli < o.Milli, o.Milli < m.Milli)
	}
	return strings.Compare(m.ID, o.ID)
}

// A Damage is what is known to be missing of one partition.
type Damage struct {
	Place
	Number    int       // of the damages of this partition, from 1
	From, To  time.Time // of the rows that may be missing; if they have none, when refilling began; zero before
	Missing   int       // rows
	Pending   bool      // what is intact in the damaged files is not read out yet
	Refilling bool      // the bus delivers again what it still has
	Had       Cursor    // the lowest publication of each sensor that may be among them
}

// A DamageError is the last of a Query, and an error of a check: some partitions lack rows.
type DamageError []Damage

// Error lists purpose, day of expiry and how many rows are missing.
func (e DamageError) Error() string {
	var b strings.Builder
	b.WriteString("store: damaged")
	for i, d := range e {
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(&b, " %s %v: %d rows are missing", d.Purpose, d.Expires, d.Missing)
	}
	return b.String()
}
