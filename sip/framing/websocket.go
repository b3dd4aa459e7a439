package framing

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
	head          int   // bytes before the payload
	payload       int64 // bytes
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

// maxFrame bounds the payload of a frame, in bytes: a head with a longer one is no frame.
const maxFrame = 1 << 40

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
	case f.payload < 0 || f.payload > maxFrame || f.reserved&^deflated != 0:
		return false
	case f.control():
		return f.opcode <= pong && f.final && f.payload <= 125 && f.reserved == 0
	}
	return f.opcode <= binaryFrame && (first || f.opcode == continuation && f.reserved == 0)
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

// isFrame returns frames if b may begin with the only frame of a message of SIP, text or binary, 0 if not: its length is
// written in as few bytes as can be and is that of a message, and what it holds begins with a method of the registry and
// a space, or with the version. So frames are found where the handshake was not seen. It is not sure where too few bytes
// are there.
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
	var begins [maxWord]byte
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

// shortestMessage is less than any start line with the headers that it must have, in bytes, and maxWord more than the
// longest of startWords.
const (
	shortestMessage = 32
	maxWord         = 16
)

// isHTTP reports whether line is the first of what may be an upgrade to WebSocket: a GET, or a 101.
func isHTTP(line []byte) bool {
	const protocol = "HTTP/1.1"
	line = bytes.TrimRight(line, "\r\n")
	return bytes.HasPrefix(line, []byte("GET ")) && bytes.HasSuffix(line, []byte(" "+protocol)) ||
		bytes.HasPrefix(line, []byte(protocol+" 101"))
}

// lists reports whether a header of that name has word among its values.
func lists(head []byte, name, word string) bool {
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
