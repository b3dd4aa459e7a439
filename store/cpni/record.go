// Package cpni holds every fact about a call, registration or device under the class that the law gives it.
//
// # The register
//
// What is not in the field register (register.toml: 47 USC 222(h)(1) and the words of this product) does not exist here.
// A kind of record is a row of it, and so is a field.
//
// # Secrecy
//
// A Record lives in memory only and has no encoding; nothing but store/policy may look into it. A Value that is not of
// the type, shape or words that the register gives its Field is dropped and counted.
//
// # Clock and goroutines
//
// Nothing here reads a clock. A Record is valid until its Reader makes the next; a Reader belongs to one goroutine.
package cpni

import (
	"bytes"
	"fmt"
	"log/slog"
	"time"

	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/phone"
	"sipsieve/sip/useragent"
)

// A Loss is excerpts that a purpose did not get: how many, between when and when, and why.
type Loss struct {
	From, To time.Time
	Count    uint64
	Reason   string // a word of a closed set

	// Event names what was lost, so that a record of it that is made again has the same id; "" if From names it.
	Event string
}

// A Record is everything that is known of one call, registration or device at one Stage, or of a loss.
// However it is printed, logged or encoded, it shows nothing.
type Record struct {
	Site     string
	Sensor   string
	Source   string    // interface, file, hep
	Received time.Time // when the event was read, on the wall clock; zero in replay
	in       *inside
}

// inside is behind a pointer, so that fmt does not reach it.
type inside struct {
	subject
	event   *event.Event
	loss    *Loss // nil if it is of an event
	places  facts.Places
	reader  *Reader // that read it
	numbers *phone.Numbers
	region  string
	own     []string // the operator's emergency numbers
	from    *Trunk   // that the signalling came from; nil for none
	to      *Trunk
	mapped  bool // there is a map of trunks
	privacy withholding
	help    answer // whether it is a call for help
	device  *useragent.Device
	read    [maxFields]uint8 // 1 + the index in values of what has been read; several purposes read one field
	values  []Value
	e164s   []e164 // of what has been read as a number; several fields show one
}

// An e164 is how a user part was read as a number.
type e164 struct {
	user []byte
	text string
	ok   bool // it is a number, not one of the literals
}

// e164 returns the number that user is, or a literal and false.
func (in *inside) e164(user []byte) (string, bool) {
	for i := range in.e164s {
		if one := &in.e164s[i]; bytes.Equal(one.user, user) {
			return one.text, one.ok
		}
	}
	text, ok := in.numbers.E164(string(user), in.region)
	in.e164s = append(in.e164s, e164{user, text, ok})
	return text, ok
}

// An answer is that of a question that is read once.
type answer uint8

const (
	notRead answer = iota
	no
	yes
)

// first returns the first value of f, nil without one.
func (in *inside) first(f facts.Fact) []byte { return in.facts.At(&in.places, f) }

// OfLoss returns the Record of l.
func OfLoss(l Loss) Record {
	return Record{in: &inside{subject: ofLoss(&l), event: new(event.Event), loss: &l}}
}

// Format writes a mask for every verb and flag.
func (r Record) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue is what slog writes for r.
func (r Record) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText keeps encoders from writing r.
func (r Record) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Get returns the value of f, unknown when it was not seen or does not match the row of f. A Field
// foreign to the Record's kind is unknown too. It is read once, whoever asks, and valid as long as r.
func (r *Record) Get(f Field) *Value {
	in := r.in
	if i := in.read[f]; i != 0 {
		return &in.values[i-1]
	}
	var v Value
	if x := extractors[f]; x.read != nil && f.In(in.kind) {
		if v = x.read(in); !measures[f].fits(in, &v) {
			in.reader.misfits.Add(1)
			v = Value{}
		}
	}
	in.values = append(in.values, v)
	in.read[f] = uint8(len(in.values))
	return &in.values[len(in.values)-1]
}

// Kind returns what r is a record of.
func (r *Record) Kind() Kind { return r.in.kind }

// Certain returns the packet time, or the time of a timer, at which r was certain: then it is published.
func (r *Record) Certain() time.Time { return r.in.event.Time }

// Loss returns the loss that r announces, nil if it announces none.
func (r *Record) Loss() *Loss { return r.in.loss }

// Stage returns the point in its life at which a call is reported; every other record is of stage stop.
func (r *Record) Stage() event.Stage { return r.in.stage }

// Revision counts the records of one id, from 1.
func (r *Record) Revision() int { return r.in.revision }

// Status returns how much was seen.
func (r *Record) Status() event.Status { return r.in.status }

// Missing returns what should have been seen and was not.
func (r *Record) Missing() event.Missing { return r.in.missing }

// Completeness returns the share of the messages that were to be seen and were, in percent, rounded down.
func (r *Record) Completeness() int { return r.in.completeness }

// Time returns the time that retention is counted from: of a call the first INVITE, or the first message seen.
func (r *Record) Time() time.Time { return r.in.time }

// Emergency reports whether the call is to an emergency number or service (RFC 5031).
func (r *Record) Emergency() bool { return r.in.event.Call != nil && emergency(r.in) }

// Withheld reports whether f is the number of a party that is to be withheld by its own wish: see withholdingOf.
func (r *Record) Withheld(f Field) bool {
	return withholds[f] != 0 && withholdingOf(r.in)&withholds[f] != 0
}

// Join returns session_group, correlation and correlation_score for a reader that is shown joins of at least min, 0 to
// 100: of a call that is joined by nothing as sure, an unknown group, the word none, and 0. A group is the same for all
// purposes, so it comes as Text: Group makes of it what one purpose may keep. Get returns it unknown.
func (r *Record) Join(f Field, min int) Value {
	if r.in.event.Call == nil {
		return Value{}
	}
	return ofJoin(r.in.event.Call, f.String(), min)
}

// Restored reports whether r is of a call that was taken up again after a restart.
func (r *Record) Restored() bool { return r.in.event.Call != nil && r.in.event.Call.Restored }

// Snapshot returns what was saved of a restored call for a purpose, nil if nothing was.
func (r *Record) Snapshot(purpose string) []byte {
	if r.in.event.Call == nil {
		return nil
	}
	for v := range r.in.facts.All(facts.Frozen) {
		if name, saved, _ := bytes.Cut(v, []byte{0}); string(name) == purpose {
			return saved
		}
	}
	return nil
}

// Identity appends to parts what the id of r is made from, under the key of one purpose. It is the same for
// every sensor that sees the call, and does not depend on the sensor or on a time finer than the UTC day.
func (r *Record) Identity(parts [][]byte) [][]byte { return r.in.identity(r, parts) }

// Lone reports whether r's id is that of a BYE alone: it may be so of a call whose INVITE was not seen.
func (r *Record) Lone() bool {
	const unseen = event.NoInvite | event.NoFinal | event.NoAck
	return r.in.kind == CallKind && r.in.missing&unseen == unseen
}

// LoneIdentity appends what Identity does of a call that is Lone.
func (r *Record) LoneIdentity(parts [][]byte) [][]byte {
	a, b := tags(r.in)
	return reused(append(parts, r.in.first(facts.CallIDText), a, b, day(r.in.time)), r.in.event.Call)
}

// Dialog appends to parts what the dialog of an answered call is known by, from whichever of its messages: the Call-ID
// and both tags (RFC 3261 section 12). It reports false of a call that was not answered, or whose texts are gone.
func (r *Record) Dialog(parts [][]byte) ([][]byte, bool) {
	if r.in.event.Call == nil || r.in.event.Call.Disposition != event.Answered {
		return parts, false
	}
	id := r.in.first(facts.CallIDText)
	a, b := tags(r.in)
	if id == nil || a == nil || b == nil {
		return parts, false
	}
	return append(parts, []byte("dialog"), id, a, b), true
}

// Half returns what another record of the same dialog may lack of r: the answer, of a call that was seen from its
// INVITE on and whose end was not, or not whole; the end, of a call whose INVITE was not seen. It reports false of
// others.
func (r *Record) Half() (at time.Time, ok bool) {
	c := r.in.event.Call
	if c == nil || c.Disposition != event.Answered {
		return at, false
	}
	over := r.Stage() >= event.Stop
	switch {
	case c.Missing&event.NoInvite != 0:
		at, ok = c.End, over && c.Missing&event.NoBye == 0
	default:
		at, ok = c.Answer, !over || c.Missing&(event.NoBye|event.NoByeResponse) != 0
	}
	return at, ok && !at.IsZero()
}

// CallerFirst reports whether the caller's tag sorts before the callee's; of a BYE alone that of its sender.
func (r *Record) CallerFirst() bool {
	return bytes.Compare(r.in.first(facts.CallerTag), r.in.first(facts.CalleeTag)) < 0
}
