package bus

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// listening starts a server and returns how to reach it as its own process does; a later one takes that user over.
func listening(t *testing.T, c Config, as ...Remote) (*Bus, Remote, string) {
	t.Helper()
	opts, access, err := c.options()
	if err != nil {
		t.Fatal(err)
	}
	if len(as) > 0 {
		opts.Users[0].Username, opts.Users[0].Password = as[0].User, as[0].Password
	}
	release, err := store.Own(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := start(opts, release)
	if err != nil {
		t.Fatal(err)
	}
	b.access = access
	if err := b.Arrange(t.Context(), c.Plan); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(b.server.Server().ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	me := Remote{URL: b.server.Server().ClientURL(), User: opts.Users[0].Username, Password: opts.Users[0].Password}
	return b, me, u.Port()
}

func TestNothingListensUnlessAsked(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	if addr := b.server.Server().Addr(); addr != nil {
		t.Errorf("listens on %v, want nowhere", addr)
	}
	if _, ok := b.Access("billing"); ok {
		t.Error("access to a server that listens nowhere")
	}
}

func TestListenIsOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:0", ":4222", "localhost:0", "192.0.2.1:4222", "127.0.0.1", "127.0.0.1:x",
		"127.0.0.1:70000"} {
		c := config(t.TempDir(), 0, "billing")
		c.Listen = listen
		if b, err := Embedded(t.Context(), c); err == nil {
			t.Errorf("listen %q: want an error", listen)
			_ = b.Close()
		}
	}
}

func TestOneServerOwnsTheDirectory(t *testing.T) {
	t.Parallel()
	c := config(t.TempDir(), 0, "billing")
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Embedded(t.Context(), c); !errors.Is(err, store.ErrOwned) {
		t.Errorf("error = %v, want ErrOwned", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err = Embedded(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestStreamsAreAsThePlanSays(t *testing.T) {
	t.Parallel()
	b, err := Embedded(t.Context(), Config{Dir: t.TempDir(), Plan: Plan{DiskLimit: 64 << 20, Streams: []StreamConfig{
		{Purpose: "billing", Priority: 1, Retain: 48 * time.Hour}, {Purpose: "fraud", Priority: 5},
		{Purpose: "ops-x", Priority: 5},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	share := int64(64<<20) / 8 // 1 + 1/5 + 1/5 + OPS 1/5 is 8 fifths
	for name, want := range map[string]struct {
		bytes    int64
		age      time.Duration
		subjects string
	}{
		"CPNI_BILLING": {5 * share, 48 * time.Hour, "[cpni.v1.billing.> aggregate.v1.billing.>]"},
		"CPNI_FRAUD":   {share, 72 * time.Hour, "[cpni.v1.fraud.> aggregate.v1.fraud.>]"},
		"CPNI_OPS-X":   {share, 72 * time.Hour, "[cpni.v1.ops-x.> aggregate.v1.ops-x.>]"},
		"OPS":          {share, 0, "[ops.v1.>]"},
	} {
		s, err := b.stream.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		got := s.CachedInfo().Config
		if got.MaxBytes < want.bytes-1 || got.MaxBytes > want.bytes || got.MaxAge != want.age ||
			fmt.Sprint(got.Subjects) != want.subjects {
			t.Errorf("%s: %d bytes, %v, %v, want %+v", name, got.MaxBytes, got.MaxAge, got.Subjects, want)
		}
		if got.Discard != jetstream.DiscardNew || got.Storage != jetstream.FileStorage || got.Replicas != 1 ||
			got.Duplicates != 2*time.Minute || !got.AllowAtomicPublish {
			t.Errorf("%s: %+v, want file, one replica, discard new, 2 minutes, batches", name, got)
		}
	}
	if opts := b.server.Server().JetStreamConfig(); !opts.SyncAlways {
		t.Error("sync always = false, want true")
	}
}

func TestTheStreamOPSHasADiskLimitOfItsOwn(t *testing.T) {
	t.Parallel()
	p := Plan{DiskLimit: 64 << 20, OpsLimit: 1 << 20, Streams: []StreamConfig{{Purpose: "billing"}}}
	if room := p.Room("billing"); room != 64<<20 {
		t.Errorf("room of billing = %d, want all of the disk", room)
	}
	b, err := Embedded(t.Context(), Config{Dir: t.TempDir(), Plan: p})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	s, err := b.stream.Stream(t.Context(), "OPS")
	if err != nil {
		t.Fatal(err)
	}
	if c := s.CachedInfo().Config; c.MaxBytes != 1<<20 || c.MaxAge != 0 {
		t.Errorf("OPS: %d bytes, %v, want 1 MiB and no age", c.MaxBytes, c.MaxAge)
	}
}

func TestArrangingAgainKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	c := config(t.TempDir(), 32<<20, "billing")
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	publish(t, b, 0, 2000)
	if err := b.Arrange(t.Context(), c.Plan); err != nil {
		t.Fatal(err)
	}
	smaller := config("", 1<<17, "fraud", "billing").Plan
	if err := b.Arrange(t.Context(), smaller); err != nil {
		t.Fatal(err)
	}
	if n := messages(t, b); n != 2000 {
		t.Errorf("messages in a stream made too small for them = %d, want 2000", n)
	}
	if err := b.Publisher().Put(t.Context(), calls(t, "billing", 2000, 2001)); !errors.Is(err, store.ErrFull) {
		t.Errorf("error = %v, want ErrFull", err)
	}
	if err := b.Publisher().Put(t.Context(), calls(t, "fraud", 0, 1)); err != nil {
		t.Error(err)
	}
}

func TestAPlanWithMistakesIsRefusedWhole(t *testing.T) {
	t.Parallel()
	p := Plan{DiskLimit: -1, Streams: []StreamConfig{
		{Purpose: "a"}, {Purpose: "a"}, {Purpose: "A.b"}, {Purpose: "c", Priority: -1},
	}}
	err := p.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 3 || !errors.Is(err, store.ErrName) {
		t.Errorf("error = %v, want all four mistakes", err)
	}
	if _, err := Embedded(t.Context(), Config{Dir: t.TempDir(), Plan: p}); err == nil {
		t.Error("want an error")
	}
}

// read starts a server with 30 calls of billing, which a durable consumer has confirmed, and connects as a reader of it.
func read(t *testing.T) (b, reader *Bus) {
	t.Helper()
	c := config(t.TempDir(), 0, "billing", "fraud")
	c.Listen = "127.0.0.1:0"
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	publish(t, b, 0, 30)
	into := newMemory()
	stop := running(t, b.Consumer("billing", "store"), into)
	await(t, into, "all confirmed", func() bool { return confirmed(t, b, "store") })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	access, ok := b.Access("billing")
	if !ok {
		t.Fatal("no access to billing")
	}
	if reader, err = Connect(access.Remote()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	reach(t, reader)
	return b, reader
}

func TestTailSeesOnePurposeOnly(t *testing.T) {
	t.Parallel()
	_, reader := read(t)
	n := 0
	for x, err := range reader.Tail(t.Context(), "billing", true) {
		if err != nil {
			t.Fatal(err)
		}
		if x.ID != call(t, "billing", "s1", n).ID {
			t.Fatalf("excerpt %d is another call's", n)
		}
		if n++; n == 30 {
			break
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for _, err := range reader.Tail(ctx, "fraud", true) {
			if err == nil {
				t.Error("an excerpt of another purpose")
			}
		}
	}()
	await(t, newMemory(), "the refusal of the other purpose", func() bool {
		return reader.Traffic().ServerErrors > 0 && errors.Is(reader.LastServerError(), nats.ErrPermissionViolation)
	})
	stop()
	<-ended
}

func TestAReaderPublishesAndDeletesNothing(t *testing.T) {
	t.Parallel()
	b, reader := read(t)
	denied, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := reader.stream.DeleteConsumer(denied, "CPNI_BILLING", "store"); err == nil || !confirmed(t, b, "store") {
		t.Errorf("delete the store's consumer: error = %v, want one, and that it is still there", err)
	}
	if err := reader.conn.Publish("cpni.v1.billing.call.dfw1", []byte("forged")); err != nil {
		t.Fatal(err)
	}
	if err := reader.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := messages(t, b); n != 30 {
		t.Errorf("messages = %d, want 30", n)
	}
}

func TestAccessDoesNotShow(t *testing.T) {
	t.Parallel()
	access := Access{URL: "nats://127.0.0.1:4222", User: "tail_billing", Password: "opensesame"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if out := fmt.Sprintf(verb, access); strings.Contains(out, access.Password) {
			t.Errorf("%s shows the password", verb)
		}
	}
}

func TestStrangersAreNotLetIn(t *testing.T) {
	t.Parallel()
	c := config(t.TempDir(), 0, "billing")
	c.Listen = "127.0.0.1:0"
	b, _, port := listening(t, c)
	defer b.Close()
	for _, r := range []Remote{{}, {User: "tail_billing", Password: "guess"}, {User: "sipsieve"}} {
		r.URL = "nats://127.0.0.1:" + port
		awaitAway(t, connect(t, r), "no authorisation", func(err error) bool { return errors.Is(err, nats.ErrAuthorization) })
	}
}

func TestTailFollowsFromNow(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	publish(t, b, 0, 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan policy.Excerpt)
	done := make(chan error, 1)
	go func() {
		for x, err := range b.Tail(ctx, "billing", false) {
			if err != nil {
				done <- err
				return
			}
			seen <- x
		}
		done <- nil
	}()
	await(t, newMemory(), "the reader's consumer", func() bool { return ephemerals(t, b) == 1 })
	publish(t, b, 10, 12)
	for n := 10; n < 12; n++ {
		if x := <-seen; x.ID != call(t, "billing", "s1", n).ID {
			t.Errorf("excerpt = %s, want call %d", x.ID, n)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("error at the end = %v, want none", err)
	}
	await(t, newMemory(), "that nothing is left", func() bool { return ephemerals(t, b) == 0 })
}

// ephemerals returns how many consumers billing has.
func ephemerals(t *testing.T, b *Bus) (n int) {
	t.Helper()
	s, err := b.stream.Stream(t.Context(), "CPNI_BILLING")
	if err != nil {
		t.Fatal(err)
	}
	for range s.ListConsumers(t.Context()).Info() {
		n++
	}
	return n
}

func TestTailTellsForeignPayloadsAndGoesOn(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	if _, err := b.stream.Publish(t.Context(), "cpni.v1.billing.call.x", []byte("not ours")); err != nil {
		t.Fatal(err)
	}
	publish(t, b, 0, 1)
	var errs []error
	for _, err := range b.Tail(t.Context(), "billing", true) {
		if errs = append(errs, err); len(errs) == 2 {
			break
		}
	}
	if !errors.Is(errs[0], policy.ErrForeign) || errs[1] != nil {
		t.Errorf("errors = %v, want ErrForeign and then none", errs)
	}
}
