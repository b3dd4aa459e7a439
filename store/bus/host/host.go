// Package host runs the NATS server of this process, and starts it again when it has kept an error of its disk: a stream
// of nats-server 2.15 takes nothing more after the first write that failed, until the server is another.
package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startTimeout is how long a server may take to read its streams.
const startTimeout = time.Minute

// errStopped is returned for a connection to a server that does not run.
var errStopped = errors.New("the server is not running")

// A Host is a server that may be stopped and started again, as the same for who connects. It may be used by several
// goroutines.
type Host struct {
	opts    *server.Options
	log     serverLog
	failure failure

	mu  sync.Mutex
	now *server.Server // nil while none runs; under mu
}

// New returns a Host of a server with these options, which does not run yet.
func New(opts *server.Options) *Host {
	h := &Host{opts: opts}
	h.log.failed = h.failure.note
	return h
}

// OnFailure has f called with the error of each write after which the server takes nothing more for a stream. It must
// return at once and call nothing of the server.
func (h *Host) OnFailure(f func(error)) {
	h.failure.mu.Lock()
	defer h.failure.mu.Unlock()
	h.failure.each = f
}

// Failure returns why the server takes nothing more for a stream, nil if it takes everything; while it is started anew,
// why the one before did not.
func (h *Host) Failure() error {
	if srv := h.Server(); srv != nil && !srv.JetStreamEnabled() { // a file may not be written
		h.failure.note(errors.New("the server has given its streams up"))
	}
	return h.failure.cause()
}

// BeginAnew begins an attempt to start the server anew because of a Failure.
func (h *Host) BeginAnew() { h.failure.begin() }

// EndAnew ends the attempt, with its error, and returns why the server still takes nothing.
func (h *Host) EndAnew(err error) error { return h.failure.end(err) }

// AwaitAnew waits for the end of an attempt to start the server anew, if one is made.
func (h *Host) AwaitAnew(ctx context.Context) {
	if attempt := h.failure.attempt(); attempt != nil {
		select {
		case <-attempt:
		case <-ctx.Done():
		}
	}
}

// Start runs the server. A port that was free to choose stays the one of the first start.
func (h *Host) Start() error {
	srv, err := server.NewServer(h.opts.Clone())
	if err != nil {
		return fmt.Errorf("bus: embedded server: %w", err)
	}
	srv.SetLoggerV2(&h.log, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(startTimeout) || !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return fmt.Errorf("bus: embedded server does not start: %s", h.log.String())
	}
	if addr, ok := srv.Addr().(*net.TCPAddr); ok {
		h.opts.Port = addr.Port
	}
	h.set(srv)
	return nil
}

// Stop ends the server, if one runs, and returns when it has ended.
func (h *Host) Stop() {
	if srv := h.set(nil); srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// set makes srv the server that runs, and returns the one before.
func (h *Host) set(srv *server.Server) (before *server.Server) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, h.now = h.now, srv
	return before
}

// Server returns the server that runs, nil if none does.
func (h *Host) Server() *server.Server {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// InProcessConn connects to the server that runs, without a socket.
func (h *Host) InProcessConn() (net.Conn, error) {
	if srv := h.Server(); srv != nil {
		return srv.InProcessConn()
	}
	return nil, errStopped
}

// A serverLog keeps the last error that a server logged: why it did not start. It reports errors of writing, and drops
// everything else.
type serverLog struct {
	failed func(error)

	mu   sync.Mutex
	last string // under mu
}

// writeError matches what nats-server 2.15 logs before it takes nothing more for a stream (setWriteErr in
// server/filestore.go and server/stream.go).
var writeError = regexp.MustCompile("(?i)critical write error")

// String returns the last error, "" if there was none.
func (l *serverLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *serverLog) keep(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = fmt.Sprintf(format, v...)
}

// Noticef drops.
func (l *serverLog) Noticef(string, ...any) {}

// Warnf drops.
func (l *serverLog) Warnf(string, ...any) {}

// Debugf drops.
func (l *serverLog) Debugf(string, ...any) {}

// Tracef drops.
func (l *serverLog) Tracef(string, ...any) {}

// Fatalf keeps what the server logs before it stops.
func (l *serverLog) Fatalf(format string, v ...any) { l.keep(format, v...) }

// Errorf keeps an error, and reports one of writing.
func (l *serverLog) Errorf(format string, v ...any) {
	l.keep(format, v...)
	if !writeError.MatchString(format) || len(v) == 0 {
		return
	}
	if err, ok := v[len(v)-1].(error); ok {
		l.failed(errnoOf(err))
	}
}

// errnoOf returns the errno of a disk that err is of, else err. The server wraps some errors as text only.
func errnoOf(err error) error {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.EDQUOT, syscall.EACCES} {
		if errors.Is(err, errno) || strings.HasSuffix(err.Error(), errno.Error()) {
			return errno
		}
	}
	return err
}
