// Package pcap reads capture files: what tcpdump, Wireshark and their kin have written.
//
// A file is somebody else's word: every length in it is checked before room is made for it.
package pcap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/decode"
)

// Errors that end a Source. They say where, never what stood there.
var (
	ErrTruncated  = errors.New("the file is cut: what was readable has been read")
	ErrEmpty      = errors.New("the file is empty")
	ErrLength     = errors.New("a length in the file is more than a frame can have")
	ErrTooLarge   = errors.New("the file is larger than allowed when decompressed")
	ErrWindow     = errors.New("zstd with a window of more than 8 MiB: compress without --long and --ultra")
	ErrVersion    = errors.New("the file is of a version that is not read")
	ErrBlock      = errors.New("a block contradicts itself or the ones before it")
	ErrInterfaces = errors.New("the file names more than 1024 interfaces")
)

const (
	maxFrame = 262144          // the longest frame that is believed: libpcap's largest snapshot length
	room     = maxFrame + 8192 // what is read ahead: any frame with what stands around it
)

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
	// next sets r to the next frame, borrowed until the call after. io.EOF is a clean end.
	next(r *record) error
	// unread returns how many bytes of the frame that next gave last are still in the buffer.
	unread() int
}

// A record is a frame as a file keeps it.
type record struct {
	decode.Frame
	face    *face
	undated bool      // no time, or none that is believed
	back    bool      // the file's clock was set back before it
	missed  uint64    // frames lost before it, as the file says
	since   time.Time // when those were not lost yet, if not the frame before
	file    *File     // of a Series
	offset  int64     // where it begins in file, decompressed
}

// A face is an interface as a file describes it.
type face struct {
	link   decode.LinkType
	snap   uint32 // longest frame, 0 for any
	point  string
	clock  clock
	losses losses
	given  given
}

// given is what has been given of the frames of a face, in the order of time.
type given struct {
	last   time.Time // of the last frame
	missed uint64    // what no packet has told of
	since  time.Time
}

// A Source reads one capture file. It implements capture.Source.
type Source struct {
	name    string
	file    io.Closer
	size    int64
	taken   *counted
	content *content
	read    frames
	coming  record    // the frame that was read last
	latest  time.Time // its time
	frames  uint64    // that were read
	undated atomic.Uint64
	sequence
	pipe   *pipe // nil for a file that is there whole
	counts capture.Counters
	closed atomic.Bool
	ended  error
}

// Open opens the capture file at path; "-" is standard input. The error names the file by its last element.
func Open(path string, cfg Config) (*Source, error) {
	if path == "-" {
		return ofFile("standard input", standardInput(), cfg)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("pcap: %s: %w", filepath.Base(path), unnamed(err))
	}
	return ofFile(filepath.Base(path), f, cfg)
}

// ofFile reads a capture file from f, which Close closes.
func ofFile(name string, f *os.File, cfg Config) (*Source, error) {
	s, err := New(name, f, cfg)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.file = f
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		s.size = st.Size()
	} else {
		s.pipe = newPipe(s)
	}
	return s, nil
}

// standardInput returns a file whose Close ends a Read that waits, where that is possible: on a pipe.
func standardInput() *os.File {
	st, err := os.Stdin.Stat()
	if fd := os.Stdin.Fd(); err == nil && st.Mode()&os.ModeNamedPipe != 0 && syscall.SetNonblock(int(fd), true) == nil {
		return os.NewFile(fd, os.Stdin.Name())
	}
	return os.Stdin
}

// New reads a capture file from r. name is what errors call it.
func New(name string, r io.Reader, cfg Config) (*Source, error) {
	s := &Source{name: name, size: -1, taken: &counted{r: r}, latest: time.Unix(0, 0).UTC()}
	var err error
	s.content, err = decompress(s.taken, cfg)
	if err == nil {
		s.read, err = open(s.content.Reader, &s.counts.Kernel)
	}
	if err != nil {
		return nil, fmt.Errorf("pcap: %s: %w", name, plainly(err))
	}
	s.sequence = newSequence(decode.New(cfg.Config, &s.counts))
	return s, nil
}

// plainly returns the error that users know for one of the readers.
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

// open tells the kinds of files apart by their first four bytes. What they say was lost is added to lost.
func open(b *bufio.Reader, lost *atomic.Uint64) (frames, error) {
	magic, err := b.Peek(4)
	switch {
	case errors.Is(err, io.EOF) && len(magic) == 0:
		return nil, ErrEmpty
	case err != nil:
		return nil, inside(err)
	}
	if _, _, ok := classicMagic(magic); ok {
		return newClassic(b)
	}
	if little.u32(magic) == blockSection {
		return newNextGeneration(b, lost)
	}
	return nil, stranger(magic)
}

// inside returns err as it is in the middle of something: the end of the file is a cut there.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// strangers are files that are not read and that people have, by their first four bytes.
var strangers = map[uint32]string{
	0xa1b2cd34: "modified pcap (Kuznetzov)", 0x34cdb2a1: "modified pcap (Kuznetzov)",
	0xa1b234cd: "modified pcap (Navtel)", 0x1c0001ac: "lcap (IXIA)", 0x1c0001ab: "lcap (IXIA)",
	0x736e6f6f: "snoop", 0x474d4255: "Network Monitor", 0x52545353: "Network Monitor",
	0x04224d18: "lz4", 0xfd377a58: "xz", 0x425a6839: "bzip2", 0x504b0304: "zip", 0x48455033: "HEP",
}

func stranger(magic []byte) error {
	n := uint32(magic[0])<<24 | uint32(magic[1])<<16 | uint32(magic[2])<<8 | uint32(magic[3])
	if name, ok := strangers[n]; ok {
		return fmt.Errorf("not a capture file that is read: %s (it begins with %#08x)", name, n)
	}
	return fmt.Errorf("not a capture file: it begins with %#08x", n)
}

// Next returns the next packet, as capture.Source says. A file that ends in the middle of a frame gives
// ErrTruncated after the packets before it.
//
// Frames are put in the order of their times before they are decoded, those of one time in that of the file, as far as
// they lie within a second and 64 MiB: those of TCP and SCTP, fragments, and datagrams that may begin a message. Packets
// of others bear a time that is not later than those. A bare packet ends a file whose last frames were such.
func (s *Source) Next() (p capture.Packet, err error) {
	for !s.sequence.next(&p) {
		switch {
		case s.closed.Load():
			return p, io.EOF
		case s.step():
		case s.ended == nil:
			s.fetch()
		case s.finish():
		case s.bare(&p):
			return p, nil
		default:
			return p, s.ended
		}
	}
	return p, nil
}

// fetch reads a frame.
func (s *Source) fetch() {
	if s.pipe != nil {
		s.fetchPiped()
		return
	}
	if err := s.readFrame(&s.coming); err != nil {
		s.end(err)
		return
	}
	s.judge(&s.coming)
}

// readFrame reads a frame. One without a time of its own gets that of the frame before it.
func (s *Source) readFrame(r *record) error {
	*r = record{}
	if err := s.read.next(r); err != nil {
		return err
	}
	s.frames++
	r.undated = r.undated || r.Time.UnixNano() == 0 && !near(0, nanos(s.latest))
	if r.undated {
		s.undated.Add(1)
		r.Time = s.latest
	}
	s.latest = r.Time
	r.missed, r.since = r.face.losses.tell(r.Time)
	return nil
}

// end notes what ended the file.
func (s *Source) end(err error) {
	s.ended = io.EOF
	if !errors.Is(err, io.EOF) {
		s.ended = fmt.Errorf("pcap: %s: after frame %d: %w", s.name, s.frames, plainly(err))
	}
}

// Drops returns what has been counted so far. Kernel is what the file itself says was lost.
func (s *Source) Drops() capture.Drops { return s.counts.Drops() }

// Undated returns how many frames had no time of their own, or one that is not believed: a fraction of a second
// or more, before 1970 or after 9999. They bear the time of the frame before them, 1970 begins with none.
func (s *Source) Undated() uint64 { return s.undated.Load() }

// Progress returns how many bytes of the file have been read, compressed as they lie, and how many it had when it
// was opened; size is -1 for what has none, such as a pipe. It may be called from any goroutine.
func (s *Source) Progress() (read, size int64) { return s.taken.n.Load(), s.size }

// Close ends the Source before its time.
func (s *Source) Close() error {
	if s.closed.Swap(true) || s.file == nil {
		return nil
	}
	if s.pipe != nil {
		close(s.pipe.closed)
	}
	return s.file.Close()
}
