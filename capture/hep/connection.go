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

// pause is how long nothing is accepted when the system has no room for another connection.
const pause = 100 * time.Millisecond

// accept takes connections until l is closed.
func (s *Source) accept(l *net.TCPListener, secure *tls.Config) {
	defer s.work.Done()
	for {
		conn, err := l.AcceptTCP()
		switch {
		case err == nil:
			s.welcome(conn, secure)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			s.note(func(st *Stats) { st.Unaccepted++ })
			select {
			case <-s.stop:
			case <-time.After(pause):
			}
		}
	}
}

// note changes what is counted.
func (s *Source) note(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
}

// welcome starts to read conn, if its sender may send and there is room for it.
func (s *Source) welcome(conn *net.TCPConn, secure *tls.Config) {
	if !s.enter(conn, secure != nil) {
		_ = conn.Close()
		return
	}
	go s.serve(conn, secure)
}

// enter counts conn among the open ones.
func (s *Source) enter(conn *net.TCPConn, secure bool) bool {
	from, ok := conn.RemoteAddr().(*net.TCPAddr)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return false
	case !ok || !s.allowed(from.AddrPort().Addr()):
		s.stats.Strangers++
		return false
	case s.stats.Connections >= s.plan.Connections || secure && s.handshakes >= s.plan.Handshakes:
		s.stats.TurnedAway++
		return false
	}
	s.stats.Connections++
	if secure {
		s.handshakes++
	}
	s.open[conn] = struct{}{}
	s.work.Add(1)
	return true
}

// leave closes conn and counts it out.
func (s *Source) leave(conn *net.TCPConn) {
	_ = conn.Close()
	s.mu.Lock()
	delete(s.open, conn)
	s.stats.Connections--
	s.mu.Unlock()
	s.work.Done()
}

// serve reads one connection to its end.
func (s *Source) serve(conn *net.TCPConn, secure *tls.Config) {
	defer s.leave(conn)
	if secure == nil {
		s.follow(conn)
		return
	}
	inner := tls.Server(conn, secure)
	ctx, cancel := context.WithTimeout(context.Background(), s.Timeout)
	err := inner.HandshakeContext(ctx) // ends when conn is closed, too
	cancel()
	s.note(func(st *Stats) {
		s.handshakes--
		if err != nil {
			st.Unfinished++
		}
	})
	if err == nil {
		s.follow(inner)
	}
}

// follow takes packets off a byte stream, until it ends, is silent for too long or is no HEP.
func (s *Source) follow(conn net.Conn) {
	d, f := decoder{key: s.key}, newFramer()
	for {
		_ = conn.SetReadDeadline(s.until(&f)) // of a closed connection the next line tells
		n, err := conn.Read(f.room())
		f.fill(n, time.Now())
		if !s.cut(&d, &f) {
			s.note(func(st *Stats) { st.Broken++ })
			return
		}
		if err != nil {
			s.bid(&f, err)
			return
		}
	}
}

// until returns when the next bytes must have come.
func (s *Source) until(f *framer) time.Time {
	if f.rest() > 0 {
		return f.begun.Add(s.Timeout)
	}
	return time.Now().Add(s.Idle)
}

// cut takes the packets that are whole. It is false if what came is no HEP.
func (s *Source) cut(d *decoder, f *framer) bool {
	for {
		b, ok := f.next()
		if !ok {
			s.reject(capture.Malformed)
			return false
		}
		if b == nil {
			return true
		}
		if !s.take(d, b, wall(f.came)) {
			return false
		}
	}
}

// bid counts how a connection ended.
func (s *Source) bid(f *framer, err error) {
	if f.rest() > 0 {
		s.reject(capture.Short)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.note(func(st *Stats) { st.Silent++ })
	}
}
