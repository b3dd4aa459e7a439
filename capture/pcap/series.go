package pcap

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/decode"
)

// ErrIdle is returned by a Series that has no packet until more files are added to it.
var ErrIdle = errors.New("pcap: no file that may be read has more")

// A Series reads the files of one folder as one Source: one after the other by the times of their first frames, those
// that overlap merged by time. Fragments and TCP streams go on from file to file.
//
// # Restart
//
// Cut returns how far each file was given. After a restart, Resume reads those files again that end after some time, so
// that the decoder and its callers rebuild their state. Again reports whether the packet that Next returned was given
// before the Cut. A bare Packet follows the last of them.
//
// A Series is used by one goroutine; Drops, Undated and Close may be called from any.
type Series struct {
	cfg Config
	sequence
	counts  capture.Counters
	undated atomic.Uint64
	closed  atomic.Bool
	ending  bool // no more files are added

	coming  []*File // not opened yet, in order
	parts   []*part // being read
	touched map[*File]bool
	until   time.Time // later frames wait; zero for no wait

	again bool      // frames from before the restart are being read
	since time.Time // earlier frames are not read again
	limit map[*File]int64
	held  []record // that waited in the reorder buffer at the restart

	latest time.Time
}

// NewSeries returns a Series that has no file yet.
func NewSeries(cfg Config) *Series {
	s := &Series{cfg: cfg, touched: map[*File]bool{}, limit: map[*File]int64{}}
	s.sequence = newSequence(decode.New(cfg.Config, &s.counts))
	return s
}

// Add adds files, each to be read from its Offset on. One that is being read or waits for it is left out. Frames later
// than until wait for files that may hold earlier ones; with the zero Time nothing waits.
func (s *Series) Add(until time.Time, files ...*File) {
	s.until = until
	for _, f := range files {
		if !slices.Contains(s.coming, f) && !slices.ContainsFunc(s.parts, func(p *part) bool { return p.File == f }) {
			s.coming = append(s.coming, f)
		}
	}
	inOrder(s.coming)
}

// Resume reads files again, from the time since on, as far as their marks were before a restart. It is called before
// Next.
func (s *Series) Resume(since time.Time, files ...*File) {
	s.since, s.again = since, len(files) > 0
	for _, f := range files {
		slices.Sort(f.Held)
		s.limit[f] = f.Offset
	}
	s.Add(time.Time{}, files...)
}

// Again reports whether the packet that Next returned last was given before the restart.
func (s *Series) Again() bool { return s.again }

// Latest returns the latest time of the frames that were given.
func (s *Series) Latest() time.Time { return s.latest }

// End makes Next return io.EOF when everything that was added is read, after what streams still hold.
func (s *Series) End() { s.ending = true }

// Next returns the next packet. The error is io.EOF after Close or End, ErrIdle if there is none before more is added,
// or a *FileError, after which the other files are read on.
func (s *Series) Next() (p capture.Packet, err error) {
	for !s.sequence.next(&p) {
		if s.closed.Load() {
			s.closeParts()
			return p, io.EOF
		}
		if bare, err := s.step(); bare || err != nil {
			return capture.Packet{Time: s.latest, Origin: capture.File}, err
		}
	}
	return p, nil
}

// step decodes one frame. It reports whether that was the last from before the restart.
func (s *Series) step() (caughtUp bool, err error) {
	if s.sequence.step() {
		s.noteFrame()
		return false, nil
	}
	if !s.again && len(s.held) > 0 {
		s.judge(&s.held[0])
		s.held = s.held[1:]
		s.noteFrame()
		return false, nil
	}
	p, err := s.earliest()
	switch {
	case err != nil:
		return false, err
	case p != nil:
		s.take(p)
	case s.again && !s.rest(math.MaxInt64):
		s.catchUp()
		return true, nil
	case s.again:
	case s.ending:
		if !s.finish() {
			return false, io.EOF
		}
	case !s.rest(s.limitOfOrder()):
		return false, ErrIdle
	}
	return false, nil
}

// limitOfOrder returns the time, in Unix nanoseconds, up to which no file that is still written can hold a frame.
func (s *Series) limitOfOrder() int64 {
	if s.until.IsZero() {
		return math.MaxInt64
	}
	return nanos(s.until)
}

// noteFrame notes the file and the time of the frame at hand.
func (s *Series) noteFrame() {
	r := &s.record
	if r.file != nil {
		s.touched[r.file] = true
	}
	if r.Time.After(s.latest) {
		s.latest = r.Time
	}
}

// earliest returns the part with the earliest frame, nil if no frame may be given.
func (s *Series) earliest() (first *part, err error) {
	for {
		if first, err = s.earliestOpen(); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(s.coming, func(f *File) bool { return !s.again || s.isAgain(f) })
		if i < 0 || first != nil && nanos(first.s.coming.Time) < s.coming[i].First {
			break
		}
		if err := s.open(i); err != nil {
			return nil, err
		}
	}
	if first != nil && !s.again && !s.until.IsZero() && first.s.coming.Time.After(s.until) {
		return nil, nil
	}
	return first, nil
}

// isAgain reports whether f was read before the restart.
func (s *Series) isAgain(f *File) bool {
	_, ok := s.limit[f]
	return ok
}

// open opens the i-th file of coming.
func (s *Series) open(i int) error {
	f := s.coming[i]
	s.coming = slices.Delete(s.coming, i, i+1)
	skip, limit := f.Offset, f.Offset
	switch {
	case s.again:
		skip, limit = 0, s.limit[f]
	case len(f.Held) > 0:
		skip = f.Held[0]
	}
	p, err := openPart(f, s.cfg, skip)
	if err != nil {
		s.end(f, err)
		return &FileError{f, err}
	}
	p.limit = limit
	s.parts = append(s.parts, p)
	return nil
}

// earliestOpen returns the open part with the earliest frame, and closes parts that have no more. An error is of one
// part: the others can be read on.
func (s *Series) earliestOpen() (first *part, err error) {
	for i := 0; i < len(s.parts); i++ {
		p := s.parts[i]
		if s.again && p.begun >= p.limit && !p.ready && p.ended == nil {
			continue
		}
		if !p.peek() {
			s.parts = slices.Delete(s.parts, i, i+1)
			s.close(p)
			if i--; !errors.Is(p.ended, io.EOF) {
				return nil, &FileError{p.File, p.ended}
			}
			continue
		}
		if s.again && p.begun >= p.limit {
			continue
		}
		if first == nil || p.s.coming.Time.Before(first.s.coming.Time) {
			first = p
		}
	}
	return first, nil
}

// close closes p, which has no more frames.
func (s *Series) close(p *part) {
	p.Offset = p.begun
	_ = p.s.Close()
	s.end(p.File, p.ended)
}

// end notes what ended f.
func (s *Series) end(f *File, err error) {
	s.touched[f] = true
	if e := (&FileError{f, err}); !e.Passing() {
		f.Whole = true
	}
}

// take takes the frame of p.
func (s *Series) take(p *part) {
	r := &p.s.coming
	switch {
	case s.again && p.heldBefore():
		s.held = append(s.held, copied(r))
	case s.again && r.Time.Before(s.since):
	case !s.again && p.begun < p.limit && !p.heldBefore():
	default:
		s.judge(r)
		s.noteFrame()
	}
	if lost := p.s.counts.Kernel.Swap(0); !s.again {
		s.counts.Kernel.Add(lost)
		if r.undated {
			s.undated.Add(1)
		}
	}
	p.Last = max(p.Last, nanos(r.Time))
	p.taken()
	p.Offset = max(p.Offset, p.begun)
	s.touched[p.File] = true
}

// catchUp ends the reading of what was given before the restart.
func (s *Series) catchUp() {
	s.again = false
	s.parts = slices.DeleteFunc(s.parts, func(p *part) bool {
		if p.Whole {
			_ = p.s.Close()
		}
		return p.Whole
	})
	slices.SortStableFunc(s.held, func(a, b record) int { return a.Time.Compare(b.Time) })
	for f := range s.limit {
		f.Held = nil
	}
	s.limit = map[*File]int64{}
}

// closeParts closes every file.
func (s *Series) closeParts() {
	for _, p := range s.parts {
		_ = p.s.Close()
	}
	s.parts = nil
}

// Cut returns the files that were read since it was called last, each with how far it has been given. It is false while
// Next has more packets of the last frame.
func (s *Series) Cut() (files []*File, ok bool) {
	if s.again || len(s.held) > 0 || !s.decoder.Given() {
		return nil, false
	}
	for f := range s.touched {
		f.Held = nil
	}
	s.each(func(r *record) {
		if r.file != nil && !s.touched[r.file] {
			r.file.Held, s.touched[r.file] = nil, true
		}
	})
	s.each(func(r *record) {
		if r.file != nil {
			r.file.Held = append(r.file.Held, r.offset)
		}
	})
	for f := range s.touched {
		files = append(files, f)
	}
	clear(s.touched)
	return files, true
}

// Reading returns how many files are read or wait for it.
func (s *Series) Reading() int { return len(s.parts) + len(s.coming) }

// Drops returns what has been counted so far.
func (s *Series) Drops() capture.Drops { return s.counts.Drops() }

// Undated returns how many frames had no time of their own, as Source.Undated does.
func (s *Series) Undated() uint64 { return s.undated.Load() }

// Close makes Next return io.EOF. It may be called from any goroutine.
func (s *Series) Close() error {
	s.closed.Store(true)
	return nil
}

// A FileError is the error that kept a file of a Series from being read to its end.
type FileError struct {
	File *File
	Err  error
}

// Error implements error.
func (e *FileError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *FileError) Unwrap() error { return e.Err }

// Passing reports whether the error may pass because the operating system returned it (EIO, ESTALE …): the file is read
// on from where it was when it is added again. Any other error is of the file, or the file is gone.
func (e *FileError) Passing() bool {
	var refused syscall.Errno
	return errors.As(e.Err, &refused) && !errors.Is(e.Err, fs.ErrNotExist)
}
