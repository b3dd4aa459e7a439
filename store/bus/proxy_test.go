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
	open   map[*pair]bool
}

// A pair is a connection to a proxy and the one that it is forwarded by.
type pair struct {
	a, b net.Conn
	end  chan struct{}
	once sync.Once
}

func (p *pair) close() {
	p.once.Do(func() {
		close(p.end)
		_ = p.a.Close()
		_ = p.b.Close()
	})
}

// newProxy listens until the test ends.
func newProxy(t testing.TB, target string, delay time.Duration) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, open: map[*pair]bool{}}
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
	for one := range p.open {
		one.close()
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
	one := &pair{a: c, b: to, end: make(chan struct{})}
	p.open[one] = true
	go p.copy(one, c, to)
	go p.copy(one, to, c)
}

// copy writes to dst what it reads from src, delay later, and then ends the pair.
func (p *proxy) copy(one *pair, dst, src net.Conn) {
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
				select {
				case chunks <- chunk{time.Now().Add(time.Duration(p.delay.Load())), data[:n]}:
				case <-one.end:
				}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		select {
		case <-time.After(time.Until(c.due)):
		case <-one.end:
		}
		if _, err := dst.Write(c.data); err != nil {
			break
		}
	}
	one.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, one)
}
