package pcap

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/decode"
)

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

// Next returns the next packet, by the contract of capture.Source. A file that ends in the middle of a frame gives
// ErrTruncated after the packets before it.
//
// Frames are put in the order of their times before they are decoded, those of one time in that of the file, as far as
// they lie within a second and 64 MiB: those of TCP and SCTP, fragments, and datagrams that may begin a message.
// Packets of others bear a time that is not later than those. A bare packet ends a file whose last frames were such.
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

// fetch reads the next frame.
func (s *Source) fetch() {
	if s.pipe != nil {
		if err := s.pipe.fetch(&s.sequence); err != nil {
			s.end(err)
		}
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
	r.missed, r.since = r.face.losses.report(r.Time)
	return nil
}

// end notes what ended the file.
func (s *Source) end(err error) {
	s.ended = io.EOF
	if !errors.Is(err, io.EOF) {
		s.ended = fmt.Errorf("pcap: %s: after frame %d: %w", s.name, s.frames, plainly(err))
	}
}

// Drops returns what has been counted so far. Kernel is what the file itself counts as lost.
func (s *Source) Drops() capture.Drops { return s.counts.Drops() }

// Undated returns how many frames had no valid time: none at all, a fraction of a second or more, before 1970 or after
// 9999. They bear the time of the frame before them; the first frame the beginning of 1970.
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

// offset returns where the next frame begins, or what stands before it.
func (s *Source) offset() int64 { return s.content.consumed() + int64(s.read.unread()) }

// faces returns the interfaces that the file has named so far.
func (s *Source) faces() []*face {
	switch r := s.read.(type) {
	case *nextGeneration:
		return r.faces
	case *classic:
		return []*face{&r.face}
	}
	return nil
}

// Piped reports whether the file is read while it is written, such as standard input. Packets of a frame are then
// returned 800 ms after it came at the latest.
func (s *Source) Piped() bool { return s.pipe != nil }

// Ready reports whether Next returns without a wait: false while a pipe has nothing to read.
func (s *Source) Ready() bool {
	return s.pipe == nil || !s.decoder.Given() || s.reorder.ready() || len(s.ready) > 0 || len(s.pipe.frames) > 0
}
