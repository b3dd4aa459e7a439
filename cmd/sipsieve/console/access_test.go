package console

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/daemon"
)

// patience is how long a test waits before it calls a connection stuck.
const patience = 60 * time.Second

func TestARequestIsATicketAndNoNumber(t *testing.T) {
	for request, refused := range map[string]bool{
		"inv-2026-11": false, "ticket-1": false, "OPS_4711": false, "case-2026-11-24-3": false, "a1b2c3d4e5f6a7b8": false,
		"123456": false, "": true, "two words": true, "x'--": true, "2025550100": true, "202-555-0100": true,
		"1_202_555_0100": true, "555-0100": true, "t2025550100": true, "ticket-202-555-0100": true, "+1": true,
		"20-25-55-01-00": true, "2026-13-24": true, strings.Repeat("a", 33): true,
	} {
		err := CheckRequest(request)
		if (err != nil) != refused {
			t.Errorf("%q: error = %v, want refused = %t", request, err, refused)
		}
		if err != nil && len(request) > 5 && strings.Contains(err.Error(), request) {
			t.Errorf("the error quotes the request: %v", err)
		}
	}
}

// TestTheLogBelongsToTheOwnerOfTheFolder: a query of root must not keep the daemon, which is not, from its own log.
func TestTheLogBelongsToTheOwnerOfTheFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	const nobody = 65534
	dir := t.TempDir()
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	r, err := Begin(dir, Access{Verb: "query"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.End(true); err != nil {
		t.Error(err)
	}
	st, err := os.Stat(filepath.Join(dir, AccessFile))
	if err != nil {
		t.Fatal(err)
	}
	if owner := st.Sys().(*syscall.Stat_t).Uid; owner != nobody {
		t.Errorf("owner = %d, want %d", owner, nobody)
	}
}

// TestAStopWaitsForRequestsUnderWay has a request under way at a stop: it is ended, and what it does at its end is done
// when the stop goes on.
func TestAStopWaitsForRequestsUnderWay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &Server{d: &Console{&daemon.Daemon{Options: daemon.Options{Log: slog.New(slog.DiscardHandler)}}}, ctx: ctx, cancel: cancel}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	began := make(chan struct{})
	var ended atomic.Bool
	w.serve(l, newServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		ended.Store(true)
	}), 0))
	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	<-began
	if err := w.Close(); err != nil || !ended.Load() {
		t.Errorf("stop: err = %v, the request has ended: %v", err, ended.Load())
	}
}

// TestTheOldestIdleConnectionMakesRoom has a server of two connections, of which one has a request.
func TestTheOldestIdleConnectionMakesRoom(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /slow", func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-answer })
	mux.HandleFunc("GET /fast", func(http.ResponseWriter, *http.Request) {})
	s := newServer(mux, 0)
	a := &admission{most: 2, since: map[net.Conn]uint64{}}
	s.ConnState = a.note
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	dial := func(request string) net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			_, err = c.Write([]byte(request))
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	answers := func(c net.Conn) bool {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		line, _ := bufio.NewReader(c).ReadString('\n')
		return strings.Contains(line, "200")
	}
	slow := dial("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	<-asked
	idle := dial("GET /fa")
	if !answers(dial("GET /fast HTTP/1.1\r\nHost: a\r\n\r\n")) {
		t.Error("the newest connection has no answer")
	}
	if answers(idle) {
		t.Error("the idle connection is still there")
	}
	close(answer)
	if !answers(slow) {
		t.Error("the connection with a request was closed")
	}
}
