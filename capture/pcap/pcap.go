// Package pcap reads capture files, as tcpdump and Wireshark write them: one file with Open, a folder that a capturer
// rotates with Dir and Series.
//
// # Clock
//
// Packets bear the stamps of the file. A stamp that is minutes away from those around it is replaced (Source.Strays),
// and so is one that cannot be a time (Source.Undated). The wall clock is read only for a pipe, whose frames come
// slowly.
//
// # Order
//
// Frames are put in the order of their stamps as far as they lie within one second and 64 MiB. What comes later than
// that is given as it comes and counted (Source.Late).
//
// # Limits
//
// Every length in a file is checked before memory is allocated for it. README.md has the table of limits.
package pcap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/decode"
)

// Errors that end a Source. None of them quotes the file.
var (
	ErrTruncated  = errors.New("the file is cut: what was readable has been read")
	errEmpty      = errors.New("the file is empty")
	errLength     = errors.New("a length in the file is more than a frame can have")
	errTooLarge   = errors.New("the file is larger than allowed when decompressed")
	errWindow     = errors.New("zstd with a window of more than 8 MiB: compress without --long and --ultra")
	errVersion    = errors.New("the file is of a version that is not read")
	errBlock      = errors.New("a block contradicts itself or the ones before it")
	errInterfaces = errors.New("the file names more than 1024 interfaces")
)

const (
	maxFrame = 262144          // bytes of a frame: libpcap's largest snapshot length
	room     = maxFrame + 8192 // bytes that are read ahead: the longest frame and its headers
)

// Config is how frames are decoded, and how large a compressed file may become.
type Config struct {
	decode.Config
	Decompressed int64 // bytes at most
	Ratio        int64 // decompressed to compressed, after the first MiB
}

// DefaultConfig returns limits that no honest capture reaches: 64 GiB, 200 to 1. Every tunnel is stepped into, because
// a person chose what is in the file.
func DefaultConfig() Config {
	c := Config{Config: decode.DefaultConfig(), Decompressed: 64 << 30, Ratio: 200}
	c.Tunnels = capture.EveryTunnel
	return c
}

// frames reads one kind of file.
type frames interface {
	// next sets r to the next frame, borrowed until the call after. io.EOF is a clean end.
	next(r *record) error
	// unread returns how many bytes of the frame that next gave last are still in the buffer.
	unread() int
}

// A record is a frame as a file keeps it.
type record struct {
	decode.Frame
	face    *face
	undated bool      // without a valid time
	back    bool      // the file's clock was set back before it
	missed  uint64    // frames lost before it, by the counters in the file
	since   time.Time // when those were not lost yet, if not the frame before
	file    *File     // of a Series
	offset  int64     // where it begins in file, decompressed
}

// A face is an interface as a file describes it.
type face struct {
	link    decode.LinkType
	snap    uint32 // longest frame, 0 for any
	point   string
	clock   clock
	losses  losses
	decoded decoded
}

// plainly returns ErrTruncated for an end within a frame, and other errors without a path.
func plainly(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return unnamed(err)
}

// unnamed returns err without the path that it names.
func unnamed(err error) error {
	var whole *fs.PathError
	if errors.As(err, &whole) {
		return whole.Err
	}
	return err
}

// open returns the reader of a file by its first four bytes. What the file counts as lost is added to lost.
func open(b *bufio.Reader, lost *atomic.Uint64) (frames, error) {
	magic, err := b.Peek(4)
	switch {
	case errors.Is(err, io.EOF) && len(magic) == 0:
		return nil, errEmpty
	case err != nil:
		return nil, inside(err)
	}
	if _, _, ok := classicMagic(magic); ok {
		return newClassic(b)
	}
	if little.u32(magic) == blockSection {
		return newNextGeneration(b, lost)
	}
	return nil, unread(magic)
}

// inside returns err as it is within a frame or block: there the end of the file is a cut.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// unreadKinds are common kinds of files that are not read, by their first four bytes.
var unreadKinds = map[uint32]string{
	0xa1b2cd34: "modified pcap (Kuznetzov)", 0x34cdb2a1: "modified pcap (Kuznetzov)",
	0xa1b234cd: "modified pcap (Navtel)", 0x1c0001ac: "lcap (IXIA)", 0x1c0001ab: "lcap (IXIA)",
	0x736e6f6f: "snoop", 0x474d4255: "Network Monitor", 0x52545353: "Network Monitor",
	0x04224d18: "lz4", 0xfd377a58: "xz", 0x425a6839: "bzip2", 0x504b0304: "zip", 0x48455033: "HEP",
}

// unread returns the error for a file that begins with magic.
func unread(magic []byte) error {
	n := uint32(magic[0])<<24 | uint32(magic[1])<<16 | uint32(magic[2])<<8 | uint32(magic[3])
	if name, ok := unreadKinds[n]; ok {
		return fmt.Errorf("not a capture file that is read: %s (it begins with %#08x)", name, n)
	}
	return fmt.Errorf("not a capture file: it begins with %#08x", n)
}
