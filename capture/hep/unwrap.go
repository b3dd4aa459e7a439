package hep

import (
	"sync"
	"time"

	"sipsieve/capture"
)

// A File is a capture of a feed. It returns the messages in the packets of HEP, and packets that are not HEP unchanged.
type File struct {
	capture.Source
	port    uint16
	decoder decoder
	feeds   feeds
	segment capture.Packet   // of a stream, whose packets are being returned
	counts  capture.Counters // of what is refused here
	lost    lost             // frames lost before packets that were refused here
	mu      sync.Mutex       // guards stats
	stats   Stats
}

// Unwrapped returns src read as a feed: each datagram that holds a packet of HEP version 3, and each such packet in a
// TCP stream, replaced by its message. With a port, all datagrams from or to it are HEP, versions 1 and 2 too, and so
// are streams whose beginning was not seen; 0 is none. A message bears the stamp of its sender, however far from the
// frame's time, and the frame's time without a valid stamp; it keeps the frame's Point and Origin. No key is needed: it
// would be in the file anyway.
func Unwrapped(src capture.Source, port uint16) *File {
	f := &File{Source: src, port: port}
	f.stats.init()
	return f
}

// Next returns the next message, or the next packet that is not HEP.
func (f *File) Next() (capture.Packet, error) {
	for {
		if p, ok := f.streamed(); ok {
			return p, nil
		}
		p, err := f.Source.Next()
		switch {
		case err != nil:
			return p, err
		case p.Stream != 0 && f.begin(&p):
		case p.Stream == 0 && (hasMagic(p.Payload) || f.onPort(&p) && isOld(p.Payload)):
			if m, ok := f.datagram(&p); ok {
				return m, nil
			}
		default:
			return f.annotate(p), nil
		}
	}
}

// Given reports whether all messages have been returned that end in the packets of the Source below.
func (f *File) Given() bool {
	return f.segment.Stream == 0 || !f.feeds.find(f.segment.Stream).more()
}

// begin takes the segment p if its stream is a feed.
func (f *File) begin(p *capture.Packet) bool {
	before := f.feeds.evicted
	if !f.feeds.begin(p, f.onPort(p)) {
		return false
	}
	f.segment = *p
	if n := f.feeds.evicted - before; n > 0 {
		f.counts.Lose(capture.StreamEvicted, n)
	}
	return true
}

// onPort reports whether p is from or to the port of the feed.
func (f *File) onPort(p *capture.Packet) bool {
	return f.port != 0 && (p.Flow.Src.Port() == f.port || p.Flow.Dst.Port() == f.port)
}

// datagram returns the message in p.
func (f *File) datagram(p *capture.Packet) (capture.Packet, bool) {
	var m mirrored
	why, ok := f.decode(p.Payload, &m)
	if ok {
		return f.annotate(f.message(&m, p)), true
	}
	f.counts.Refuse(why)
	f.lost.add(p.Missed, p.MissedSince)
	return capture.Packet{}, false
}

// streamed returns the next message in the segment at hand. Of a packet in which the stream ends, or lacks bytes, it
// returns the part that came.
func (f *File) streamed() (capture.Packet, bool) {
	for f.segment.Stream != 0 {
		b := f.feeds.find(f.segment.Stream).next()
		if b == nil {
			f.lost.add(f.segment.Missed, f.segment.MissedSince)
			f.segment = capture.Packet{}
			break
		}
		var m mirrored
		why, ok := f.decode(b, &m)
		if ok {
			return f.annotate(f.message(&m, &f.segment)), true
		}
		f.counts.Lose(why, 1)
	}
	return capture.Packet{}, false
}

// decode decodes b, and counts a payload of another kind than SIP.
func (f *File) decode(b []byte, m *mirrored) (why capture.Reason, ok bool) {
	if why, ok = f.decoder.decode(b, m); why == capture.HEPType && !ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.stats.Kinds[kindName(m.kind)]++
	}
	return why, ok
}

// message returns the message of m as a packet, captured where p was.
func (f *File) message(m *mirrored, p *capture.Packet) capture.Packet {
	f.mu.Lock()
	f.stats.agent(m.agent)
	f.stats.odd(m)
	f.mu.Unlock()
	inner := capture.Packet{Time: m.stamp, Arrived: p.Time, Mirrored: true, Flow: m.flow(), Point: p.Point,
		Origin: p.Origin, Cut: m.cut || p.Cut && !m.framed, Payload: m.payload, Correlation: m.correlation,
		Missed: p.Missed, MissedSince: p.MissedSince}
	if m.stamp.IsZero() {
		inner.Time = p.Time
	}
	p.Missed, p.MissedSince = 0, time.Time{}
	return inner
}

// annotate adds to p what was lost before packets that were refused.
func (f *File) annotate(p capture.Packet) capture.Packet {
	f.lost.add(p.Missed, p.MissedSince)
	p.Missed, p.MissedSince = f.lost.frames, f.lost.since
	f.lost = lost{}
	return p
}

// Stats returns what has been counted beside the Drops.
func (f *File) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats.clone(0)
}

// Drops returns what has been counted so far: a packet that is refused here had passed the Source below. Packets that
// are refused in a stream are Lost: their frames passed.
func (f *File) Drops() capture.Drops {
	own := f.counts.Drops()
	d := f.Source.Drops()
	for _, n := range own.Refused {
		d.Passed -= n
	}
	d.Add(own)
	return d
}

// lost is the frames lost before the next Packet.
type lost struct {
	frames uint64
	since  time.Time // when they were not lost yet; the zero Time without any
}

// add adds n frames that were lost after a time.
func (l *lost) add(n uint64, since time.Time) {
	if n == 0 {
		return
	}
	if l.frames == 0 || since.Before(l.since) {
		l.since = since
	}
	l.frames += n
}
