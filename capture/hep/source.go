package hep

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"sipsieve/capture"
)

// A Source is the feeds that come to the addresses of one Config. It implements capture.Watermarked; Stats, Addrs,
// Drops and Close may be called from any goroutine. It never makes a sender wait: what the queue has no room for is
// refused. After Close, Next still returns what was queued.
type Source struct {
	plan
	work sync.WaitGroup // every goroutine that reads a socket
	stop chan struct{}  // closed with the sockets

	mu      sync.Mutex // guards all below
	ready   sync.Cond  // signalled when the queue is not empty, or over is set
	queue   queue
	counts  capture.Counters
	stats   Stats
	lost    lost
	last    time.Time              // of the packet that was queued last
	mark    time.Time              // arrival of what Next returned last
	open    map[io.Closer]struct{} // sockets
	addrs   []net.Addr
	closing bool
	over    error

	handshakes int // connections that are in theirs
}

// Open listens on the addresses of c.
func Open(c Config) (*Source, error) {
	p, err := c.resolve()
	if err != nil {
		return nil, err
	}
	s := &Source{plan: p, queue: newQueue(c.Queue), open: map[io.Closer]struct{}{}, stop: make(chan struct{})}
	s.ready.L = &s.mu
	s.stats.init()
	s.last = now()
	s.mark = s.last
	for _, e := range p.ends {
		if err := s.listen(e); err != nil {
			return nil, errors.Join(fmt.Errorf("hep: %w", err), s.Close())
		}
	}
	return s, nil
}

// listen opens e and starts to read it.
func (s *Source) listen(e endpoint) error {
	if e.scheme == "udp" {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(e.addr))
		if err != nil {
			return err
		}
		s.keep(conn, conn.LocalAddr())
		_ = conn.SetReadBuffer(s.Buffer) // the kernel may bound it; what overflows is counted
		s.work.Add(1)
		go newUDPSocket(s, conn).receive()
		return nil
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(e.addr))
	if err != nil {
		return err
	}
	s.keep(l, l.Addr())
	accepting := &listener{source: s, tcp: l}
	if e.scheme == "tls" {
		accepting.tls = s.tls
	}
	s.work.Add(1)
	go accepting.accept()
	return nil
}

// keep adds an open socket and its address.
func (s *Source) keep(c io.Closer, address net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = struct{}{}
	s.addrs = append(s.addrs, address)
}

// join counts conn among the open connections, if its sender may send and there is room for it.
func (s *Source) join(conn *net.TCPConn, secure bool) bool {
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

// leave closes conn and takes it out of the open connections.
func (s *Source) leave(conn *net.TCPConn) {
	_ = conn.Close()
	s.mu.Lock()
	delete(s.open, conn)
	s.stats.Connections--
	s.mu.Unlock()
	s.work.Done()
}

// note changes what Stats returns.
func (s *Source) note(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
}

// reject counts a packet that is not decoded.
func (s *Source) reject(why capture.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse(why)
}

// loseInKernel counts n datagrams that the kernel dropped since a time.
func (s *Source) loseInKernel(n uint64, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Kernel.Add(n)
	s.lost.add(n, since)
}

// Addrs returns the addresses of s in the order of Config.Listen, with the ports that the kernel chose for port 0.
func (s *Source) Addrs() []net.Addr { return s.addrs }

// Next waits for the next packet. It returns io.EOF after Close, and the error of a socket that failed. If no packet
// comes for capture.IdleEvery it returns a bare one.
func (s *Source) Next() (p capture.Packet, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.release()
	if s.queue.waiting() == 0 && s.over == nil && !s.wait(capture.IdleEvery) {
		s.mark = now()
		return capture.Packet{Time: s.mark.Add(-arrivalSlack), Point: s.Name, Origin: capture.HEP}, nil
	}
	if s.queue.waiting() == 0 {
		return p, s.over
	}
	s.returned()
	p, s.mark = s.queue.take()
	return p, nil
}

// wait waits for a packet or the end of s, and returns false if neither comes within limit. It releases s.mu meanwhile.
func (s *Source) wait(limit time.Duration) bool {
	expired := false
	timer := time.AfterFunc(limit, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		expired = true
		s.ready.Broadcast()
	})
	defer timer.Stop()
	for s.queue.waiting() == 0 && s.over == nil {
		if expired {
			return false
		}
		s.ready.Wait()
	}
	return true
}

// arrivalSlack is how much older than its arrival a packet may be without being late: the delay of a sender and the
// network.
const arrivalSlack = 200 * time.Millisecond

// Watermark implements capture.Watermarked: it is the arrival of the last packet, or the wall clock when none waited,
// less 200 ms.
func (s *Source) Watermark() (t time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mark.Add(-arrivalSlack), s.over == nil
}

// returned counts a packet that Next returns. A packet is counted as seen here or in refuse, when its fate is settled,
// so that at any time those seen are those returned and those refused.
func (s *Source) returned() {
	s.counts.Seen.Add(1)
	s.counts.Pass()
}

// refuse counts a packet that goes no further.
func (s *Source) refuse(why capture.Reason) {
	s.counts.Seen.Add(1)
	s.counts.Refuse(why)
}

// take queues the message in b, a HEP packet that d decodes, or counts why not. It reports whether the length of b was
// sound, so that the next packet of a stream begins behind it.
func (s *Source) take(d *decoder, b []byte, arrival time.Time) (sound bool) {
	var m mirrored
	why, ok := d.decode(b, &m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok {
		why, ok = s.admit(&m, arrival)
	}
	switch {
	case ok:
		s.ready.Signal()
		return true
	case why == capture.HEPType:
		s.stats.Kinds[kindName(m.kind)]++
	}
	s.refuse(why)
	return m.framed
}

// admit queues the message of m.
func (s *Source) admit(m *mirrored, arrival time.Time) (capture.Reason, bool) {
	s.stats.agent(m.agent)
	p := capture.Packet{Time: s.stamp(m, arrival), Arrived: arrival, Flow: m.flow(), Point: s.Name, Origin: capture.HEP,
		Mirrored: true, Cut: m.cut, Payload: m.payload, Correlation: m.correlation, Missed: s.lost.frames,
		MissedSince: s.lost.since}
	s.stats.odd(m)
	if !s.queue.put(&p, arrival) {
		s.lost.add(1, s.last)
		return capture.QueueFull, refuse
	}
	s.lost, s.last = lost{}, p.Time
	return 0, pass
}

// stamp returns the packet time of m: the sender's stamp, or the arrival without one or for one that is too far from
// it.
func (s *Source) stamp(m *mirrored, arrival time.Time) time.Time {
	switch {
	case m.stamp.IsZero():
		return arrival
	case m.stamp.Sub(arrival).Abs() > s.Skew:
		s.stats.Skewed++
		return arrival
	}
	return m.stamp
}

// Drops returns what has been counted so far. What waits for Next is not in it yet.
func (s *Source) Drops() capture.Drops {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts.Drops()
}

// Stats returns what has been counted beside the Drops.
func (s *Source) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.clone(s.queue.waiting())
}

// fail ends s with the error of a socket.
func (s *Source) fail(err error) {
	s.shut()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over == nil {
		s.over = fmt.Errorf("hep: %w", err)
	}
	s.ready.Broadcast()
}

// shut closes every socket, which ends its goroutine.
func (s *Source) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.closing = true
		close(s.stop)
	}
	for c := range s.open {
		_ = c.Close() // nothing was written that could get lost
	}
	clear(s.open)
}

// Close makes Next return io.EOF once it has returned what is queued, and may be called again. It returns when every
// goroutine that reads a socket has ended.
func (s *Source) Close() error {
	s.shut()
	s.work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over == nil {
		s.over = io.EOF
	}
	s.ready.Broadcast()
	return nil
}

// allowed reports whether a sender with that address may send.
func (s *Source) allowed(sender netip.Addr) bool {
	sender = sender.Unmap().WithZone("")
	for _, p := range s.Allow {
		if p.Contains(sender) {
			return true
		}
	}
	return len(s.Allow) == 0
}

// now is the time of the wall clock.
func now() time.Time { return wall(time.Now()) }

// wall returns t in UTC and without its monotonic reading.
func wall(t time.Time) time.Time { return t.UTC().Round(0) }
