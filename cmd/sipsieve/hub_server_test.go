package main

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// natsServer starts a NATS server of its own on loopback; change may alter its settings.
func natsServer(t *testing.T, dir string, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{JetStream: true, StoreDir: dir, Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true}
	if change != nil {
		change(o)
	}
	srv, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(patience) {
		t.Fatal("the NATS server does not start")
	}
	return srv
}

// A hub is the address of a NATS server that comes and goes. The address stays, so that no other test gets its port.
type hub struct {
	listener net.Listener
	dir      string

	mu    sync.Mutex
	now   *server.Server // nil while it is away
	conns []net.Conn     // of clients and to now
}

// newHub returns a hub that is away.
func newHub(t *testing.T) *hub {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{listener: l, dir: t.TempDir()}
	t.Cleanup(func() { _ = l.Close(); h.cut() })
	go h.serve()
	return h
}

func (h *hub) url() string { return "nats://" + h.listener.Addr().String() }

// up starts the server with what it had before.
func (h *hub) up(t *testing.T) {
	t.Helper()
	srv := natsServer(t, h.dir, nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = srv
}

// down stops the server.
func (h *hub) down() {
	h.mu.Lock()
	srv := h.now
	h.now = nil
	h.mu.Unlock()
	h.cut()
	srv.Shutdown()
	srv.WaitForShutdown()
}

// cut ends all connections.
func (h *hub) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		_ = c.Close()
	}
	h.conns = nil
}

// serve joins each client with the server of its time, and closes the connection if there is none.
func (h *hub) serve() {
	for {
		c, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		var to net.Conn
		if h.now != nil {
			to, _ = net.Dial("tcp", h.now.Addr().String())
		}
		if to == nil {
			_ = c.Close()
		} else {
			h.conns = append(h.conns, c, to)
			go func() { _, _ = io.Copy(to, c); _ = to.Close() }()
			go func() { _, _ = io.Copy(c, to); _ = c.Close() }()
		}
		h.mu.Unlock()
	}
}
