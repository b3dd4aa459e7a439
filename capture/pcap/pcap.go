// Package pcap reads capture files: what tcpdump, Wireshark and their kin have written.
//
// A file is somebody else's word: every length in it is checked before room is made for it.
package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/decode"
)

// Errors that end a Source. They say where, never what stood there.
var (
	ErrTruncated = errors.New("the file is cut: what was readable has been read")
	ErrEmpty     = errors.New("the file is empty")
	ErrLength    = errors.New("a length in the file is more than a frame can have")
	ErrTooLarge  = errors.New("the file is larger than allowed when decompressed")
)

// maxFrame is the longest frame that is believed: libpcap's largest snapshot length.
const maxFrame = 262144

// Config says how frames are decoded and how large a compressed file may become.
type Config struct {
	decode.Config
	Decompressed int64 // bytes at most
	Ratio        int64 // decompressed to compressed, after the first MiB
}

// DefaultConfig returns limits that no honest capture meets: 64 GiB, 200 to 1. Every tunnel is stepped into:
// somebody chose what is in the file.
func DefaultConfig() Config {
	c := Config{Config: decode.DefaultConfig(), Decompressed: 64 << 30, Ratio: 200}
	c.Tunnels = capture.EveryTunnel
	return c
}

// frames reads one kind of file.
type frames interface {
	// next sets f to the next frame, borrowed until the call after. io.EOF is a clean end.
	next(f *decode.Frame) error
}

// A Source reads one capture file. It implements capture.Source.
type Source struct {
	name    string
	file    io.Closer
	read    frames
	frame   decode.Frame
	decoder *decode.Decoder
	counts  capture.Counters
	closed  atomic.Bool
	ended   error
}

// Open opens the capture file at path; "-" is standard input. The error names the file by its last element.
func Open(path string, cfg Config) (*Source, error) {
	if path == "-" {
		return New("standard input", os.Stdin, cfg)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("pcap: %w", err)
	}
	s, err := New(filepath.Base(path), f, cfg)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.file = f
	return s, nil
}

// New reads a capture file from r. name is what errors call it.
func New(name string, r io.Reader, cfg Config) (*Source, error) {
	b := bufio.NewReaderSize(r, 256<<10)
	plain, err := decompress(b, cfg)
	if err != nil {
		return nil, fmt.Errorf("pcap: %s: %w", name, err)
	}
	s := &Source{name: name}
	if s.read, err = open(plain); errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrTruncated
	}
	if err != nil {
		return nil, fmt.Errorf("pcap: %s: %w", name, err)
	}
	s.decoder = decode.New(cfg.Config, &s.counts)
	return s, nil
}

// open tells the kinds of files apart by their first four bytes.
func open(b *bufio.Reader) (frames, error) {
	magic, err := b.Peek(4)
	switch {
	case err != nil && len(magic) == 0 && errors.Is(err, io.EOF):
		return nil, ErrEmpty
	case errors.Is(err, io.EOF):
		return nil, ErrTruncated
	case err != nil:
		return nil, err
	}
	switch binary.LittleEndian.Uint32(magic) {
	case 0xa1b2c3d4, 0xa1b23c4d:
		return newClassic(b, binary.LittleEndian)
	case 0xd4c3b2a1, 0x4d3cb2a1:
		return newClassic(b, binary.BigEndian)
	case blockSection:
		return newNextGeneration(b)
	}
	return nil, fmt.Errorf("not a capture file: it begins with %#x", binary.BigEndian.Uint32(magic))
}

// Next returns the next packet, as capture.Source says. A file that ends in the middle of a frame gives
// ErrTruncated after the packets before it.
func (s *Source) Next() (p capture.Packet, err error) {
	for !s.decoder.Next(&p) {
		switch {
		case s.closed.Load():
			return p, io.EOF
		case s.ended != nil:
			return p, s.ended
		}
		if err := s.read.next(&s.frame); err != nil {
			s.end(err)
			continue
		}
		s.decoder.Frame(&s.frame)
	}
	return p, nil
}

// end remembers what ended the file, and lets go what streams still hold.
func (s *Source) end(err error) {
	switch {
	case errors.Is(err, io.EOF):
		s.ended = io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.ended = fmt.Errorf("pcap: %s: after frame %d: %w", s.name, s.counts.Seen.Load(), ErrTruncated)
	default:
		s.ended = fmt.Errorf("pcap: %s: after frame %d: %w", s.name, s.counts.Seen.Load(), err)
	}
	s.decoder.Flush()
}

// Drops returns what has been counted so far.
func (s *Source) Drops() capture.Drops { return s.counts.Drops() }

// Close ends the Source before its time.
func (s *Source) Close() error {
	if s.closed.Swap(true) || s.file == nil {
		return nil
	}
	return s.file.Close()
}

// classic reads pcap: draft-ietf-opsawg-pcap.
type classic struct {
	b     *bufio.Reader
	order binary.ByteOrder
	nanos bool
	link  decode.LinkType
	skip  int // bytes of the last frame still in b
	big   []byte
}

func newClassic(b *bufio.Reader, order binary.ByteOrder) (*classic, error) {
	var head [24]byte
	if _, err := io.ReadFull(b, head[:]); err != nil {
		return nil, ErrTruncated
	}
	return &classic{b: b, order: order, nanos: order.Uint32(head[:]) == 0xa1b23c4d,
		link: decode.LinkType(order.Uint32(head[20:]) & 0xffff)}, nil
}

func (c *classic) next(f *decode.Frame) error {
	if _, err := c.b.Discard(c.skip); err != nil {
		return err
	}
	c.skip = 0
	head, err := c.b.Peek(16)
	if err != nil {
		if errors.Is(err, io.EOF) && len(head) > 0 {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	sec, frac := int64(c.order.Uint32(head)), int64(c.order.Uint32(head[4:]))
	size, length := int(c.order.Uint32(head[8:])), int(c.order.Uint32(head[12:]))
	if size > maxFrame {
		return ErrLength
	}
	if !c.nanos {
		frac *= 1000
	}
	_, _ = c.b.Discard(16)
	*f = decode.Frame{Time: time.Unix(sec, frac).UTC(), Link: c.link, Length: max(length, size), Point: "file"}
	f.Data, err = c.take(size)
	return err
}

// take returns the next n bytes, in the reader's own buffer if they fit.
func (c *classic) take(n int) ([]byte, error) {
	if n <= c.b.Size() {
		data, err := c.b.Peek(n)
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF
		}
		c.skip = n
		return data, err
	}
	if c.big == nil {
		c.big = make([]byte, maxFrame)
	}
	_, err := io.ReadFull(c.b, c.big[:n])
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return c.big[:n], err
}
