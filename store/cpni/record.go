// Package cpni holds every fact about a call or device under the class that the law gives it.
//
// What is not in the field register (47 USC 222(h)(1) and the words of this product) does not exist here.
// A Record lives in memory only and has no encoding; nothing but store/policy may look into it.
package cpni

import (
	"fmt"
	"log/slog"
	"time"

	"sipsieve/sip/track"
)

// A Field is one entry of the field register, numbered in the register's order.
type Field uint8

// Hidden is text about a person. However it is printed, logged or encoded, the text does not show.
type Hidden struct{ text *string }

// Hide returns s as Hidden.
func Hide(s string) Hidden { return Hidden{&s} }

// Reveal returns the text. The house test says who may call it: store/policy and store/vault.
func Reveal(h Hidden) string {
	if h.text == nil {
		return ""
	}
	return *h.text
}

// Format writes a mask for every verb and flag.
func (h Hidden) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue is what slog writes for h.
func (h Hidden) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText keeps encoders from writing h.
func (h Hidden) MarshalText() ([]byte, error) { return []byte("***"), nil }

// A Value is one fact of a Record. The zero Value is unknown: published as null.
// Which of the members holds it follows from the Field's Type.
type Value struct {
	Known bool
	N     int64    // int, bool (0, 1), duration (milliseconds), time (Unix microseconds)
	Word  string   // enum, country: a word of a closed set, never text of a message
	Words []string // enum_list: likewise, in the register's order
	Text  Hidden   // everything else: a number, an address, a name
	Texts []Hidden // lists of such
}

// A Record is everything that is known of one call or registration at one Stage, or of a loss.
type Record struct {
	event    *track.Event
	Site     string
	Sensor   string
	Source   string    // interface, file, hep
	Received time.Time // when we looked; zero in replay, where nobody asks
}

// Of returns the Record of ev.
func Of(ev *track.Event) Record { return Record{event: ev} }

// Kind returns call or registration.
func (r *Record) Kind() string { panic("cpni: Kind") }

// Get returns the value of f, unknown when it was not seen. A Field foreign to the Record's kind is unknown too.
func (r *Record) Get(f Field) Value { panic("cpni: Get") }
