package daemon

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/hep"
	"sipsieve/capture/pcap"
	"sipsieve/sip/event"
)

// A folderSource is the files of a folder as one Source, which ends when nothing has come for as long as a call may
// last. It implements pipeline.Resumable and pipeline.Prompt.
type folderSource struct {
	capture.Source // of series, as its packets are read
	folder         *folder
	series         *pcap.Series
	closed         chan struct{}
	closing        atomic.Bool

	again   bool // what was returned last was given before the restart
	but     map[event.Key]bool
	looked  bool
	base    atomic.Pointer[folderCounts] // of what was given again; nil before all of that was
	active  time.Time                    // when something had come last, by the wall clock
	given   bool                         // something has been given
	ending  bool
	cuts    int
	waiting time.Time // since when files that are still written have made others wait; the zero Time if they do not
}

// folderCounts are what a Series counts.
type folderCounts struct {
	drops                  capture.Drops
	undated, late, strange uint64
	feed                   hep.Stats // of files that hold one
}

// counted returns what has been counted, what was given again included.
func (s *folderSource) counted() *folderCounts {
	c := &folderCounts{s.Source.Drops(), s.series.Undated(), s.series.Late(), s.series.Strays(), hep.Stats{}}
	if f, ok := s.Source.(*hep.File); ok {
		c.feed = f.Stats()
	}
	return c
}

// since returns what has been counted but of what was given again.
func (s *folderSource) since() (c folderCounts) {
	base := s.base.Load()
	if base == nil {
		return c
	}
	c = *s.counted()
	c.drops.Sub(base.drops)
	c.undated, c.late, c.strange = c.undated-base.undated, c.late-base.late, c.strange-base.strange
	c.feed = c.feed.Since(base.feed)
	return c
}

const (
	firstRetry = time.Second      // a file that the system refused is read again
	heldUntil  = 32 * time.Second // with the others waiting, as long as the wait is no longer than this
	lastRetry  = time.Hour        // then behind the others, at most that far apart
)

// A retry is when a file that the system refused is read again.
type retry struct {
	wait time.Duration
	due  time.Time
}

// holds reports whether the other files wait for the one of r.
func (r *retry) holds() bool { return r.wait <= heldUntil }

// Next returns the next packet. When nothing is at hand it returns a bare one, once, and then waits.
func (s *folderSource) Next() (capture.Packet, error) {
	for {
		if !s.looked || s.held() || s.folder.idle.Load() {
			if s.looked && !s.wait() {
				return capture.Packet{}, io.EOF
			}
			s.looked = true
			if s.look(); s.held() {
				continue
			}
		}
		p, err := s.Source.Next()
		var of *pcap.FileError
		switch {
		case errors.As(err, &of):
			s.failed(of)
			if s.held() {
				return s.rest(), nil
			}
		case errors.Is(err, pcap.ErrIdle):
			if !s.folder.idle.Load() {
				return s.rest(), nil
			}
		case err != nil:
			return p, err
		default:
			s.took()
			return p, nil
		}
	}
}

// rest returns what says that nothing is at hand.
func (s *folderSource) rest() capture.Packet {
	s.folder.idle.Store(true)
	s.active = time.Now()
	return capture.Packet{Time: s.series.Latest(), Origin: capture.File}
}

// took notes that something was given.
func (s *folderSource) took() {
	s.folder.idle.Store(false)
	s.given = true
	if again := s.series.Again(); again != s.again {
		if s.again = again; !again {
			s.base.Store(s.counted())
		}
	}
}

// Ready reports whether more may be at hand.
func (s *folderSource) Ready() bool { return !s.folder.idle.Load() }

// Again reports whether what Next returned last was given before the restart.
func (s *folderSource) Again() bool { return s.series.Again() }

// Drops returns what has been counted since the restart, without what was read again; so do Undated, Late and Strays.
func (s *folderSource) Drops() capture.Drops { return s.since().drops }

// Feeds returns what was odd about packets of a feed in the files.
func (s *folderSource) Feeds() []hep.Stats { return []hep.Stats{s.since().feed} }

// Undated returns how many frames have no time that can be believed.
func (s *folderSource) Undated() uint64 { return s.since().undated }

// Late returns how many frames stood more than a second behind a later one.
func (s *folderSource) Late() uint64 { return s.since().late }

// Strays returns how many frames had a time that was not believed, for it was far from those around.
func (s *folderSource) Strays() uint64 { return s.since().strange }

// Cut returns how far the files have been read: a *folderPosition. It is false if nothing has changed since the last,
// and between two messages of one segment.
func (s *folderSource) Cut() (any, bool) {
	if f, ok := s.Source.(*hep.File); ok && !f.Given() {
		return nil, false
	}
	touched, ok := s.series.Cut()
	if !ok {
		return nil, false
	}
	dir := s.folder.dir
	for _, f := range touched {
		if f.Whole {
			s.readToEnd(f)
			dir.Done(f)
		}
	}
	p := &folderPosition{but: s.but}
	p.marks, p.forgotten = dir.Changes(touched)
	if s.cuts++; s.cuts > 1 && len(p.marks) == 0 && len(p.forgotten) == 0 && !s.ending {
		return nil, false
	}
	return p, true
}

// Close ends a wait and the Source.
func (s *folderSource) Close() error {
	if !s.closing.Swap(true) {
		close(s.closed)
	}
	return s.Source.Close()
}

// wait waits until the folder may be looked at again; it reports false when s was closed.
func (s *folderSource) wait() bool {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.closed:
		return false
	}
}

// look adds the files that may be read, and ends the Source after a long silence.
func (s *folderSource) look() {
	f, now := s.folder, time.Now()
	l, err := f.dir.Poll(now)
	f.note(err, l.Unreadable)
	var ready []*pcap.File
	for _, one := range l.Ready {
		r := f.retrying[one]
		switch {
		case one.Whole:
			f.dir.Done(one)
		case r == nil || !now.Before(r.due):
			ready = append(ready, one)
		}
	}
	before := s.series.Reading()
	s.series.Add(s.until(l.Grows, now), ready...)
	if l.Growing > 0 || s.series.Reading() > before || len(f.retrying) > 0 {
		s.active = now
	}
	if silence := now.Sub(s.active); s.given && silence >= f.setup.Limits.Talk && s.series.Reading() == 0 {
		s.ending = true
		s.series.End()
	}
}

// until returns from which time on frames wait for files that are still written: those that began then. They wait no
// longer than a file that is not written any more does.
func (s *folderSource) until(grows, now time.Time) time.Time {
	switch {
	case grows.IsZero() || s.series.Reading() == 0:
		s.waiting = time.Time{}
		return grows
	case s.waiting.IsZero():
		s.waiting = now
	case now.Sub(s.waiting) > s.folder.longestWait():
		return time.Time{}
	}
	return grows
}

// held reports whether a file that the system refused has the others wait until it is read again.
func (s *folderSource) held() bool {
	for _, r := range s.folder.retrying {
		if r.holds() && time.Now().Before(r.due) {
			return true
		}
	}
	return false
}

// readToEnd notes that f is done: what the system refused of it is over.
func (s *folderSource) readToEnd(f *pcap.File) {
	if retrying := s.folder.retrying; retrying[f] != nil {
		delete(retrying, f)
		s.folder.troubles.Recovered(s.folder.key, "read to its end")
	}
}

// failed notes what kept a file from being read to its end. If it is the system's it is read again, later each time.
func (s *folderSource) failed(of *pcap.FileError) {
	f := s.folder
	if !of.Passing() {
		delete(f.retrying, of.File)
		f.troubles.Trouble(f.key, "not read to its end", of)
		return
	}
	r := f.retrying[of.File]
	if r == nil {
		f.troubles.Trouble(f.key, "not read to its end, read again", of)
		r = &retry{wait: firstRetry / 2}
		f.retrying[of.File] = r
	}
	r.wait = min(2*r.wait, lastRetry)
	r.due = time.Now().Add(r.wait)
}
