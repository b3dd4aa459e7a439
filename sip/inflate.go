package sip

import (
	"bytes"
	"compress/flate"
	"io"
)

// An inflater undoes the compression of WebSocket messages (permessage-deflate, RFC 7692). It is made when the first
// of them comes.
type inflater struct {
	in   bytes.Reader
	from io.ReadCloser
	text []byte
}

// messageEnd stands behind a compressed message: the end of its last block, which the sender left out (RFC 7692
// section 7.2.2), and a last block of nothing.
const messageEnd = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// inflate returns the text of a compressed message, valid until the next call. It is false for one over
// Limits.Message, and for one that cannot be read without the messages before it: the sender has kept its window
// (context takeover, RFC 7692 section 7.1.1), which is not followed. A message that refers to none before it inflates
// to the same text whatever was agreed on.
func (r *Reader) inflate(message []byte) (text []byte, ok bool) {
	f := &r.inflater
	if f.from == nil {
		f.from, f.text = flate.NewReader(nil), make([]byte, r.limits.Message+1)
	}
	f.in.Reset(append(message, messageEnd...))
	if err := f.from.(flate.Resetter).Reset(&f.in, nil); err != nil {
		return nil, false
	}
	n, err := 0, error(nil)
	for err == nil && n < len(f.text) {
		var more int
		more, err = f.from.Read(f.text[n:])
		n += more
	}
	return f.text[:n], err == io.EOF && n <= r.limits.Message
}
