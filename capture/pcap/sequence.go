package pcap

import (
	"math"
	"sync/atomic"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/decode"
)

// A sequence decodes frames in the order of their times, and gives the packets in them.
type sequence struct {
	decoder *decode.Decoder
	strays  strays
	ready   []record // whose time is known now, and that are not in order yet
	reorder reorder
	record  record // the frame whose packets are given
	late    atomic.Uint64
	stray   atomic.Uint64
	sifted  time.Time // the latest time of a frame whose packets were given with an earlier one
	shown   time.Time // the latest time that a packet bore
	flushed bool
}

func newSequence(d *decode.Decoder) sequence { return sequence{decoder: d, reorder: newReorder()} }

// next sets p to the next packet of the frame at hand, and reports whether there is one.
func (q *sequence) next(p *capture.Packet) bool {
	if !q.decoder.Next(p) {
		return false
	}
	p.Origin = capture.File
	if p.Time.After(q.shown) {
		q.shown = p.Time
	}
	if f := q.record.face; f != nil && f.given.missed > 0 {
		p.Missed, p.MissedSince = f.given.missed, f.given.since
		f.given.missed = 0
	}
	return true
}

// bare sets p to a packet that says how far the clock of the file has come, if no packet has said it.
func (q *sequence) bare(p *capture.Packet) bool {
	if !q.sifted.After(q.shown) {
		return false
	}
	q.shown = q.sifted
	*p = capture.Packet{Time: q.shown, Point: q.record.Point, Origin: capture.File}
	return true
}

// judge puts r in order if its time is believed.
func (q *sequence) judge(r *record) {
	var believed bool
	q.ready, believed = q.strays.admit(r, q.ready)
	if believed {
		q.put(r)
	} else {
		q.stray.Store(q.strays.count)
	}
}

// step decodes a frame, or moves one on its way there. It is false if another has to be read before.
func (q *sequence) step() bool {
	switch {
	case q.reorder.ready():
		q.reorder.take(&q.record)
		q.decode()
	case len(q.ready) > 0:
		q.accept()
	default:
		return false
	}
	return true
}

// accept puts the first of the frames in order whose time is known now. If the clock was set back before it, all that
// wait leave first.
func (q *sequence) accept() {
	r := q.ready[0]
	if r.back && q.reorder.len() > 0 {
		q.reorder.flush(math.MaxInt64 - 1)
		return
	}
	if r.back {
		q.reorder.restart()
	}
	if q.ready = q.ready[1:]; len(q.ready) == 0 {
		q.ready = nil
	}
	q.put(&r)
}

// put decodes r at once if its time does not matter, or is past; else r waits for earlier ones.
func (q *sequence) put(r *record) {
	t := nanos(r.Time)
	switch {
	case r.missed == 0 && q.decoder.Sift(&r.Frame, q.reorder.now(t)):
		if q.record = *r; !q.decoder.Given() && r.Time.After(q.sifted) {
			q.sifted = r.Time
		}
	case q.reorder.late(t):
		q.late.Add(1)
		q.record = *r
		q.decode()
	default:
		q.reorder.put(r)
	}
	q.reorder.pass(t)
}

// decode decodes the frame at hand.
func (q *sequence) decode() {
	q.record.face.given.pass(&q.record)
	q.decoder.Frame(&q.record.Frame)
}

// rest has all leave that wait and are not later than until, Unix nanoseconds, for no frame is at hand that may belong
// before them. It is false when none is left.
func (q *sequence) rest(until int64) bool {
	q.ready = q.strays.end(q.ready)
	q.stray.Store(q.strays.count)
	if first, ok := q.reorder.byTime.First(); len(q.ready) == 0 && (!ok || first > until) {
		return false
	}
	if len(q.ready) == 0 {
		q.reorder.flush(min(until, q.reorder.latest))
	}
	return true
}

// finish has everything leave at the end of the file, and at last what streams and fragments wait for. It is false when
// nothing is left.
func (q *sequence) finish() bool {
	if q.rest(math.MaxInt64) {
		return true
	}
	if q.flushed {
		return false
	}
	q.flushed = true
	q.decoder.Flush()
	return true
}

// each calls f with every frame that waits.
func (q *sequence) each(f func(*record)) {
	for n := q.reorder.first; n < q.reorder.next; n++ {
		if w := q.reorder.at(n); !w.gone {
			f(&w.record)
		}
	}
	for i := range q.ready {
		f(&q.ready[i])
	}
	for i := range q.strays.parked {
		f(&q.strays.parked[i].record)
	}
}

// Late returns how many frames stood in the file behind one that is more than a second later, or that there was no room
// to wait for.
func (q *sequence) Late() uint64 { return q.late.Load() }

// Strays returns how many frames had a time that was not believed, for it was minutes away from those around.
func (q *sequence) Strays() uint64 { return q.stray.Load() }

// given is what has been given of the frames of a face, in the order of time.
type given struct {
	last   time.Time // of the last frame
	missed uint64    // what no packet has told of
	since  time.Time
}

// pass notes that r is decoded.
func (g *given) pass(r *record) {
	if r.missed > 0 {
		since := r.since
		if since.IsZero() || !g.last.IsZero() && g.last.Before(since) {
			since = g.last
		}
		if since.IsZero() {
			since = r.Time
		}
		if g.missed == 0 || since.Before(g.since) {
			g.since = since
		}
		g.missed += r.missed
	}
	if r.Time.After(g.last) {
		g.last = r.Time
	}
}
