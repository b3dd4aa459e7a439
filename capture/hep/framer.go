package hep

import "time"

// A framer cuts a byte stream into HEP packets, version 3, at their length fields.
type framer struct {
	buf        []byte
	begin, end int       // of the bytes that are not returned yet
	begun      time.Time // when the first of them came
	came       time.Time // when the last of them came
}

func newFramer() framer { return framer{buf: make([]byte, maxPacket+1)} }

// room returns the buffer for the next bytes of the stream. It is never empty after next has found no packet.
func (f *framer) room() []byte {
	f.end = copy(f.buf, f.buf[f.begin:f.end])
	f.begin = 0
	return f.buf[f.end:]
}

// fill adds the n bytes that were written to room at time now.
func (f *framer) fill(n int, now time.Time) {
	if f.came = now; f.rest() == 0 {
		f.begun = now
	}
	f.end += n
}

// rest returns how many bytes there are of a packet whose end has not come.
func (f *framer) rest() int { return f.end - f.begin }

// next returns the next packet, nil if its end has not come. It is valid until room is called. It is false if the bytes
// are not HEP: then the beginning of the next packet cannot be found.
func (f *framer) next() (b []byte, ok bool) {
	b = f.buf[f.begin:f.end]
	if n := min(len(b), len(magic)); string(b[:n]) != magic[:n] {
		return nil, false
	}
	if len(b) < header {
		return nil, true
	}
	n := packetLength(b)
	if n < header || n > len(b) {
		return nil, n >= header
	}
	f.begin, f.begun = f.begin+n, f.came
	return b[:n], true
}
