// Package policy decides what may leave: for each purpose the fields that the policy names, in the form it names.
//
// Whatever is not written in the policy is dropped. The zero value of everything here keeps nothing.
package policy

import (
	"cmp"
	"time"

	"sipsieve/sip/track"
)

// An Envelope is what every Excerpt says of itself; nothing in it is personal.
type Envelope struct {
	Schema, Kind, Stage, ID string
	Dialog                  string // of an answered call, the same for every sensor that saw a part of it; else ""
	Revision                int
	Status                  string
	Missing                 track.Missing
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

// Keys makes pseudonyms. The vault has them; epoch names the key that was used, for the time of the record.
type Keys interface {
	MAC(purpose, kind string, at time.Time, value []byte) (mac [16]byte, epoch string, err error)
}

// Identity makes record ids: 26 characters of base32 for the parts, under the purpose's id key.
type Identity interface {
	ID(purpose string, parts ...[]byte) string
}
