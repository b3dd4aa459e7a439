package sip

import (
	"bytes"
	"encoding/binary"

	"sipsieve/sip/syntax"
)

// A frame is the head of a WebSocket frame, RFC 6455 section 5.2.
type frame struct {
	final, masked bool
	reserved      byte // RSV1 to RSV3
	opcode        byte
	key           [4]byte
	head          int
	payload       int64
}

// Opcodes, RFC 6455 section 5.2. Those from closing on are of control frames.
const (
	continuation = 0
	binaryFrame  = 2
	closing      = 8
	pong         = 10
)

// deflated is RSV1: the message is compressed (RFC 7692 section 6).
const deflated = 0x40

// longestFrame is more than anybody sends: what claims it is no frame.
const longestFrame = 1 << 40

// readFrame reads the head of the frame that begins b. It is not ok if b is too short for it.
func readFrame(b []byte) (f frame, ok bool) {
	if len(b) < 2 {
		return f, false
	}
	f = frame{final: b[0]&0x80 != 0, reserved: b[0] & 0x70, opcode: b[0] & 15, masked: b[1]&0x80 != 0, head: 2}
	wide := 0
	switch f.payload = int64(b[1] & 127); f.payload {
	case 126:
		wide = 2
	case 127:
		wide = 8
	}
	f.head += wide
	if f.masked {
		f.head += len(f.key)
	}
	if len(b) < f.head {
		return f, false
	}
	switch wide {
	case 2:
		f.payload = int64(binary.BigEndian.Uint16(b[2:]))
	case 8:
		f.payload = int64(binary.BigEndian.Uint64(b[2:]))
	}
	if f.masked {
		copy(f.key[:], b[2+wide:])
	}
	return f, true
}

func (f *frame) control() bool { return f.opcode >= closing }

// legal reports whether f can stand where a message begins, or where first is false, goes on.
func (f *frame) legal(first bool) bool {
	switch {
	case f.payload < 0 || f.payload > longestFrame || f.reserved&^deflated != 0:
		return false
	case f.control():
		return f.opcode <= pong && f.final && f.payload <= 125 && f.reserved == 0
	}
	return f.opcode <= binaryFrame && (first || f.opcode == continuation && f.reserved == 0)
}

// frame looks for the end of the message whose frames begin b. A message longer than a buffer, and one whose beginning
// was not seen, are passed over.
func (r *Reader) frame(s *stream, b []byte) int {
	for {
		f, ok := readFrame(b[s.line:])
		switch {
		case !ok && len(b) < bufferSize:
			return 0
		case !ok: // there is no room for more: what follows goes on with a message whose beginning was not seen
			n := int(s.line)
			s.restart(frames)
			return r.skip(n)
		}
		first := s.line == 0
		end := int64(s.line) + int64(f.head) + f.payload
		switch {
		case !f.legal(first):
			return r.outOfFrame(s)
		case f.control() && first && int64(len(b)) >= end:
			r.streams.idle += int(end)
			return int(end)
		case f.control() && end <= bufferSize:
		case first && f.opcode == continuation, end > bufferSize:
			return r.passFrame(s, &f, b)
		}
		if int64(len(b)) < end {
			return 0
		}
		s.line = int32(end)
		if f.final && !f.control() {
			s.need = s.line
			return int(s.need)
		}
	}
}

// outOfFrame gives up the frames: their border is lost.
func (r *Reader) outOfFrame(s *stream) int {
	n := int(s.line) + 1
	s.restart(torn)
	return r.skip(n)
}

// passFrame passes over f and what stands before it. The rest of its message follows, as its beginning was not seen.
func (r *Reader) passFrame(s *stream, f *frame, b []byte) int {
	if f.reserved != 0 {
		r.counts.deflated.Add(1)
	}
	left := int64(s.line) + int64(f.head) + f.payload
	s.restart(frames)
	s.left = left
	return r.step(s, b)
}

// joined returns the payload of the data frames in b, as much as there is of it, unmasked and inflated. What is masked,
// compressed or in several frames is copied to the Reader's own buffer: b is not ours to write to. A compressed message
// that is cut, or cannot be inflated by itself, is counted and not ok.
func (r *Reader) joined(b []byte, cut bool) (text []byte, ok bool) {
	r.streams.joined = r.streams.joined[:0]
	compressed := false
	for {
		f, ok := readFrame(b)
		if !ok {
			break
		}
		end := min(int64(len(b)), int64(f.head)+f.payload)
		payload := b[f.head:end]
		switch {
		case f.control():
		case f.final && !f.masked && f.reserved == 0 && len(r.streams.joined) == 0 && !compressed:
			return payload, true
		default:
			compressed = compressed || f.reserved&deflated != 0
			r.streams.joined = f.unmask(r.streams.joined, payload)
		}
		b = b[end:]
	}
	if !compressed {
		return r.streams.joined, true
	}
	if text, ok = r.inflate(r.streams.joined); cut || !ok {
		r.counts.deflated.Add(1)
		return nil, false
	}
	r.counts.inflated.Add(1)
	return text, true
}

// unmask appends payload to dst, unmasked (RFC 6455 section 5.3).
func (f *frame) unmask(dst, payload []byte) []byte {
	from := len(dst)
	dst = append(dst, payload...)
	if !f.masked {
		return dst
	}
	for i := range payload {
		dst[from+i] ^= f.key[i&3]
	}
	return dst
}

// isFrame says whether b may begin with the only frame of a message of SIP, text or binary: its length is written in
// as few bytes as can be and is that of a message, and what it holds begins with a method of the registry and a
// space, or with the version. So frames are found where the handshake was not seen.
func isFrame(b []byte) (kind mode, sure bool) {
	if len(b) < 2 {
		return frames, false
	}
	if n := b[1] & 127; n < shortestMessage || n == 127 {
		return 0, true
	}
	f, ok := readFrame(b)
	switch {
	case !ok:
		return frames, false
	case b[1]&127 == 126 && f.payload < 126:
		return 0, true
	}
	var begins [len(longestStart)]byte
	n := copy(begins[:], b[f.head:min(int64(len(b)), int64(f.head)+f.payload)])
	if f.masked {
		for i := range begins[:n] {
			begins[i] ^= f.key[i&3]
		}
	}
	whole, alike := startWord(begins[:n])
	if !alike {
		return 0, true
	}
	return frames, whole
}

// shortestMessage is less than any start line with the headers that it must have, and longestStart what a message
// may begin with.
const (
	shortestMessage = 32
	longestStart    = "SUBSCRIBE "
)

// isHTTP reports whether line is the first of what may be an upgrade to WebSocket: a GET, or a 101.
func isHTTP(line []byte) bool {
	const protocol = "HTTP/1.1"
	line = bytes.TrimRight(line, "\r\n")
	return bytes.HasPrefix(line, []byte("GET ")) && bytes.HasSuffix(line, []byte(" "+protocol)) ||
		bytes.HasPrefix(line, []byte(protocol+" 101"))
}

// upgrade looks whether the HTTP head goes over to SIP by WebSocket (RFC 7118 section 4): frames follow then. Each
// direction speaks for itself, for either may be all that was seen.
func (r *Reader) upgrade(s *stream, head []byte) int {
	if !asks(head, "upgrade", "websocket") || !asks(head, "sec-websocket-protocol", "sip") {
		s.restart(lost)
		return r.skip(len(head))
	}
	r.counts.upgrades.Add(1)
	s.restart(frames)
	return len(head)
}

// asks reports whether a header of that name has word among its values.
func asks(head []byte, name, word string) bool {
	for len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, []byte{'\n'})
		left, right, ok := bytes.Cut(line, []byte{':'})
		for ok && syntax.EqualFold(name, left) && len(right) > 0 {
			var value []byte
			value, right, _ = bytes.Cut(right, []byte{','})
			if syntax.EqualFold(word, bytes.TrimSpace(value)) {
				return true
			}
		}
	}
	return false
}
