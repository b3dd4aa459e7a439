package hep

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"sipsieve/capture"
)

// acceptPause is how long nothing is accepted when the system has no room for another connection.
const acceptPause = 100 * time.Millisecond

// A listener accepts the connections of one address.
type listener struct {
	source *Source
	tcp    *net.TCPListener
	tls    *tls.Config // nil for tcp://
}

// accept takes connections until l is closed.
func (l *listener) accept() {
	s := l.source
	defer s.work.Done()
	for {
		tcp, err := l.tcp.AcceptTCP()
		switch {
		case err == nil && s.join(tcp, l.tls != nil):
			c := connection{source: s, tcp: tcp, tls: l.tls, decoder: decoder{key: s.key}}
			go c.serve()
		case err == nil:
			_ = tcp.Close()
		case errors.Is(err, net.ErrClosed):
			return
		default:
			s.note(func(st *Stats) { st.Unaccepted++ })
			select {
			case <-s.stop:
			case <-time.After(acceptPause):
			}
		}
	}
}

// A connection is a byte stream of HEP packets over TCP or TLS. It is used by one goroutine.
type connection struct {
	source  *Source
	tcp     *net.TCPConn
	tls     *tls.Config // nil without TLS
	decoder decoder
	framer  framer
}

// serve reads c to its end.
func (c *connection) serve() {
	s := c.source
	defer s.leave(c.tcp)
	if c.tls == nil {
		c.read(c.tcp)
		return
	}
	inner := tls.Server(c.tcp, c.tls)
	ctx, cancel := context.WithTimeout(context.Background(), s.Timeout)
	err := inner.HandshakeContext(ctx) // ends when the connection is closed, too
	cancel()
	s.note(func(st *Stats) {
		s.handshakes--
		if err != nil {
			st.Unfinished++
		}
	})
	if err == nil {
		c.read(inner)
	}
}

// read takes packets from conn until it ends, is silent for too long or is not HEP.
func (c *connection) read(conn net.Conn) {
	c.framer = newFramer()
	for {
		_ = conn.SetReadDeadline(c.deadline()) // Read reports that a connection is closed
		n, err := conn.Read(c.framer.room())
		c.framer.fill(n, time.Now())
		if !c.take() {
			c.source.note(func(st *Stats) { st.Broken++ })
			return
		}
		if err != nil {
			c.countEnd(err)
			return
		}
	}
}

// deadline returns when the next bytes must have come.
func (c *connection) deadline() time.Time {
	if c.framer.rest() > 0 {
		return c.framer.begun.Add(c.source.Timeout)
	}
	return time.Now().Add(c.source.Idle)
}

// take takes the packets that are whole. It is false if the stream is not HEP.
func (c *connection) take() bool {
	for {
		b, ok := c.framer.next()
		switch {
		case !ok:
			c.source.reject(capture.Malformed)
			return false
		case b == nil:
			return true
		case !c.source.take(&c.decoder, b, wall(c.framer.came)):
			return false
		}
	}
}

// countEnd counts how c ended.
func (c *connection) countEnd(err error) {
	if c.framer.rest() > 0 {
		c.source.reject(capture.Short)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.source.note(func(st *Stats) { st.Silent++ })
	}
}
