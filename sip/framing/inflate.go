package framing

import (
	"bytes"
	"compress/flate"
	"io"
)

// payloads takes WebSocket messages out of their frames.
type payloads struct {
	joined   []byte // what came masked, compressed or in several frames
	inflater inflater
	counts   *counters
}

// join returns the payload of the data frames in b, as much as there is of it, unmasked and inflated. What is masked,
// compressed or in several frames is copied to p's own buffer: b is not written to. A compressed message
// that is cut, or cannot be inflated by itself, is counted and not ok.
func (p *payloads) join(b []byte, cut bool) (text []byte, ok bool) {
	p.joined = p.joined[:0]
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
		case f.final && !f.masked && f.reserved == 0 && len(p.joined) == 0 && !compressed:
			return payload, true
		default:
			compressed = compressed || f.reserved&deflated != 0
			p.joined = f.unmask(p.joined, payload)
		}
		b = b[end:]
	}
	if !compressed {
		return p.joined, true
	}
	if text, ok = p.inflater.inflate(p.joined); cut || !ok {
		p.counts.deflated.Add(1)
		return nil, false
	}
	p.counts.inflated.Add(1)
	return text, true
}

// An inflater undoes the compression of WebSocket messages (permessage-deflate, RFC 7692). Its memory is made with the
// first of them.
type inflater struct {
	max    int // bytes of a message
	in     bytes.Reader
	reader io.ReadCloser
	text   []byte
}

// messageEnd stands behind a compressed message: the end of its last block, which the sender left out (RFC 7692
// section 7.2.2), and a last block of nothing.
const messageEnd = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// inflate returns the text of a compressed message, valid until the next call. It is not ok for one over the limit, and
// for one that cannot be read without the messages before it: the sender has kept its window (context takeover, RFC
// 7692 section 7.1.1), which is not followed. A message that refers to none before it inflates to the same text
// whatever was agreed on.
func (f *inflater) inflate(message []byte) (text []byte, ok bool) {
	if f.reader == nil {
		f.reader, f.text = flate.NewReader(nil), make([]byte, f.max+1)
	}
	f.in.Reset(append(message, messageEnd...))
	if err := f.reader.(flate.Resetter).Reset(&f.in, nil); err != nil {
		return nil, false
	}
	n, err := 0, error(nil)
	for err == nil && n < len(f.text) {
		var more int
		more, err = f.reader.Read(f.text[n:])
		n += more
	}
	return f.text[:n], err == io.EOF && n <= f.max
}
