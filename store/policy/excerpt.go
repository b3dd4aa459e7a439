package policy

import (
	"bytes"
	"cmp"
	"time"

	"sipsieve/sip/event"
	"sipsieve/store/cpni"
)

// An Envelope is what every Excerpt has beside its fields; nothing in it is personal.
type Envelope struct {
	Schema, Kind, Stage, ID string
	Dialog                  string // of an answered call, the same for every sensor that saw a part of it; else ""
	Revision                int
	Status                  string
	Missing                 event.Missing
	Completeness            int
	Purpose, Policy, Class  string
	Expires                 Date
	Site, Sensor, Source    string
}

// An Excerpt is what one Purpose may keep of one Record, already encoded.
// Minimise makes one, and Received admits one of our own schema from the bus.
type Excerpt struct {
	Envelope
	Published Sequence // where it stands in its sensor's own stream; zero if it did not come from a bus
	body      []byte   // JSON, keys in the register's order
}

// A Sequence is the place of a publication in its sensor's own stream of one purpose.
type Sequence struct {
	Stream int64  // when that stream was made, in Unix nanoseconds: a later one begins at 1 again
	Number uint64 // counted from 1 without gaps; 0 if it is not known
}

// Compare is negative if s was published before o, and 0 if that is not known or they are one publication.
func (s Sequence) Compare(o Sequence) int {
	if s.Number == 0 || o.Number == 0 {
		return 0
	}
	return cmp.Or(cmp.Compare(s.Stream, o.Stream), cmp.Compare(s.Number, o.Number))
}

// Body returns the JSON of x. It must not be changed.
func (x Excerpt) Body() []byte { return x.body }

// Expired reports whether x may not be kept on day, nor put anywhere: the day of its expiry has come.
func (x Excerpt) Expired(day Date) bool { return x.Expires.Compare(day) <= 0 }

// Ended reports whether x is of a call whose BYE was seen.
func (x Excerpt) Ended() bool {
	return x.Dialog != "" && (x.Stage == "stop" || x.Stage == "correction") && x.Missing&event.NoBye == 0
}

// Time returns the time that x's expiry is counted from or, if that is null, the first other time of its kind that is
// not; false if x shows none.
func (x Excerpt) Time() (t time.Time, known bool) {
	kind, _ := cpni.KindOf(x.Kind)
	keys := kind.Times()
	if x.Purpose == Ops {
		keys = []string{"to"}
	}
	for _, text := range x.Texts(keys...) {
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t, true
		}
	}
	return t, false
}

// Follows reports whether the end of x may be that of the call of whole: not if it is before the answer. It is true
// where a purpose keeps one of the times only.
func (x Excerpt) Follows(whole Excerpt) bool {
	w, r := readBody(whole.body), readBody(x.body)
	if us, known := readHalf(w).until(readHalf(r)); known {
		return us >= 0
	}
	end, ended := readMoment(r.get("end_time"))
	answer, answered := readMoment(w.get("answer_time"))
	return !ended || !answered || x.Policy != whole.Policy || !end.time.Before(answer.time)
}

// SameEnd reports whether x and y end at one time, as far as their purpose keeps it; false if one shows no end.
func (x Excerpt) SameEnd(y Excerpt) bool {
	one, other := readBody(x.body).get("end_time"), readBody(y.body).get("end_time")
	_, known := readMoment(one)
	return known && bytes.Equal(one, other)
}

// Keys makes the ids and pseudonyms of one purpose. The vault has them.
type Keys interface {
	// ID returns a record id: 26 characters of base32 for the parts.
	ID(parts ...[]byte) string
	// MAC returns the pseudonym of a value for the time of its record; epoch names the key that was used.
	MAC(kind string, at time.Time, value []byte) (mac [16]byte, epoch string, err error)
}
