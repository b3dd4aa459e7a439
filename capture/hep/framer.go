package hep

import "time"

// A framer cuts a byte stream into HEP packets, version 3, at their length fields.
type framer struct {
	buf        []byte
	begin, end int       // of the bytes that are not cut yet
	begun      time.Time // when the first of them came
	came       time.Time // when the last of them came
}

func newFramer() framer { return framer{buf: make([]byte, maxPacket+1)} }

// room returns where the next bytes of the stream belong. It is never empty after next has found no packet.
func (f *framer) room() []byte {
	f.end = copy(f.buf, f.buf[f.begin:f.end])
	f.begin = 0
	return f.buf[f.end:]
}

// fill says that so many bytes were put there, and when.
func (f *framer) fill(n int, at time.Time) {
	if f.came = at; f.rest() == 0 {
		f.begun = at
	}
	f.end += n
}

// rest is how many bytes of a packet there are whose others have not come.
func (f *framer) rest() int { return f.end - f.begin }

// next returns the next packet, nil if its end has not come. It is valid until room is called. What is not HEP gives
// false: where the next packet begins can then not be known.
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
