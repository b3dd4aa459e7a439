package pcap

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"sipsieve/capture/decode"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// packets reads all of a file: payloads, and what ended it.
func packets(b []byte, cfg Config) (payloads []string, end error) {
	s, err := New("test", bytes.NewReader(b), cfg)
	if err != nil {
		return nil, err
	}
	for {
		p, err := s.Next()
		if err != nil {
			return payloads, err
		}
		payloads = append(payloads, p.Time.String()+string(p.Payload))
	}
}

// A seen frame is one as its file has it.
type seen struct {
	at      time.Time
	link    decode.LinkType
	length  int
	point   string
	undated bool
	bytes   string
}

// framesOf reads the frames of a file whatever is in them, and what ended it.
func framesOf(r io.Reader) (all []seen, end error) {
	s, err := New("test", r, DefaultConfig())
	if err != nil {
		return nil, err
	}
	for {
		var f record
		if err := s.read.next(&f); err != nil {
			return all, plainly(err)
		}
		all = append(all, seen{f.Time, f.Link, f.Length, f.Point, f.undated, string(f.Data)})
	}
}

func wholly(t testing.TB, b []byte) []seen {
	t.Helper()
	all, end := framesOf(bytes.NewReader(b))
	if !errors.Is(end, io.EOF) {
		t.Fatalf("after %d frames: err = %v, want the end", len(all), end)
	}
	return all
}

// A classicFile is pcap in the making.
type classicFile struct {
	o     binary.AppendByteOrder
	magic uint32
	link  uint32
	b     []byte
}

var littleEndian, bigEndian = binary.LittleEndian, binary.BigEndian

// pcapOf begins a microsecond file of that link type.
func pcapOf(link uint32) *classicFile {
	f := &classicFile{o: littleEndian, magic: 0xa1b2c3d4, link: link}
	return f.begin()
}

func (f *classicFile) begin() *classicFile {
	f.b = f.o.AppendUint32(f.b, f.magic)
	f.b = f.o.AppendUint16(f.o.AppendUint16(f.b, 2), 4)
	f.b = append(f.b, make([]byte, 12)...) // a snapshot length of 0 is legal
	f.b = f.o.AppendUint32(f.b, f.link)
	return f
}

// frame adds a frame; frac is micro- or nanoseconds.
func (f *classicFile) frame(sec, frac uint32, frame []byte) *classicFile {
	for _, n := range []uint32{sec, frac, uint32(len(frame)), uint32(len(frame))} {
		f.b = f.o.AppendUint32(f.b, n)
	}
	f.b = append(f.b, frame...)
	return f
}

// A blockFile is pcapng in the making.
type blockFile struct {
	o binary.AppendByteOrder
	b []byte
}

// block adds a block: numbers as the file's order has them, bytes padded to four.
func (f *blockFile) block(kind uint32, parts ...any) *blockFile {
	var body []byte
	for _, part := range parts {
		switch part := part.(type) {
		case uint16:
			body = f.o.AppendUint16(body, part)
		case uint32:
			body = f.o.AppendUint32(body, part)
		case uint64:
			body = f.o.AppendUint64(body, part)
		case []byte:
			body = append(append(body, part...), make([]byte, -len(part)&3)...)
		}
	}
	size := uint32(12 + len(body))
	f.b = f.o.AppendUint32(f.o.AppendUint32(f.b, kind), size)
	f.b = f.o.AppendUint32(append(f.b, body...), size)
	return f
}

// section begins a section.
func (f *blockFile) section() *blockFile {
	return f.block(blockSection, uint32(0x1a2b3c4d), uint16(1), uint16(0), ^uint64(0))
}

// An option of a block.
type option struct {
	code  uint16
	value any
}

// options makes the parts of a block that options are.
func (f *blockFile) options(list ...option) (parts []any) {
	for _, x := range list {
		value, _ := x.value.([]byte)
		if n, ok := x.value.(uint64); ok {
			value = f.o.AppendUint64(nil, n)
		}
		parts = append(parts, x.code, uint16(len(value)), value)
	}
	return append(parts, uint32(optionEnd))
}

// face describes an interface.
func (f *blockFile) face(link uint16, snap uint32, list ...option) *blockFile {
	return f.block(blockInterface, slices.Concat([]any{link, uint16(0), snap}, f.options(list...))...)
}

// enhanced adds a frame of an interface.
func (f *blockFile) enhanced(face uint32, stamp uint64, frame []byte, list ...option) *blockFile {
	n := uint32(len(frame))
	parts := []any{face, uint32(stamp >> 32), uint32(stamp), n, n, frame}
	if len(list) > 0 {
		parts = append(parts, f.options(list...)...)
	}
	return f.block(blockEnhanced, parts...)
}

// section begins a little-endian file.
func section() *blockFile { return (&blockFile{o: littleEndian}).section() }

// firstFrame is a SIP request in an Ethernet frame.
func firstFrame(t testing.TB) []byte { return []byte(wholly(t, file(t, "rejected.pcap"))[0].bytes) }

// rewrite writes a little-endian microsecond file in another order or precision.
func rewrite(t testing.TB, b []byte, o binary.AppendByteOrder, nanos bool) []byte {
	f := &classicFile{o: o, magic: 0xa1b2c3d4, link: 1}
	if nanos {
		f.magic = 0xa1b23c4d
	}
	f.begin()
	for _, x := range wholly(t, b) {
		frac := uint32(x.at.Nanosecond())
		if !nanos {
			frac /= 1000
		}
		f.frame(uint32(x.at.Unix()), frac, []byte(x.bytes))
	}
	return f.b
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func zstandard(t testing.TB, b []byte, how ...zstd.EOption) []byte {
	t.Helper()
	w, err := encoder()
	if len(how) > 0 {
		w, err = zstd.NewWriter(nil, how...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

// encoder is made once: it is large.
var encoder = sync.OnceValues(func() (*zstd.Encoder, error) { return zstd.NewWriter(nil) })
