package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/daemon"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"sipsieve/store"
	"sipsieve/store/bus"
)

// natsServer starts a NATS server of its own, on loopback, and returns it with its URL.
func natsServer(t *testing.T) (*server.Server, string) {
	t.Helper()
	return natsServerAt(t, t.TempDir(), server.RANDOM_PORT)
}

func natsServerAt(t *testing.T, dir string, port int) (*server.Server, string) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{JetStream: true, StoreDir: dir, Host: "127.0.0.1", Port: port,
		NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(patience) {
		t.Fatal("the NATS server does not start")
	}
	return srv, srv.ClientURL()
}

// arrange makes the streams that the policy of s asks for.
func (s *site) arrange(t *testing.T, url string) {
	t.Helper()
	b, err := bus.Connect(bus.Remote{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	if err := b.Reach(t.Context()); err != nil {
		t.Fatal(err)
	}
	var plan bus.Plan
	for _, p := range s.setup(t).Purposes {
		plan.Streams = append(plan.Streams, bus.StreamConfig{Purpose: p.Name})
	}
	if err := b.Arrange(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
}

// setup reads the configuration of s.
func (s *site) setup(t *testing.T) *config.Setup {
	t.Helper()
	c, err := config.Load(s.config)
	if err != nil {
		t.Fatal(err)
	}
	one, err := config.Resolve(c)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

// busAt has the configuration of s name the NATS server at url.
func (s *site) busAt(t *testing.T, url string) {
	t.Helper()
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(text), "[bus]\n", fmt.Sprintf("[bus]\nurl = %q\n", url), 1)
	if err := os.WriteFile(s.config, []byte(with), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestABusElsewhereIsPutToAndKeptFrom has a NATS server beside the daemon.
func TestABusElsewhereIsPutToAndKeptFrom(t *testing.T) {
	t.Parallel()
	s := newSite(t, 100)
	s.configure(t, 0)
	want := s.replayed(t)
	_, url := natsServer(t)
	s.busAt(t, url)
	s.arrange(t, url)
	p := s.start(t)
	p.await(t, len(want))
	s.awaitStored(t, len(want))
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	same(t, s.stored(t), want)
}

// TestAStopDoesNotWaitForABusThatIsGone stops a daemon whose NATS server has gone for good.
func TestAStopDoesNotWaitForABusThatIsGone(t *testing.T) {
	s := newSite(t, 100)
	s.configure(t, 0)
	srv, url := natsServer(t)
	s.busAt(t, url)
	s.arrange(t, url)
	d, err := daemon.New(t.Context(), s.setup(t), daemon.Options{Log: slog.New(slog.DiscardHandler), Patience: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	srv.Shutdown()
	srv.WaitForShutdown()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	for limit := time.Now().Add(patience); d.Ledger().Excerpts["billing"].Made == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("no excerpts: the test shows nothing")
		}
	}
	stop()
	select {
	case err = <-ended:
	case <-time.After(patience):
		t.Fatal("the daemon waits for the bus")
	}
	l := d.Ledger()
	if x := l.Excerpts["billing"]; x.Suppressed["unavailable"] == 0 || x.Pending != 0 {
		t.Errorf("billing = %+v, want none pending and some given up", x)
	}
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error = %v, want that the bus is unavailable", err)
	}
	if err := l.Balance(false); err != nil {
		t.Error(err)
	}
}

// TestAStateFolderHasOneDaemon starts a second daemon beside one whose bus is elsewhere.
func TestAStateFolderHasOneDaemon(t *testing.T) {
	s := newSite(t, 1)
	s.configure(t, 0)
	_, url := natsServer(t)
	s.busAt(t, url)
	s.arrange(t, url)
	silent := daemon.Options{Log: slog.New(slog.DiscardHandler)}
	one := s.setup(t)
	one.Store = nil
	d, err := daemon.New(t.Context(), one, silent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.New(t.Context(), one, silent); !errors.Is(err, store.ErrOwned) {
		t.Errorf("the second = %v, want that the folder is in use", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	d, err = daemon.New(t.Context(), one, silent)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// TestStreamsThatAServerWantsAreNamed checks a server that nobody has arranged, and asks a daemon that puts there.
func TestStreamsThatAServerWantsAreNamed(t *testing.T) {
	t.Parallel()
	s := newSite(t, 10)
	s.configure(t, 0)
	_, url := natsServer(t)
	s.busAt(t, url)
	check := func() (code int, said string) {
		var out, complaints bytes.Buffer
		code = execute(t.Context(), []string{"check", "--config", s.config}, &out, &complaints)
		return code, complaints.String()
	}
	const wanted = "wants a stream CPNI_BILLING for cpni.v1.billing.>"
	if code, said := check(); code != exitUsage || !strings.Contains(said, wanted) {
		t.Errorf("check = %d, %s\nwant the stream by its name", code, said)
	}
	p := s.start(t)
	s.up(t)
	for limit := time.Now().Add(patience); !slices.Contains(s.status(t).Why, "the bus takes nothing"); {
		if time.Now().After(limit) {
			t.Fatalf("why = %q, want that the bus takes nothing", s.status(t).Why)
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.arrange(t, url)
	s.awaitStored(t, len(s.replayed(t)))
	if code := p.stop(t, syscall.SIGTERM); code != 0 || !strings.Contains(p.stderr.String(), "CPNI_BILLING") {
		t.Errorf("exit code = %d, want 0 and the stream named\n%s", code, p.stderr.String())
	}
	if code, said := check(); code != exitFine {
		t.Errorf("check = %d, %s\nwant that it is fine", code, said)
	}
}

// TestADaemonWaitsForABusThatComesUpLater starts it before its NATS server.
func TestADaemonWaitsForABusThatComesUpLater(t *testing.T) {
	t.Parallel()
	s := newSite(t, 10)
	s.configure(t, 0)
	want := s.replayed(t)
	port := freePort(t)
	first, url := natsServerAt(t, t.TempDir(), port)
	s.busAt(t, url)
	s.arrange(t, url)
	dir := first.StoreDir()
	first.Shutdown()
	first.WaitForShutdown()
	early, stop := context.WithTimeout(t.Context(), 400*time.Millisecond) // several attempts
	defer stop()
	var log bytes.Buffer
	if err := run(early, s.config, io.Discard, &log); err != nil {
		t.Errorf("stopped while it waits = %v, want nil", err)
	}
	if n := strings.Count(log.String(), "waiting for it"); n != 1 {
		t.Errorf("it is said %d times that the bus is away, want once:\n%s", n, log.String())
	}
	p := s.start(t)
	natsServerAt(t, filepath.Dir(dir), port)
	p.await(t, len(want))
	s.awaitStored(t, len(want))
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
}
