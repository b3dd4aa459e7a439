package hep

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
)

// An inflater decompresses zlib (RFC 1950), and gzip (RFC 1952) as OpenSIPS writes it. Its output is overwritten by the
// next call.
type inflater struct {
	in   bytes.Reader
	zlib io.ReadCloser
	gzip *gzip.Reader
	out  []byte
}

// inflate returns b decompressed, and false if b is broken or longer than maxPayload when decompressed. With cut, the
// end of b is missing, and what its beginning gives is returned.
func (f *inflater) inflate(b []byte, cut bool) ([]byte, bool) {
	f.in.Reset(b)
	from, err := f.open(b)
	if f.out == nil {
		f.out = make([]byte, maxPayload+1)
	}
	n := 0
	for err == nil && n < len(f.out) {
		var more int
		more, err = from.Read(f.out[n:])
		n += more
	}
	return f.out[:n], n <= maxPayload && (err == io.EOF || cut && err == io.ErrUnexpectedEOF)
}

// open returns a reader of b decompressed. Readers are reused.
func (f *inflater) open(b []byte) (from io.Reader, err error) {
	if bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		if f.gzip == nil {
			f.gzip = new(gzip.Reader)
		}
		return f.gzip, f.gzip.Reset(&f.in)
	}
	if f.zlib == nil {
		f.zlib, err = zlib.NewReader(&f.in)
		return f.zlib, err
	}
	return f.zlib, f.zlib.(zlib.Resetter).Reset(&f.in, nil)
}
