// Package framing finds SIP messages in byte streams: by Content-Length on TCP (RFC 3261 section 18.3), by frames on
// WebSocket (RFC 6455, RFC 7118), whose compression it undoes (RFC 7692).
//
// # Cuts
//
// What is found does not depend on where the stream is cut into payloads, with one exception: a payload that begins with
// a message ends the one before it, whose Content-Length was too large.
//
// # Gaps
//
// Where bytes are missing, and where a stream is picked up in its middle, a Framer looks for the next sync point: a start
// line of a method of the registry, a WebSocket frame that begins with one, or a TLS record. A stream of TLS is given up.
//
// # Limits
//
// A Framer follows 20,000 streams and holds the unfinished messages of 512 of them, 64 KiB each. What does not fit is
// counted, and what was longest without a payload is dropped.
package framing

import (
	"time"

	"sipsieve/capture"
	"sipsieve/sip/syntax"
)

// MaxHead bounds the start line and headers of a message on a stream, in bytes.
const MaxHead = 32 << 10

// Limits bound what is taken for a message, in bytes. Headers is the number of header lines.
type Limits struct{ Message, StartLine, Headers int }

// A Piece is a message, or as much of it as there is.
type Piece struct {
	Text    []byte // from its start line on; borrowed from the payload or from the Framer until the next one is taken
	Start   syntax.StartLine
	Time    time.Time // packet time of its last byte
	Exact   bool      // Text ends where the message ends
	Cut     bool      // there was more of it
	Wire    int       // bytes of the WebSocket frames that brought it; 0 without them
	TooLong bool      // its headers are over a limit: Start alone is to be used
}

// A Framer finds the messages in streams. One goroutine uses it; its Counts may be read from any.
type Framer struct {
	scan     scanner
	streams  streams
	payloads payloads
	counts   counters
}

// New returns a Framer with limits l. known reports whether a header has that name, whatever its case.
func New(l Limits, known func(name []byte) bool) *Framer {
	f := &Framer{}
	f.scan = scanner{limits: l, sync: syncPoints{maxLine: l.StartLine, known: known}, counts: &f.counts}
	f.streams.counts = &f.counts
	f.payloads = payloads{inflater: inflater{max: l.Message}, counts: &f.counts}
	return f
}

// Counts returns what has been counted so far.
func (f *Framer) Counts() Counts { return f.counts.load() }

// Read calls take with each message that p, a part of a stream, brings to an end, in the order of the bytes.
func (f *Framer) Read(p *capture.Packet, take func(Piece)) {
	s := f.streams.of(p.Stream)
	f.scan.skipped, f.scan.idle = 0, 0
	if p.Lost {
		f.gap(s, take)
	}
	if len(p.Payload) > 0 {
		f.payload(s, p, take)
	}
	if p.Cut || p.Ended {
		f.gap(s, take)
	}
	if p.Ended {
		f.streams.drop(s)
	}
	f.counts.skipped.Add(uint64(f.scan.skipped))
}

// payload takes p's payload to s, and counts one that brought nothing.
func (f *Framer) payload(s *stream, p *capture.Packet, take func(Piece)) {
	before := f.scan.skipped
	f.endShort(s, p, take)
	f.feed(s, p, take)
	skipped, idle := f.scan.skipped-before, f.scan.idle
	switch {
	case s.mode == opaque:
		f.counts.opaque.Add(1)
	case idle >= len(p.Payload):
		f.counts.keepalive.Add(1)
	case skipped+idle >= len(p.Payload):
		f.counts.notSIP.Add(1)
	}
}

// gap ends the message that s holds: bytes are missing. One of which only body is missing is used.
func (f *Framer) gap(s *stream, take func(Piece)) {
	if s.buf > 0 {
		held := f.streams.held(s)
		c := Piece{Text: held.b, Time: held.last, Cut: true}
		if s.mode == frames {
			c.Wire = len(held.b)
			c.Text, _ = f.payloads.join(held.b, true)
		}
		if s.need > 0 || c.Wire > 0 && syntax.HeadLength(c.Text) > 0 {
			f.emit(c, take)
		} else {
			f.scan.skip(len(held.b))
		}
		f.streams.release(s)
	}
	if s.mode != opaque {
		s.restart(unsynced)
	}
}

// endShort ends the message whose body s waits for, if p begins with a message: its Content-Length was more than
// there is, and the next messages would be taken for its body. A body that may hold a message of its own is waited for.
func (f *Framer) endShort(s *stream, p *capture.Packet, take func(Piece)) {
	if s.buf == 0 || s.need == 0 || s.mode != inHead || !f.scan.sync.isMessage(p.Payload) {
		return
	}
	held := f.streams.held(s)
	if mayHoldMessage(held.b) {
		return
	}
	f.emit(Piece{Text: held.b, Time: held.last, Exact: true}, take)
	f.streams.release(s)
	s.restart(atMessage)
}

// mayHoldMessage reports whether the body of the message that text begins with is of a type that may hold another one.
func mayHoldMessage(text []byte) bool {
	kind := syntax.ContentType(text[:syntax.HeadLength(text)])
	for _, class := range [...]string{"message/", "multipart/", "text/"} {
		if syntax.HasPrefixFold(kind, class) {
			return true
		}
	}
	return false
}

// feed takes p's payload to s. A message that lies in it whole is not copied.
func (f *Framer) feed(s *stream, p *capture.Packet, take func(Piece)) {
	for b := p.Payload; len(b) > 0; {
		if s.buf == 0 {
			if b = b[f.run(s, p, b, take):]; len(b) > 0 {
				f.streams.hold(s, b).last = p.Time
			}
			return
		}
		held := f.streams.held(s)
		before := len(held.b)
		n := min(cap(held.b)-before, len(b))
		held.b, held.last = append(held.b, b[:n]...), p.Time
		done := f.run(s, p, held.b, take)
		if done >= before {
			b = b[done-before:]
			f.streams.release(s)
			continue
		}
		held.b = held.b[:copy(held.b, held.b[done:])]
		b = b[n:]
	}
}

// run takes messages and what lies between them off b and returns how many bytes that were.
func (f *Framer) run(s *stream, p *capture.Packet, b []byte, take func(Piece)) (done int) {
	for done < len(b) {
		n := f.scan.step(s, b[done:])
		if f.scan.tooLong {
			f.scan.tooLong = false
			start, _ := syntax.ReadStartLine(b[done:])
			take(Piece{Start: start, TooLong: true})
		}
		switch {
		case n == 0:
			return done
		case s.need == 0:
		case s.mode == frames:
			if text, ok := f.payloads.join(b[done:done+n], false); ok {
				f.emit(Piece{Text: text, Time: p.Time, Exact: true, Wire: n}, take)
			} else {
				f.scan.skip(n)
			}
			s.restart(frames)
		default:
			f.emit(Piece{Text: b[done : done+n], Time: p.Time, Exact: true}, take)
			s.restart(atMessage)
		}
		done += n
	}
	return done
}

// emit calls take with c, if it is a message: only what came in frames may be none.
func (f *Framer) emit(c Piece, take func(Piece)) {
	c.Text = syntax.SkipEmpty(c.Text)
	start, ok := syntax.ReadStartLine(c.Text)
	switch {
	case len(c.Text) == 0:
		f.scan.idle += c.Wire
	case !ok:
		f.scan.skip(c.Wire)
	default:
		c.Start = start
		take(c)
	}
}
