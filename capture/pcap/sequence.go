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
	ready   []record // whose time is settled, to be put in order
	reorder reorder
	record  record // the frame whose packets are given
	late    atomic.Uint64
	stray   atomic.Uint64
	sifted  time.Time // the latest time of a frame whose packets were given with an earlier one
	shown   time.Time // the latest time of a packet
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
	if f := q.record.face; f != nil && f.decoded.missed > 0 {
		p.Missed, p.MissedSince = f.decoded.missed, f.decoded.since
		f.decoded.missed = 0
	}
	return true
}

// bare sets p to a bare packet with the latest time of the file, unless a packet has borne it.
func (q *sequence) bare(p *capture.Packet) bool {
	if !q.sifted.After(q.shown) {
		return false
	}
	q.shown = q.sifted
	*p = capture.Packet{Time: q.shown, Point: q.record.Point, Origin: capture.File}
	return true
}

// judge puts r in order if its time is accepted, and parks it otherwise.
func (q *sequence) judge(r *record) {
	var accepted bool
	q.ready, accepted = q.strays.admit(r, q.ready)
	if accepted {
		q.put(r)
	} else {
		q.stray.Store(q.strays.count)
	}
}

// step decodes a frame, or moves one towards it. It is false if another frame has to be read first.
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

// accept puts the first of ready in order. If the clock was set back before it, all frames that wait are released
// first.
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

// put decodes r at once if its order does not matter, or if it is late; else r waits for earlier frames.
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
	q.record.face.decoded.pass(&q.record)
	q.decoder.Frame(&q.record.Frame)
}

// rest releases the frames that are not later than until, Unix nanoseconds: no frame that may belong before them is at
// hand. It is false when none is left.
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

// finish releases every frame at the end of the file, and at last flushes the decoder. It is false when nothing is
// left.
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

// Late returns how many frames came behind one that is more than a second later, or behind one for which there was no
// room to wait.
func (q *sequence) Late() uint64 { return q.late.Load() }

// Strays returns how many frames had a time minutes away from those around, which was replaced.
func (q *sequence) Strays() uint64 { return q.stray.Load() }

// decoded is what was decoded of the frames of a face, in the order of time.
type decoded struct {
	last   time.Time // of the last frame
	missed uint64    // frames lost before it that no packet has carried
	since  time.Time // when those were not lost yet
}

// pass notes that r is decoded, and the frames lost before it.
func (g *decoded) pass(r *record) {
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
