package bus

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A proxy forwards TCP connections on loopback to a server, each byte a fixed time later. While it is cut it closes what
// it has and what comes.
type proxy struct {
	listener net.Listener
	delay    atomic.Int64 // one way, nanoseconds

	mu     sync.Mutex
	target string // host:port; "" while it is cut
	open   map[net.Conn]bool
}

// newProxy listens until the test ends.
func newProxy(t testing.TB, target string, delay time.Duration) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, open: map[net.Conn]bool{}}
	p.delay.Store(int64(delay))
	t.Cleanup(func() { _ = l.Close(); p.set("") })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.forward(c)
		}
	}()
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

// set has p forward to target from now on, and ends the connections it has.
func (p *proxy) set(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	for c := range p.open {
		_ = c.Close()
	}
	clear(p.open)
}

// forward starts to copy between c and the target.
func (p *proxy) forward(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.target == "" {
		_ = c.Close()
		return
	}
	to, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = c.Close()
		return
	}
	p.open[c], p.open[to] = true, true
	go p.copy(c, to)
	go p.copy(to, c)
}

// copy writes to dst what it reads from src, delay later.
func (p *proxy) copy(dst, src net.Conn) {
	type chunk struct {
		due  time.Time
		data []byte
	}
	chunks := make(chan chunk, 10000)
	go func() {
		defer close(chunks)
		for {
			data := make([]byte, 64<<10)
			n, err := src.Read(data)
			if n > 0 {
				chunks <- chunk{time.Now().Add(time.Duration(p.delay.Load())), data[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		time.Sleep(time.Until(c.due))
		if _, err := dst.Write(c.data); err != nil {
			break
		}
	}
	_ = dst.Close()
	_ = src.Close()
	for range chunks {
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, src)
	delete(p.open, dst)
}
