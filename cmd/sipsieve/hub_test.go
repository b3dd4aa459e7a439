package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/store"
	"sipsieve/store/bus"
)

// arrange makes the streams on the server at url that the policy of s asks for, but for those of these purposes.
func (s *site) arrange(t *testing.T, r bus.Remote, but ...string) {
	t.Helper()
	b := connectTo(t, r)
	var plan bus.Plan
	for _, p := range s.setup(t).Purposes {
		if len(but) == 0 || p.Name != but[0] {
			plan.Streams = append(plan.Streams, bus.StreamConfig{Purpose: p.Name})
		}
	}
	if err := b.Arrange(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
}

// connectTo returns a connection to the server of r, which is there.
func connectTo(t *testing.T, r bus.Remote) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(r)
	if err == nil {
		err = b.Reach(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
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

// changes replaces a text in the configuration of s, which must have it.
func (s *site) changes(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(text), from, to, 1)
	if with == string(text) {
		t.Fatalf("no %q in\n%s", from, text)
	}
	if err := os.WriteFile(s.config, []byte(with), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pushesTo has the configuration of s name the hub at url.
func (s *site) pushesTo(t *testing.T, url string) {
	t.Helper()
	s.changes(t, "[bus]\n", fmt.Sprintf("[hub]\nurl = %q\n[bus]\n", url))
}

// readsNothingMore puts a feed without senders in the place of the capture.
func (s *site) readsNothingMore(t *testing.T) {
	t.Helper()
	s.changes(t, "type = \"file\"", "type = \"hep\"\ninsecure = true\nlisten = [\"udp://127.0.0.1:0\"]")
	s.changes(t, fmt.Sprintf("path = %q\nspeed = 0\n", s.capture), "")
}

// storageHost returns a host that keeps what the hub of s has.
func (s *site) storageHost(t *testing.T) *site {
	t.Helper()
	h := &site{dir: t.TempDir()}
	h.config = filepath.Join(h.dir, "sipsieve.toml")
	one := s.setup(t)
	text := fmt.Sprintf("site = \"there\"\nsensor = \"storage-1\"\nstate = %q\npolicy = %q\n[keys]\ndemo = true\n[hub]\nurl = %q\n"+
		"[store]\ntype = \"sqlite\"\n[http]\nlisten = \"\"\n", filepath.Join(h.dir, "state"), one.Rules.File, one.Hub.URL)
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

// A pushed is a message of a stream on the hub.
type pushed struct{ seq, spool, body string }

// hubStream returns all messages of the stream of billing on the server, in their order.
func hubStream(t *testing.T, srv *server.Server) (list []pushed) {
	t.Helper()
	conn, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), store.StreamName("billing"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range stream.CachedInfo().State.LastSeq {
		m, err := stream.GetMsg(t.Context(), i+1)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, pushed{m.Header.Get("Sieve-Seq"), m.Header.Get("Sieve-Spool"), string(m.Data)})
	}
	return list
}

// numbered has the list be the spool's messages 1, 2, 3 … of one spool, each once and in their order.
func numbered(t *testing.T, list []pushed) {
	t.Helper()
	for i, m := range list {
		if m.seq != fmt.Sprint(i+1) || m.spool != list[0].spool || m.spool == "" {
			t.Fatalf("message %d of the hub is number %s of spool %s, want %d of %s", i+1, m.seq, m.spool, i+1, list[0].spool)
		}
	}
}

// keeper returns how far the billing excerpts of s are to a place.
func (s *site) keeper(t *testing.T, place string) daemon.KeeperStatus {
	t.Helper()
	for _, one := range s.status(t).Bus {
		if one.Purpose == "billing" {
			return one.Keepers[place]
		}
	}
	t.Fatal("no stream of billing in the status")
	return daemon.KeeperStatus{}
}

// atHub waits until the hub has all that the spool of s has of billing.
func (s *site) atHub(t *testing.T) {
	t.Helper()
	until(t, "the last excerpt at the hub", func() bool {
		k := s.keeper(t, daemon.PlaceHub)
		return k.Behind == 0 && k.Cause == ""
	})
}

// TestNothingIsLostWhileTheHubIsAway has the hub away from the start, over a stop and a kill, and reads it by a storage
// host when it has come.
func TestNothingIsLostWhileTheHubIsAway(t *testing.T) {
	t.Parallel()
	s, h := newSite(t, 60), newHub(t)
	s.configure(t, 0)
	want := s.replayed(t)
	s.pushesTo(t, h.url())
	n := uint64(len(want))

	p := s.start(t)
	p.await(t, len(want))
	s.awaitStored(t, len(want)) // what is away holds up nothing else
	until(t, "the lag", func() bool {
		k := s.keeper(t, daemon.PlaceHub)
		return k.Behind == n && k.Oldest > 0 && k.Cause == "unavailable" && k.Since != "" && k.Why != ""
	})
	report := s.status(t)
	if report.Hub == nil || report.Hub.Connected || report.Hub.Away == "" || report.Hub.Why == "" || len(report.Hub.Servers) != 1 {
		t.Errorf("hub = %+v, want that it is away, since when and why", report.Hub)
	}
	if why := strings.Join(report.Why, "\n"); report.Ready || !strings.HasPrefix(why, "the hub is away since ") || len(report.Why) != 1 {
		t.Errorf("not ready for %q, want that the hub is away", why)
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	logs(t, p, map[string]int{"hub away, excerpts wait for it": 1, "msg=\"excerpts wait\"": 0, "stop: excerpts wait until": 1})

	s.readsNothingMore(t)
	p = s.start(t)
	s.up(t)
	if k := s.keeper(t, daemon.PlaceHub); k.Behind != n {
		t.Errorf("after the stop: behind = %d, want %d", k.Behind, n)
	}
	p.stop(t, syscall.SIGKILL)

	p = s.start(t)
	s.up(t)
	h.up(t)
	s.arrange(t, bus.Remote{URL: h.url()})
	s.atHub(t)
	s.awaits(t, "")
	list := hubStream(t, h.now)
	if numbered(t, list); len(list) != len(want) {
		t.Errorf("%d messages at the hub, want %d", len(list), len(want))
	}

	storage := s.storageHost(t)
	q := storage.start(t)
	storage.awaitStored(t, len(want))
	same(t, storage.stored(t), want)
	if k := storage.keeper(t, daemon.PlaceStore); k.Behind != 0 {
		t.Errorf("the storage host is %d behind, want 0", k.Behind)
	}
	for _, one := range []*process{p, q} {
		if code := one.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code = %d, want 0\n%s", code, one.stderr.String())
		}
	}
	same(t, storage.stored(t), want)
}

// TestAHubThatComesAndGoesUnderLoadGetsEverything stops the hub and the daemon again and again while a file is read.
func TestAHubThatComesAndGoesUnderLoadGetsEverything(t *testing.T) {
	t.Parallel()
	calls, rounds := 120, 2
	if os.Getenv("SIPSIEVE_FULL") != "" {
		calls, rounds = 3000, 12
	}
	s, h := newSite(t, calls), newHub(t)
	want := s.replayed0(t)
	s.pushesTo(t, h.url())
	h.up(t)
	s.arrange(t, bus.Remote{URL: h.url()})
	part := len(want) / 4
	for i := range rounds {
		p := s.start(t)
		p.await(t, part)
		h.down()
		p.await(t, part)
		p.stop(t, []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[i%2])
		p = s.start(t)
		p.await(t, part)
		h.up(t)
		p.await(t, part)
		p.stop(t, []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[i%2])
	}
	p := s.start(t)
	p.await(t, len(want))
	s.atHub(t)
	storage := s.storageHost(t)
	q := storage.start(t)
	storage.up(t)
	until(t, "the last record in the store", func() bool {
		return storage.status(t).Records["billing"] == len(want) && storage.keeper(t, daemon.PlaceStore).Behind == 0
	})
	same(t, storage.stored(t), want)
	for _, one := range []*process{p, q} {
		if code := one.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code = %d, want 0\n%s", code, one.stderr.String())
		}
	}
}

// TestAStateFolderHasOneDaemon starts a second daemon beside one.
func TestAStateFolderHasOneDaemon(t *testing.T) {
	s := newSite(t, 1)
	s.configure(t, 0)
	silent := daemon.Options{Log: slog.New(slog.DiscardHandler)}
	one := s.setup(t)
	d, err := daemon.New(t.Context(), one, silent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.New(t.Context(), one, silent); !strings.Contains(fmt.Sprint(err), store.ErrOwned.Error()) {
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

// checked runs check on the configuration of s.
func (s *site) checked(t *testing.T) (code int, text string) {
	t.Helper()
	var out, complaints bytes.Buffer
	code = execute(t.Context(), []string{"check", "--config", s.config}, &out, &complaints)
	return code, complaints.String()
}

// TestAStreamThatTheHubHasNotHoldsUpItsPurposeOnly has a hub that is away, then without the stream of billing, then whole.
func TestAStreamThatTheHubHasNotHoldsUpItsPurposeOnly(t *testing.T) {
	t.Parallel()
	s, h := newSite(t, 10), newHub(t)
	s.configure(t, 0)
	s.pushesTo(t, h.url())
	address := h.listener.Addr().String()
	if code, text := s.checked(t); code != exitFindings || !strings.Contains(text, ": hub.url: "+address) {
		t.Errorf("check = %d, %s\nwant the address of the hub", code, text)
	}
	h.up(t)
	s.arrange(t, bus.Remote{URL: h.url()}, "billing")
	const missing = "hub.url: the hub has no stream CPNI_BILLING, which takes cpni.v1.billing.>"
	if code, text := s.checked(t); code != exitFindings || !strings.Contains(text, missing) ||
		!strings.Contains(text, "sipsieve bus apply") || strings.Count(text, "\n") != 1 {
		t.Errorf("check = %d, %s\nwant the stream of billing and no other", code, text)
	}
	p := s.start(t)
	s.awaitStored(t, len(s.replayed(t)))
	s.awaits(t, "CPNI_BILLING: the hub takes nothing: missing")
	cause := func() (cause string) { // as it was logged last
		for _, one := range s.status(t).Bus {
			if one.Purpose == "billing" {
				cause = one.Keepers[daemon.PlaceHub].Cause
			}
		}
		return cause
	}
	until(t, "the log", func() bool { return cause() == "missing" })
	until(t, "the other purposes", func() bool {
		others := 0
		for _, one := range s.status(t).Bus {
			if k := one.Keepers[daemon.PlaceHub]; one.Purpose != "billing" && one.Messages > 0 && k.Behind == 0 {
				others++
			}
		}
		return others > 0
	})
	s.arrange(t, bus.Remote{URL: h.url()})
	s.atHub(t)
	s.awaits(t, "")
	until(t, "the log", func() bool { return cause() == "" })
	if code, text := s.checked(t); code != exitFine {
		t.Errorf("check = %d, %s\nwant that it is fine", code, text)
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d, want 0\n%s", code, p.stderr.String())
	}
	logs(t, p, map[string]int{"to=hub stream=CPNI_BILLING cause=missing": 1, "excerpts are taken again": 1})
}
