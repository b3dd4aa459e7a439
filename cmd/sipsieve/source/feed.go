package source

import (
	"errors"
	"io"
	"sync"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/hep"
	"sipsieve/store"
)

// A feed is a HEP feed that is opened again and again while that fails, and again when a socket of it fails: its port
// is taken, its address is not there yet. It implements capture.Watermarked.
type feed struct {
	config hep.Config
	closed chan struct{}  // by Close
	wait   *store.Backoff // of Next
	due    time.Time      // of Next: when it tries again

	mu      sync.Mutex
	ended   bool          // Close was called; under mu
	now     *hep.Source   // nil while it cannot be opened; under mu
	trouble error         // why it cannot; under mu
	past    hep.Stats     // of those before now; under mu
	drops   capture.Drops // likewise; under mu
}

// newFeed returns the feed of c. What opens at once is open when it returns.
func newFeed(c hep.Config) *feed {
	f := &feed{config: c, closed: make(chan struct{}), wait: store.NewBackoff()}
	f.attempt()
	return f
}

// attempt opens the feed and returns it, nil if that fails.
func (f *feed) attempt() *hep.Source {
	one, err := hep.Open(f.config)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil:
		f.trouble, f.due = err, time.Now().Add(f.wait.Next())
		return nil
	case f.ended:
		_ = one.Close()
		return nil
	}
	f.now, f.trouble = one, nil
	f.wait.Reset()
	return one
}

// Next implements capture.Source. While the feed cannot be opened it returns a bare packet each capture.IdleEvery.
func (f *feed) Next() (capture.Packet, error) {
	s, ended := f.current()
	if s == nil && !ended && !time.Now().Before(f.due) {
		s = f.attempt()
	}
	if s == nil {
		return f.idle()
	}
	p, err := s.Next()
	if err == nil || errors.Is(err, io.EOF) {
		return p, err
	}
	f.retire(s, err)
	return f.idle()
}

// idle waits for capture.IdleEvery, or for Close.
func (f *feed) idle() (capture.Packet, error) {
	timer := time.NewTimer(capture.IdleEvery)
	defer timer.Stop()
	select {
	case <-f.closed:
		return capture.Packet{}, io.EOF
	case <-timer.C:
		return capture.Packet{Point: f.config.Name, Origin: capture.HEP}, nil
	}
}

// current returns the feed that is open, nil without one.
func (f *feed) current() (s *hep.Source, ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now, f.ended
}

// retire keeps what s has counted, which err has ended.
func (f *feed) retire(s *hep.Source, err error) {
	_ = s.Close() // nothing was written that could get lost
	f.mu.Lock()
	defer f.mu.Unlock()
	f.past.Add(s.Stats())
	f.drops.Add(s.Drops())
	f.now, f.trouble, f.due = nil, err, time.Now().Add(f.wait.Next())
}

// Trouble returns why the feed is not open, nil while it is. It may be called from any goroutine.
func (f *feed) Trouble() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trouble
}

// Watermark implements capture.Watermarked.
func (f *feed) Watermark() (time.Time, bool) {
	if s, _ := f.current(); s != nil {
		return s.Watermark()
	}
	return time.Time{}, false
}

// Drops implements capture.Source.
func (f *feed) Drops() capture.Drops {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.drops
	if f.now != nil {
		d.Add(f.now.Drops())
	}
	return d
}

// Stats returns what all feeds of f have counted beside that. It may be called from any goroutine.
func (f *feed) Stats() hep.Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	var sum hep.Stats
	sum.Add(f.past)
	if f.now != nil {
		st := f.now.Stats()
		sum.Add(st)
		sum.Waiting, sum.Connections = st.Waiting, st.Connections
	}
	return sum
}

// Close implements capture.Source.
func (f *feed) Close() error {
	f.mu.Lock()
	s := f.now
	if !f.ended {
		f.ended = true
		close(f.closed)
	}
	f.mu.Unlock()
	if s != nil {
		return s.Close()
	}
	return nil
}
