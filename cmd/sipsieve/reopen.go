package main

import (
	"errors"
	"io"
	"sync"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/hep"
)

// A backoff is the time until the next attempt: retryFirst, then twice the time before, at most retryLast.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, retryFirst), retryLast)
	return b.last
}

func (b *backoff) reset() { b.last = 0 }

// A reopened Source is a HEP feed that is opened again and again while that fails, and again when a socket of it
// fails: its port is taken, its address is not there yet. It implements capture.Watermarked.
type reopened struct {
	config hep.Config
	closed chan struct{} // by Close
	wait   backoff       // Next's
	due    time.Time     // Next's: of the next attempt

	mu      sync.Mutex
	ended   bool          // Close was called; under mu
	now     *hep.Source   // nil while it cannot be opened; under mu
	trouble error         // why it cannot; under mu
	past    hep.Stats     // of those before now; under mu
	drops   capture.Drops // likewise; under mu
}

// reopen returns the Source of c. What opens at once is open when it returns.
func reopen(c hep.Config) *reopened {
	r := &reopened{config: c, closed: make(chan struct{})}
	r.attempt()
	return r
}

// attempt opens the feed and returns it, nil if that fails.
func (r *reopened) attempt() *hep.Source {
	one, err := hep.Open(r.config)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.trouble, r.due = err, time.Now().Add(r.wait.next())
		return nil
	case r.ended:
		_ = one.Close()
		return nil
	}
	r.now, r.trouble = one, nil
	r.wait.reset()
	return one
}

// Next implements capture.Source. While the feed cannot be opened it returns a bare packet each capture.IdleEvery.
func (r *reopened) Next() (capture.Packet, error) {
	s, ended := r.current()
	if s == nil && !ended && !time.Now().Before(r.due) {
		s = r.attempt()
	}
	if s == nil {
		return r.idle()
	}
	p, err := s.Next()
	if err == nil || errors.Is(err, io.EOF) {
		return p, err
	}
	r.retire(s, err)
	return r.idle()
}

// idle waits for capture.IdleEvery, or for Close.
func (r *reopened) idle() (capture.Packet, error) {
	timer := time.NewTimer(capture.IdleEvery)
	defer timer.Stop()
	select {
	case <-r.closed:
		return capture.Packet{}, io.EOF
	case <-timer.C:
		return capture.Packet{Point: r.config.Name, Origin: capture.HEP}, nil
	}
}

// current returns the feed that is open, nil without one.
func (r *reopened) current() (s *hep.Source, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now, r.ended
}

// retire keeps what s has counted, which err has ended.
func (r *reopened) retire(s *hep.Source, err error) {
	_ = s.Close() // nothing was written that could get lost
	r.mu.Lock()
	defer r.mu.Unlock()
	r.past.Add(s.Stats())
	r.drops.Add(s.Drops())
	r.now, r.trouble, r.due = nil, err, time.Now().Add(r.wait.next())
}

// Trouble returns why the feed is not open, nil while it is. It may be called from any goroutine.
func (r *reopened) Trouble() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trouble
}

// Watermark implements capture.Watermarked.
func (r *reopened) Watermark() (time.Time, bool) {
	if s, _ := r.current(); s != nil {
		return s.Watermark()
	}
	return time.Time{}, false
}

// Drops implements capture.Source.
func (r *reopened) Drops() capture.Drops {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.drops
	if r.now != nil {
		d.Add(r.now.Drops())
	}
	return d
}

// Stats returns what all feeds of r have counted beside that. It may be called from any goroutine.
func (r *reopened) Stats() hep.Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	var sum hep.Stats
	sum.Add(r.past)
	if r.now != nil {
		st := r.now.Stats()
		sum.Add(st)
		sum.Waiting, sum.Connections = st.Waiting, st.Connections
	}
	return sum
}

// Close implements capture.Source.
func (r *reopened) Close() error {
	r.mu.Lock()
	s := r.now
	if !r.ended {
		r.ended = true
		close(r.closed)
	}
	r.mu.Unlock()
	if s != nil {
		return s.Close()
	}
	return nil
}
