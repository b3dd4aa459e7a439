package cpni

import (
	"sync/atomic"

	"sipsieve/sip/event"
	"sipsieve/sip/phone"
)

// A Reader makes Records of events. Its memory is used again for each: it belongs to one goroutine.
type Reader struct {
	numbers   phone.Numbers
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

// Map sets the trunks that x looks up, nil for none.
func (x *Reader) Map(t *Trunks) {
	if t == nil {
		t = new(Trunks)
	}
	x.trunks = t
}

// Points sets the capture points that x names: interfaces and feeds of the configuration. Another one is other.
func (x *Reader) Points(names []string) { x.points = set(names) }

// Misfits returns how many values were dropped because they did not have the type, shape or word that the register
// gives their Field: each is a fault of the product. It may be called by any goroutine.
func (x *Reader) Misfits() uint64 { return x.misfits.Load() }

// NoRegion returns how many numbers of Records are non_e164 for want of the region where they are dialled. It may be
// called by any goroutine.
func (x *Reader) NoRegion() uint64 { return x.unplaced.Load() }

// Emergency sets the emergency numbers, as dialled, besides 911, 112 and 933.
func (x *Reader) Emergency(numbers []string) { x.emergency = numbers }

// Record returns the Record of ev, valid until the next call. It reports false of an event of which no record is made.
func (x *Reader) Record(ev *event.Event) (Record, bool) {
	read := sources[ev.Kind]
	clear(x.in.values)
	clear(x.in.e164s)
	x.in = inside{event: ev, numbers: &x.numbers, region: x.region, reader: x, own: x.emergency,
		values: x.in.values[:0], e164s: x.in.e164s[:0]}
	if read == nil || !read(ev, &x.in.subject) {
		return Record{}, false
	}
	x.in.revision = max(1, ev.Revision)
	x.in.facts.Find(&x.in.places)
	route(&x.in, x.trunks)
	return Record{Source: x.in.origin.String(), in: &x.in}, true
}
