package collector

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/bus"
)

// natsServer starts a NATS server on loopback, and returns its URL.
func natsServer(t testing.TB) string {
	t.Helper()
	srv, err := server.NewServer(&server.Options{JetStream: true, StoreDir: t.TempDir(), Host: "127.0.0.1",
		Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(patience) {
		t.Fatal("the NATS server does not start")
	}
	return srv.ClientURL()
}

// plan names a stream for each purpose.
func (b *bench) plan() (p bus.Plan) {
	for _, name := range b.names() {
		p.Streams = append(p.Streams, bus.StreamConfig{Purpose: name})
	}
	return p
}

// eventually waits until so is true.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s: it does not come", what)
		}
	}
}

// A lockedBuffer takes log lines of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestAStreamThatIsDeletedHoldsBackItsPurposeOnly deletes a stream of a NATS server while excerpts are put, and makes it
// again.
func TestAStreamThatIsDeletedHoldsBackItsPurposeOnly(t *testing.T) {
	t.Parallel()
	url := natsServer(t)
	spool, err := bus.Connect(bus.Remote{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = spool.Close() }()
	if err := spool.Reach(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, log := newBench(t), new(lockedBuffer)
	if err := spool.Arrange(t.Context(), b.plan()); err != nil {
		t.Fatal(err)
	}
	path := b.withLog(t)
	for _, l := range b.lanes.all {
		l.publisher.sink = spool.Publisher()
		l.publisher.log = slog.New(slog.NewTextHandler(log, nil)).With("purpose", l.purpose.Name)
	}
	b.run(t.Context())
	b.live(1)
	all := func(but string) bool {
		for name, x := range b.ledgerOf(t) {
			if name != but && (x.Acknowledged+x.Waiting != x.Made || name == "billing" && x.Made == 0) {
				return false
			}
		}
		return true
	}
	eventually(t, "everything is put", func() bool { return all("") })
	client, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	streams, err := jetstream.New(client)
	if err == nil {
		err = streams.DeleteStream(t.Context(), store.StreamName("fraud"))
	}
	if err != nil {
		t.Fatal(err)
	}
	put := b.ledgerOf(t)["billing"].Made
	for i := range b.ofWire { // other records than before
		b.ofWire[i].Revision += 100
	}
	b.saveCalls(b.ofWire, map[int][]byte{1: []byte("up")})
	const want = "CPNI_FRAUD takes nothing: missing"
	eventually(t, "fraud stands still", func() bool {
		s := b.Standstills()
		return len(s) == 1 && s[0].String() == want
	})
	eventually(t, "all other is put", func() bool { return all("fraud") && b.ledgerOf(t)["billing"].Made > put })
	eventually(t, "the call is in the log", func() bool { return inLog(t, path)[callName(1)] == "up" })
	if text := log.String(); !strings.Contains(text, "purpose=fraud") || strings.Contains(text, "purpose=billing") ||
		!strings.Contains(text, "cause=missing") {
		t.Errorf("log = %q, want a line of fraud alone", text)
	}
	if err := spool.Arrange(t.Context(), b.plan()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "fraud is put", func() bool { return all("") && len(b.Standstills()) == 0 })
	b.Close()
	if err := errors.Join(<-b.ended, b.config.Checkpoints.Close()); err != nil {
		t.Error(err)
	}
	if x := b.ledgerOf(t)["fraud"]; x.Suppressed.Total() != 0 || x.Acknowledged == 0 {
		t.Errorf("fraud = %+v, want all put", x)
	}
}
