package pcap

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

const (
	freely = 1 << 20 // bytes of decompressed data without a limit of the ratio
	window = 8 << 20 // bytes of a zstd window, as RFC 8878 section 3.1.1.1.2 recommends
)

// A content is what a file holds, decompressed.
type content struct {
	*bufio.Reader
	packed bool         // the file is compressed
	filled func() int64 // bytes that have gone into the Reader's buffer
}

// consumed returns how many bytes have been taken out of the Reader.
func (c *content) consumed() int64 { return c.filled() - int64(c.Buffered()) }

// decompress returns what r holds, decompressed if it begins like gzip (RFC 1952) or Zstandard (RFC 8878).
func decompress(r *counted, cfg Config) (*content, error) {
	b := bufio.NewReaderSize(r, room)
	magic, err := b.Peek(4)
	if len(magic) < 4 {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return &content{Reader: b, filled: r.n.Load}, nil
	}
	var inner io.Reader
	switch n := little.u32(magic); {
	case n&0xffff == 0x8b1f:
		inner, err = gzip.NewReader(b)
	case n == 0xfd2fb528, n&0xfffffff0 == 0x184d2a50: // a frame; one that is skipped, as pzstd puts first
		inner, err = zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(window))
	default:
		return &content{Reader: b, filled: r.n.Load}, nil
	}
	if err != nil {
		return nil, inside(err)
	}
	out := &bounded{r: inner, packed: r, cfg: cfg}
	return &content{bufio.NewReaderSize(out, room), true, func() int64 { return out.n }}, nil
}

// counted counts the bytes that are read from r.
type counted struct {
	r io.Reader
	n atomic.Int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// bounded ends a decompressed file that grows too large.
type bounded struct {
	r      io.Reader
	packed *counted
	n      int64
	cfg    Config
}

// Read implements io.Reader. It returns errTooLarge once the limits of Config are exceeded.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	switch {
	case b.n > b.cfg.Decompressed, b.n > freely && b.n > b.packed.n.Load()*b.cfg.Ratio:
		return 0, errTooLarge
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return n, errWindow
	}
	return n, err
}
