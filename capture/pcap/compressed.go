package pcap

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// freely is how many bytes a compressed file may become whatever its ratio.
const freely = 1 << 20

// decompress returns what b holds, decompressed if it begins like gzip (RFC 1952) or Zstandard (RFC 8878).
func decompress(b *bufio.Reader, cfg Config) (*bufio.Reader, error) {
	magic, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(magic) < 4 {
		return b, nil
	}
	packed := &counted{r: b}
	var plain io.Reader
	switch {
	case magic[0] == 0x1f && magic[1] == 0x8b:
		plain, err = gzip.NewReader(packed)
	case binary.LittleEndian.Uint32(magic) == 0xfd2fb528:
		plain, err = zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
	default:
		return b, nil
	}
	if err != nil {
		return nil, ErrTruncated
	}
	return bufio.NewReaderSize(&bounded{r: plain, packed: packed, cfg: cfg}, 256<<10), nil
}

// counted counts the bytes that are read from r.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// bounded ends a decompressed file that grows too large.
type bounded struct {
	r      io.Reader
	packed *counted
	n      int64
	cfg    Config
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > b.cfg.Decompressed || b.n > freely && b.n > b.packed.n*b.cfg.Ratio {
		return 0, ErrTooLarge
	}
	return n, err
}
