// Package cpni holds every fact about a call or device under the class that the law gives it.
//
// What is not in the field register (47 USC 222(h)(1) and the words of this product) does not exist here.
// A Record lives in memory only and has no encoding; nothing but store/policy may look into it.
package cpni

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/track"
)

// A Field is one entry of the field register, numbered in the register's order.
type Field uint8

// A Loss is excerpts that a purpose did not get: how many, between when and when, and why.
type Loss struct {
	From, To time.Time
	Count    uint64
	Reason   string // a word of a closed set
}

// A Record is everything that is known of one call, registration or device at one Stage, or of a loss.
// However it is printed, logged or encoded, it shows nothing.
type Record struct {
	Site     string
	Sensor   string
	Source   string    // interface, file, hep
	Received time.Time // when we looked; zero in replay, where nobody asks
	in       *inside
}

// inside is behind a pointer, so that fmt does not reach it.
type inside struct {
	event   *track.Event
	call    *track.Call
	reg     *track.Registration
	dev     *track.Device
	loss    *Loss
	facts   track.Facts
	places  track.Places
	reader  *Reader // that read it
	numbers *sip.Numbers
	region  string
	own     []string // the operator's emergency numbers
	from    *Trunk   // that the signalling came from; nil for none
	to      *Trunk
	mapped  bool // there is a map of trunks
	privacy withholding
	device  *sip.Device
	read    [maxFields]uint8 // 1 + the index in values of what has been read; several purposes ask for one field
	values  []Value
}

// maxFields is more than the register has.
const maxFields = 255

// A Reader makes Records of events. Its memory is used again for each: it belongs to one goroutine.
type Reader struct {
	numbers   sip.Numbers
	region    string
	trunks    *Trunks
	points    map[string]bool
	emergency []string
	misfits   atomic.Uint64
	unplaced  atomic.Uint64 // see NoRegion
	in        inside
}

// NewReader returns a Reader that reads national numbers as dialled in region (ISO 3166 alpha-2), "" for nowhere.
func NewReader(region string) *Reader { return &Reader{region: region, trunks: new(Trunks)} }

// Map has x look up trunks in t, nil for none.
func (x *Reader) Map(t *Trunks) {
	if t == nil {
		t = new(Trunks)
	}
	x.trunks = t
}

// Points has x name these capture points: interfaces and feeds of the configuration. Another one is other.
func (x *Reader) Points(names []string) { x.points = set(names) }

// Misfits returns how many values were dropped because they were not what the register says of their Field: each is a
// fault of the product. It may be called by any goroutine.
func (x *Reader) Misfits() uint64 { return x.misfits.Load() }

// NoRegion returns how many numbers of Records are non_e164 because no region says where they are dialled. It may be
// called by any goroutine.
func (x *Reader) NoRegion() uint64 { return x.unplaced.Load() }

// Emergency has x take numbers, as dialled, for emergency numbers besides 911, 112 and 933.
func (x *Reader) Emergency(numbers []string) { x.emergency = numbers }

// Record returns the Record of ev, valid until the next call.
func (x *Reader) Record(ev *track.Event) Record {
	clear(x.in.values)
	x.in = inside{event: ev, call: ev.Call, reg: ev.Registration, dev: ev.Device, numbers: &x.numbers, region: x.region,
		reader: x, own: x.emergency, values: x.in.values[:0]}
	switch {
	case ev.Call != nil:
		x.in.facts = ev.Call.Facts
	case ev.Device != nil:
		x.in.facts = ev.Device.Facts
	default:
		x.in.facts = ev.Registration.Facts
	}
	x.in.facts.Find(&x.in.places)
	x.in.route(x.trunks)
	return Record{Source: x.in.origin().String(), in: &x.in}
}

// first returns the first value of f, nil without one.
func (in *inside) first(f track.Fact) []byte { return in.facts.At(&in.places, f) }

// OfLoss returns the Record of l.
func OfLoss(l Loss) Record { return Record{in: &inside{loss: &l}} }

// Format writes a mask for every verb and flag.
func (r Record) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// LogValue is what slog writes for r.
func (r Record) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText keeps encoders from writing r.
func (r Record) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Get returns the value of f, unknown when it was not seen or when it is not what the register says of f. A Field
// foreign to the Record's kind is unknown too.
func (r *Record) Get(f Field) Value {
	in := r.in
	if i := in.read[f]; i != 0 {
		return in.values[i-1]
	}
	var v Value
	if x := extractors[f]; x.read != nil && in.loss == nil && f.In(r.Kind()) {
		if v = x.read(in); !measures[f].fits(in, &v) {
			in.reader.misfits.Add(1)
			v = Value{}
		}
	}
	in.values = append(in.values, v)
	in.read[f] = uint8(len(in.values))
	return v
}

// Kind returns call, registration, device or loss.
func (r *Record) Kind() string {
	switch {
	case r.in.loss != nil:
		return "loss"
	case r.in.call != nil:
		return "call"
	case r.in.dev != nil:
		return "device"
	}
	return "registration"
}

// Loss returns the loss that r tells, nil if it tells none.
func (r *Record) Loss() *Loss { return r.in.loss }

// Stage returns the point in its life at which a call is told; the others are told at stop.
func (r *Record) Stage() track.Stage {
	if r.in.call == nil {
		return track.Stop
	}
	return r.in.event.Stage
}

// Revision returns 1, 2, ... for the tellings of one call.
func (r *Record) Revision() int {
	if r.in.event == nil || r.in.event.Revision == 0 {
		return 1
	}
	return r.in.event.Revision
}

// Status, Missing and Completeness say how much was seen.
func (r *Record) Status() track.Status {
	switch {
	case r.in.call != nil:
		return r.in.call.Status
	case r.in.reg != nil:
		return r.in.reg.Status
	}
	return track.Complete
}

// Missing returns what should have been seen and was not.
func (r *Record) Missing() track.Missing {
	switch {
	case r.in.call != nil:
		return r.in.call.Missing
	case r.in.reg != nil:
		return r.in.reg.Missing
	}
	return 0
}

// Completeness returns the share of the messages that were to be seen and were, in percent, rounded down.
func (r *Record) Completeness() int {
	switch {
	case r.in.call != nil:
		return r.in.call.Completeness
	case r.in.reg != nil:
		return r.in.reg.Completeness
	}
	return 100
}

// At returns the time that retention is counted from: of a call the first INVITE, or the first message seen.
func (r *Record) At() time.Time {
	switch {
	case r.in.loss != nil:
		return r.in.loss.To
	case r.in.dev != nil:
		return r.in.dev.At
	case r.in.call == nil:
		return r.in.reg.At
	case r.in.call.Setup.IsZero():
		return r.in.call.FirstSeen
	}
	return r.in.call.Setup
}

// Emergency reports whether the call is to an emergency number or service (RFC 5031).
func (r *Record) Emergency() bool {
	return r.in.call != nil && r.in.emergency()
}
