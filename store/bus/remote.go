// This file has methods of Bus because its connection is kept here.

package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/bus/remote"
)

const (
	reconnectFirst = 250 * time.Millisecond // before the second attempt, doubled for each further one
	reconnectLast  = 15 * time.Second
)

// A Remote says how to reach a NATS server, or the servers of one cluster.
type Remote = remote.Remote

// Connect returns within about 300 ms for each server, also if none is there. It connects as soon as one is, and again
// whenever the connection is lost, for ever: see Away. The files of r are read again for each connection, so
// that a renewed certificate needs no restart. An error is a URL or a file that cannot be used; it names the file and
// quotes nothing of it.
func Connect(r Remote) (*Bus, error) {
	ctx, stop := context.WithCancel(context.Background())
	opts, connected, err := r.Options(ctx)
	if err != nil {
		stop()
		return nil, fmt.Errorf("bus: %w", err)
	}
	b, err := open(r.URL, opts...)
	if err != nil {
		stop()
		return nil, err
	}
	b.stopDial = stop
	connected()
	return b, nil
}

// open connects by opts. The Bus takes the connection over.
func open(url string, opts ...nats.Option) (*Bus, error) {
	b := &Bus{stopDial: func() {}}
	first := &outage{since: time.Now(), err: errors.New("no attempt yet")}
	b.link.outage.Store(first)
	opts = slices.Concat([]nats.Option{nats.Name("sipsieve")}, b.handlers(), opts)
	conn, err := nats.Connect(url, opts...)
	if err != nil {
		return nil, fmt.Errorf("bus: connect: %w", err)
	}
	if conn.IsConnected() {
		b.link.outage.CompareAndSwap(first, nil)
	}
	b.link.conn.Store(conn)
	b.conn = conn
	b.stream, err = jetstream.New(conn, jetstream.WithDefaultTimeout(replyTimeout),
		jetstream.WithPublishAsyncMaxPending(asyncWindow), jetstream.WithPublishAsyncTimeout(replyTimeout))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("bus: %w", err)
	}
	return b, nil
}

// A link is the state of a connection, as its callbacks report it: nats.Conn answers nothing while it dials.
type link struct {
	conn   atomic.Pointer[nats.Conn]
	outage atomic.Pointer[outage] // nil while there is a connection
}

// An outage is since when there is no connection, and the error of the last attempt.
type outage struct {
	since time.Time
	err   error
}

// handlers keep the state of b's connection; delay also finds errors of a handshake, which no callback reports.
func (b *Bus) handlers() []nats.Option {
	up := func(*nats.Conn) {
		b.errs.connected()
		b.link.outage.Store(nil)
	}
	down := func(_ *nats.Conn, err error) { b.link.down(err) }
	return []nats.Option{nats.ErrorHandler(b.errs.note), nats.ConnectHandler(up), nats.ReconnectHandler(up),
		nats.DisconnectErrHandler(down), nats.ReconnectErrHandler(down), nats.CustomReconnectDelay(b.link.delay),
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1)}
}

// errClosed is the error of a connection that ended without another, of which the client says EOF.
var errClosed = errors.New("the server, or what is between, has closed the connection")

// down begins an outage, or notes the latest error of the one that lasts.
func (l *link) down(err error) {
	if errors.Is(err, io.EOF) {
		err = errClosed
	}
	now := &outage{since: time.Now(), err: err}
	if last := l.outage.Load(); last != nil {
		now.since = last.since
		if err == nil {
			now.err = last.err
		}
	}
	if now.err == nil {
		now.err = errClosed
	}
	l.outage.Store(now)
}

// delay returns how long to wait before attempt n on all servers: doubled each time, and at random between half of that
// and all of it, so that a fleet does not come back at one instant.
func (l *link) delay(n int) time.Duration {
	if conn := l.conn.Load(); conn != nil {
		if err := conn.LastError(); err != nil {
			l.down(err)
		}
	}
	whole := min(reconnectFirst<<min(n-1, 16), reconnectLast)
	return whole/2 + rand.N(whole/2)
}

// Away returns since when b has no connection, the zero time while it has one, and why: the error of the last attempt.
func (b *Bus) Away() (since time.Time, why error) {
	if o := b.link.outage.Load(); o != nil {
		return o.since, o.err
	}
	return time.Time{}, nil
}

// Reach waits until b has a connection. When ctx ends first the error wraps store.ErrUnavailable and that of the last
// attempt.
func (b *Bus) Reach(ctx context.Context) error {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		since, why := b.Away()
		if since.IsZero() {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("bus: connect: %w: %w", store.ErrUnavailable, why)
		}
	}
}
