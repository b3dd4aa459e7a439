package afpacket

import (
	"sync/atomic"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/decode"
)

// A Source is one ring of one interface. It implements capture.Watermarked; Close, Drops, Stats and State may be called
// from any goroutine. A payload that Next returned stays valid until Next is called again, after Close too: the ring is
// unmapped by the Next that returns an error, or by Close if Next was never called.
type Source struct {
	reader  *reader
	counts  *capture.Counters
	decoder *decode.Decoder
	frame   decode.Frame // what the decoder was given last
	notice  notice       // in no packet yet
	idle    bool         // the reader has returned no frame: none came in time
	over    error

	promised bool // Ready returned true: Next must not wait
}

// Open opens Fanout rings that share the interface's traffic: all packets of a flow, fragments included, come
// to the same Source. No frame is let in before all are ready.
func Open(c Config) ([]*Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	all := make([]*Source, c.Fanout)
	for i := range all {
		all[i] = newSource(c, uint64(i))
	}
	readers, err := openReaders(c, func(i int) *atomic.Uint64 { return &all[i].counts.Kernel })
	if err != nil {
		return nil, err
	}
	for i, r := range readers {
		all[i].reader = r
	}
	return all, nil
}

// streamsOfAMember is far more than the TCP streams that one ring will ever number.
const streamsOfAMember = 1 << 48

func newSource(c Config, member uint64) *Source {
	c.Decode.Ports = c.Ports // the filter lets some in by their shape, not by their port
	c.Decode.StreamBase += member * streamsOfAMember
	counts := new(capture.Counters)
	return &Source{counts: counts, decoder: decode.New(c.Decode, counts)}
}

// Next waits for the next packet. It returns io.EOF after Close. It waits for an interface that is down, was removed or
// does not exist yet; the error wraps ErrGone if no socket is left to bind to it. What a TCP stream still held is
// returned before the error, and so is the report of a loss. A bare packet is returned when nothing came for
// capture.IdleEvery, and after Ready returned true if no packet comes of the frames at hand.
func (s *Source) Next() (p capture.Packet, err error) {
	promised := s.promised
	s.promised = false
	for !s.decoder.Next(&p) {
		switch {
		case s.notice.missed > 0: // no packet came of the frame with the notice
			return s.bare(), nil
		case s.over != nil:
			return capture.Packet{}, s.over
		case s.idle, promised && s.reader.ring.left == 0:
			s.idle = false
			return s.bare(), nil
		}
		s.feed()
	}
	return s.annotate(p), nil
}

// bare returns a packet without payload, which carries the notice.
func (s *Source) bare() capture.Packet {
	return s.annotate(capture.Packet{Time: s.frame.Time, Point: s.reader.name})
}

// annotate adds the notice to p.
func (s *Source) annotate(p capture.Packet) capture.Packet {
	p.Origin = capture.Interface
	p.Missed, p.MissedSince, p.Step = s.notice.missed, s.notice.since, s.notice.step
	s.notice = notice{}
	return p
}

// feed decodes the next frame, or flushes the decoder if none follows.
func (s *Source) feed() {
	var f frame
	s.over = s.reader.read(&f)
	s.notice.add(f.notice)
	s.frame = decode.Frame{
		Time:   f.time,
		Link:   s.reader.link,
		Data:   f.bytes,
		Length: f.length,
		VLAN:   f.vlan,
		Point:  s.reader.name,
	}
	switch s.idle = false; {
	case s.over != nil:
		s.decoder.Flush()
	case f.length > 0:
		s.decoder.Frame(&s.frame)
	default:
		s.idle = true
		if s.notice.since.IsZero() {
			s.frame.Time = s.reader.mark
		}
	}
}

// Watermark implements capture.Watermarked: it is the clock before a look at the ring that found nothing, or the
// stamp of the last frame, less twice Retire and 5 ms.
func (s *Source) Watermark() (time.Time, bool) { return s.reader.watermark() }

// Name returns the name of the interface.
func (s *Source) Name() string { return s.reader.name }

// State returns the state of the interface.
func (s *Source) State() State { return s.reader.State() }

// Filter returns in plain words what the kernel lets in, and the hash of the program that it runs: 32 hexadecimal
// digits. It is called before Next.
func (s *Source) Filter() (words, hash string) {
	program, _ := s.reader.filter.program() // it was made before
	return s.reader.filter.describe(), hashOf(program)
}

// Drops returns what has been counted so far; the kernel's part is a second old at most while Next is called.
func (s *Source) Drops() capture.Drops { return s.counts.Drops() }

// Stats returns what has been counted beside that.
func (s *Source) Stats() Stats { return s.reader.stats() }

// Close makes Next return io.EOF, and may be called again.
func (s *Source) Close() error { return s.reader.close() }

// Ready reports whether another frame is at hand: then Next does not wait. Only the goroutine of Next may call it.
func (s *Source) Ready() bool {
	s.promised = s.reader.ring.left > 0
	return s.promised
}
