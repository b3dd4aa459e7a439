package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sipsieve/store"
	"sync"
	"time"
)

// Limits of an HTTP server. Who is idle, or has not sent a whole header, makes room for the next connection.
const (
	mostConnections = 64
	headerLimit     = 16 << 10 // bytes of a request's header
	headerTimeout   = 5 * time.Second
	idleTimeout     = 30 * time.Second
	answerTimeout   = 30 * time.Second // of the public pages; tail goes on for as long as it is read
	endTimeout      = time.Second      // of requests under way at a stop: what they have read is still logged
)

// windows are the ways to look at a running daemon: the HTTP address and the unix socket in the state folder.
type windows struct {
	d      *console
	ctx    context.Context    // of the attempts to listen, and of every request
	cancel context.CancelFunc // ends them

	mu     sync.Mutex
	open   []*http.Server // under mu
	closed bool           // under mu
}

// openWindows opens both. An HTTP address that is taken, or not there yet, is tried again until ctx ends.
func (d *console) openWindows(ctx context.Context) (*windows, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &windows{d: d, ctx: ctx, cancel: cancel}
	path := d.SocketPath()
	_ = os.Remove(path) // the state folder's lock is ours: whoever left it is gone
	l, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), w.close())
	}
	w.serve(peers{l}, newServer(d.privateMux(), 0))
	if d.HTTP.Listen == "" {
		return w, nil
	}
	if err := w.listen(); err != nil {
		d.Trouble("http.listen", "not listening, tried again", err)
		go w.keepListening(ctx)
	}
	return w, nil
}

// keepListening tries until it listens or ctx ends.
func (w *windows) keepListening(ctx context.Context) {
	for wait := store.NewBackoff(); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait.Next()):
		}
		if w.listen() == nil {
			w.d.Recovered("http.listen", "listening")
			return
		}
	}
}

// listen opens the HTTP address.
func (w *windows) listen() error {
	l, err := net.Listen("tcp", w.d.HTTP.Listen)
	if err == nil {
		w.serve(l, newServer(w.d.publicMux(), answerTimeout))
	}
	return err
}

// serve answers on l until w is closed.
func (w *windows) serve(l net.Listener, s *http.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		_ = l.Close()
		return
	}
	w.open = append(w.open, s)
	s.BaseContext = func(net.Listener) context.Context { return w.ctx }
	go func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
			w.d.Log.Error("http", "err", err)
		}
	}()
}

// close ends both, and every request: those under way have endTimeout to log their end.
func (w *windows) close() (err error) {
	w.cancel()
	w.mu.Lock()
	open := w.open
	w.closed = true
	w.mu.Unlock()
	ctx, stop := context.WithTimeout(context.Background(), endTimeout)
	defer stop()
	for _, s := range open {
		if e := s.Shutdown(ctx); errors.Is(e, context.DeadlineExceeded) {
			err = errors.Join(err, s.Close())
		} else {
			err = errors.Join(err, e)
		}
	}
	return err
}

// newServer returns a server whose answers take so long at most, 0 for no limit.
func newServer(mux http.Handler, answer time.Duration) *http.Server {
	a := &admission{most: mostConnections, since: map[net.Conn]uint64{}}
	return &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		WriteTimeout: answer, MaxHeaderBytes: headerLimit, ConnState: a.note}
}

// An admission bounds the connections of a server. It closes the one that has been without a request for longest, and
// the newest if each has one.
type admission struct {
	most int

	mu    sync.Mutex
	turn  uint64
	since map[net.Conn]uint64 // when it began to wait for a request, in turns; 0 while it has one; under mu
}

// note implements http.Server.ConnState.
func (a *admission) note(c net.Conn, state http.ConnState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		a.turn++
		a.since[c] = a.turn
	case http.StateActive:
		a.since[c] = 0
	case http.StateHijacked, http.StateClosed:
		delete(a.since, c)
	}
	if len(a.since) <= a.most {
		return
	}
	oldest := c
	for other, turn := range a.since {
		if turn > 0 && turn < a.since[oldest] {
			oldest = other
		}
	}
	delete(a.since, oldest)
	_ = oldest.Close() // the server sees that and ends it
}
