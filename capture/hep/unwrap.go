package hep

import (
	"time"

	"sipsieve/capture"
)

// Unwrapped returns what src gives, each datagram of HEP version 3 replaced by the message in it: so a capture file of
// a feed reads like the feed. A message bears the time that its sender gave it, however far from the frame's, and the
// frame's time only if the sender gave none; it keeps the frame's Point and Origin. No key is asked for: whoever has
// the file has it too. HEP in a TCP stream and versions 1 and 2, which look like other datagrams, stay as they are.
func Unwrapped(src capture.Source) capture.Source { return &unwrapped{Source: src} }

type unwrapped struct {
	capture.Source
	decoder decoder
	counts  capture.Counters // of what is refused here
	lost    lost             // what refused packets had to tell
}

func (u *unwrapped) Next() (capture.Packet, error) {
	for {
		p, err := u.Source.Next()
		if err != nil {
			return p, err
		}
		if p.Stream != 0 || !hasMagic(p.Payload) {
			return u.tell(p), nil
		}
		var m mirrored
		why, ok := u.decoder.decode(p.Payload, &m)
		if ok {
			return u.tell(m.unwrap(p)), nil
		}
		u.counts.Refuse(why)
		u.lost.add(p.Missed, p.MissedSince)
	}
}

// unwrap returns m as a packet seen where p was.
func (m *mirrored) unwrap(p capture.Packet) capture.Packet {
	inner := capture.Packet{Time: m.stamp, Flow: m.flow(), Point: p.Point, Origin: p.Origin,
		Payload: m.payload, Correlation: m.correlation, Missed: p.Missed, MissedSince: p.MissedSince}
	if m.stamp.IsZero() {
		inner.Time = p.Time
	}
	return inner
}

// tell adds to p what those refused before it had to tell.
func (u *unwrapped) tell(p capture.Packet) capture.Packet {
	u.lost.add(p.Missed, p.MissedSince)
	p.Missed, p.MissedSince = u.lost.frames, u.lost.since
	u.lost = lost{}
	return p
}

// Drops returns what has been counted so far: a packet that is refused here had passed the Source below.
func (u *unwrapped) Drops() capture.Drops {
	own := u.counts.Drops()
	d := u.Source.Drops()
	for _, n := range own.Refused {
		d.Passed -= n
	}
	d.Add(own)
	return d
}

// lost is what the next Packet tells of frames that did not become one.
type lost struct {
	frames uint64
	since  time.Time // when they were not lost yet; the zero Time without any
}

// add takes note of n more, that were not lost yet at that time.
func (l *lost) add(n uint64, since time.Time) {
	if n == 0 {
		return
	}
	if l.frames == 0 || since.Before(l.since) {
		l.since = since
	}
	l.frames += n
}
