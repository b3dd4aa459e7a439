package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/store"
)

// Limits of an HTTP server. A connection that is idle, or has not sent a whole header, is closed for the next one.
const (
	MostConnections = 64
	headerLimit     = 16 << 10 // bytes of a request's header
	headerTimeout   = 5 * time.Second
	idleTimeout     = 30 * time.Second
	answerTimeout   = 30 * time.Second // of the public pages; tail goes on for as long as it is read
	endTimeout      = time.Second      // of requests under way at Close: what they have read is still logged
)

// A Server listens on the unix socket in the state folder and on http.listen, until Close.
type Server struct {
	d      *Console
	ctx    context.Context    // of the attempts to listen, and of every request
	cancel context.CancelFunc // ends them

	mu     sync.Mutex
	open   []*http.Server // under mu
	closed bool           // under mu
}

// Listen serves the pages of d on both. An HTTP address that is taken, or does not exist yet, is tried again until ctx
// ends; a socket that cannot be opened is an error.
func Listen(ctx context.Context, served *daemon.Daemon) (*Server, error) {
	d := &Console{served}
	ctx, cancel := context.WithCancel(ctx)
	w := &Server{d: d, ctx: ctx, cancel: cancel}
	path := d.SocketPath()
	_ = os.Remove(path) // we hold the lock of the state folder: no process uses this socket
	l, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), w.Close())
	}
	w.serve(peers{l}, newServer(d.Private(), 0))
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
func (w *Server) keepListening(ctx context.Context) {
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
func (w *Server) listen() error {
	l, err := net.Listen("tcp", w.d.HTTP.Listen)
	if err == nil {
		w.serve(l, newServer(w.d.Public(), answerTimeout))
	}
	return err
}

// serve answers on l until w is closed.
func (w *Server) serve(l net.Listener, s *http.Server) {
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

// Close ends both listeners and every request: requests under way have endTimeout to log their end.
func (w *Server) Close() (err error) {
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

// newServer returns an HTTP server; answer limits the time of a response, 0 for no limit.
func newServer(mux http.Handler, answer time.Duration) *http.Server {
	a := &admission{most: MostConnections, since: map[net.Conn]uint64{}}
	return &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		WriteTimeout: answer, MaxHeaderBytes: headerLimit, ConnState: a.note}
}

// An admission bounds the connections of a server. Beyond most it closes the connection that has been without a request
// for longest, or the newest one if each has a request.
type admission struct {
	most int // connections

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
	_ = oldest.Close() // net/http then ends the connection
}
