package bus

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/sqlite"
)

// running runs c until stop is called, which returns what Run did.
func running(t *testing.T, c *Consumer, into store.Sink) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, into) }()
	stop = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

// publish puts calls of billing from one number up to, not including, another.
func publish(t testing.TB, b *Bus, from, to int) {
	t.Helper()
	if err := b.Publisher().Put(context.Background(), calls(t, "billing", from, to)); err != nil {
		t.Fatal(err)
	}
}

// confirmed reports whether a consumer of billing has acknowledged all there is.
func confirmed(t testing.TB, b *Bus, name string) bool {
	t.Helper()
	lag, err := b.Lag(context.Background(), "billing")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range lag.Consumers {
		if c.Name == name {
			return c.Pending == 0 && c.Unconfirmed == 0 && c.Confirmed == lag.Last
		}
	}
	return false
}

func TestEveryExcerptIsPutAndConfirmed(t *testing.T) {
	t.Parallel()
	const all = 2*fetchLimit + 200
	b := embedded(t, 0, "billing")
	publish(t, b, 0, all)
	into, c := newMemory(), b.Consumer("billing", "store")
	stop := running(t, c, into)
	await(t, into, "all puts", func() bool { return into.len() == all })
	publish(t, b, all, all+10)
	await(t, into, "ten more and their acks", func() bool { return into.len() == all+10 && confirmed(t, b, "store") })
	if err := stop(); err != nil {
		t.Error(err)
	}
	want := Counts{Received: all + 10, Put: all + 10}
	if got := c.Counts(); got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
	for n, x := range calls(t, "billing", 0, all+10) {
		if into.bodies[x.ID] != string(x.Body()) {
			t.Fatalf("call %d is not as it was published", n)
		}
	}
	for _, xs := range into.puts {
		if len(xs) > fetchLimit {
			t.Errorf("one put has %d, want %d at most", len(xs), fetchLimit)
		}
	}
}

func TestARestartedConsumerGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	into := newMemory()
	for part := range 3 {
		publish(t, b, 100*part, 100*part+100)
		stop := running(t, b.Consumer("billing", "store"), into)
		await(t, into, "the next hundred", func() bool { return into.len() == 100*part+100 && confirmed(t, b, "store") })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	for id, times := range into.times {
		if times != 1 {
			t.Errorf("%s was put %d times, want 1", id, times)
		}
	}
}

// A crashing Sink commits and then ends the consumer before it can acknowledge.
type crashing struct {
	store.Sink
	stop context.CancelCauseFunc
}

var errCrash = errors.New("crash")

func (s crashing) Put(ctx context.Context, xs []policy.Excerpt) error {
	if err := s.Sink.Put(ctx, xs); err != nil {
		return err
	}
	s.stop(errCrash)
	return errCrash
}

func TestACrashBetweenCommitAndAcknowledgementRepeatsWithoutDuplicates(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	publish(t, b, 0, fetchLimit+100)
	kept, err := sqlite.Open(sqlite.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	crashes := 0
	for range 5 {
		ctx, stop := context.WithCancelCause(t.Context())
		_ = b.Consumer("billing", "store").Run(ctx, crashing{kept, stop})
		if errors.Is(context.Cause(ctx), errCrash) {
			crashes++
		}
	}
	if crashes != 5 {
		t.Fatalf("crashes = %d, want 5", crashes)
	}
	c, seen := b.Consumer("billing", "store"), newMemory()
	stop := running(t, c, both{kept, seen})
	await(t, seen, "acks of all", func() bool { return confirmed(t, b, "store") })
	if err := stop(); err != nil {
		t.Error(err)
	}
	counts, err := kept.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if counts["billing"] != fetchLimit+100 {
		t.Errorf("rows = %d, want %d", counts["billing"], fetchLimit+100)
	}
	if n := c.Counts().Redelivered; n == 0 {
		t.Error("redelivered = 0, want those of the crash")
	}
}

// both puts into one Sink after the other.
type both [2]store.Sink

func (s both) Put(ctx context.Context, xs []policy.Excerpt) error {
	return errors.Join(s[0].Put(ctx, xs), s[1].Put(ctx, xs))
}

func TestForeignPayloadsAreTerminatedAndHinderNobody(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	publish(t, b, 0, 1)
	elsewhere := string(call(t, "billing", "s1", 7).Body())
	for subject, payload := range map[string]string{
		"cpni.v1.billing.call.x1":         "not ours",
		"cpni.v1.billing.call.dfw2":       elsewhere, // of another site
		"cpni.v1.billing.device.dfw1":     elsewhere, // of another kind
		"cpni.v1.billing.call.dfw1":       string(call(t, "fraud", "s1", 8).Body()),
		"aggregate.v1.billing.anything.x": "{}",
	} {
		if _, err := b.stream.Publish(t.Context(), subject, []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, b, 1, 2)
	into, c := newMemory(), b.Consumer("billing", "store")
	stop := running(t, c, into)
	await(t, into, "two puts and all confirmed", func() bool { return into.len() == 2 && confirmed(t, b, "store") })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got, want := c.Counts(), (Counts{Received: 7, Put: 2, Refused: 5}); got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
}

func TestAnAbsentSinkIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	publish(t, b, 0, 700)
	away := fmt.Errorf("away: %w", store.ErrUnavailable)
	into := newMemory(away, store.Refused{{Purpose: "billing", Count: 700, Err: store.ErrFull}}, away)
	c := b.Consumer("billing", "store")
	stop := running(t, c, into)
	await(t, into, "700 puts", func() bool { return into.len() == 700 && confirmed(t, b, "store") })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got, want := c.Counts(), (Counts{Received: 700, Put: 700, Retried: 3}); got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
	for i := range 3 {
		if len(into.puts[i]) != len(into.puts[3]) || into.puts[i][0].ID != into.puts[3][0].ID {
			t.Errorf("try %d has other excerpts than the one that came through", i)
		}
	}
}

func TestWhatTheSinkRefusesForGoodIsCountedAndConfirmed(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	publish(t, b, 0, 10)
	into := newMemory(store.Refused{{Purpose: "billing", Count: 3, Err: store.ErrTooLarge}})
	c := b.Consumer("billing", "store")
	stop := running(t, c, into)
	await(t, into, "all confirmed", func() bool { return confirmed(t, b, "store") })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got, want := c.Counts(), (Counts{Received: 10, Put: 7, Refused: 3}); got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
}

func TestASinkThatEndsForGoodEndsTheRunAndLosesNothing(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	publish(t, b, 0, 10)
	final := errors.New("final")
	if err := b.Consumer("billing", "store").Run(t.Context(), newMemory(final)); !errors.Is(err, final) {
		t.Errorf("error = %v, want the sink's", err)
	}
	into := newMemory()
	stop := running(t, b.Consumer("billing", "store"), into)
	await(t, into, "ten puts", func() bool { return into.len() == 10 })
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAMissingStreamIsWaitedForAndSaidSo(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "fraud")
	into, c := newMemory(), b.Consumer("billing", "store")
	stop := running(t, c, into)
	await(t, into, "trouble", func() bool { return c.Waiting() != nil })
	if !errors.Is(c.Waiting(), store.ErrUnavailable) {
		t.Errorf("trouble = %v, want ErrUnavailable", c.Waiting())
	}
	if err := b.Arrange(t.Context(), config("", 0, "fraud", "billing").Plan); err != nil {
		t.Fatal(err)
	}
	publish(t, b, 0, 1)
	await(t, into, "one put, no trouble", func() bool { return into.len() == 1 && c.Waiting() == nil })
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestTheHubKnowsWhereAnExcerptStoodAtTheEdge: an edge's consumer feeds the hub's publisher, and a hub's another's.
func TestTheHubKnowsWhereAnExcerptStoodAtTheEdge(t *testing.T) {
	t.Parallel()
	edge, hub, archive := embedded(t, 0, "billing"), embedded(t, 0, "billing"), embedded(t, 0, "billing")
	publish(t, hub, 5000, 5003) // so that the hub's own sequence is another
	publish(t, edge, 0, fetchLimit+100)
	running(t, edge.Consumer("billing", "hub"), hub.Publisher())
	running(t, hub.Consumer("billing", "archive"), archive.Publisher())
	await(t, newMemory(), "all in the archive", func() bool { return messages(t, archive) == 3+fetchLimit+100 })
	s, err := edge.stream.Stream(t.Context(), "CPNI_BILLING")
	if err != nil {
		t.Fatal(err)
	}
	spool := s.CachedInfo().Created.UTC().Format(time.RFC3339Nano)
	for i, m := range stored(t, archive, "billing")[3:] {
		if seq := m.Header.Get(headerSeq); seq != fmt.Sprint(i+1) {
			t.Fatalf("message %d: Sieve-Seq = %q, want %d", i, seq, i+1)
		}
		if got := m.Header.Get(headerSpool); got != spool {
			t.Fatalf("message %d: Sieve-Spool = %q, want %q", i, got, spool)
		}
	}
}

// messages returns how many messages billing has.
func messages(t testing.TB, b *Bus) int {
	t.Helper()
	lag, err := b.Lag(context.Background(), "billing")
	if err != nil {
		t.Fatal(err)
	}
	return int(lag.Messages)
}

func TestAServerThatGoesAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := config(t.TempDir(), 0, "billing")
	c.Listen = "127.0.0.1:0"
	edge := embedded(t, 0, "billing")
	publish(t, edge, 0, 600)
	hub, access, port := listening(t, c)
	remote, err := Connect(access)
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	consumer := edge.Consumer("billing", "hub")
	if err := hub.Close(); err != nil {
		t.Fatal(err)
	}
	running(t, consumer, remote.Publisher())
	await(t, newMemory(), "a try that did not come through", func() bool { return consumer.Counts().Retried > 0 })
	c.Listen = "127.0.0.1:" + port
	again, _, _ := listening(t, c, access)
	defer again.Close()
	await(t, newMemory(), "600 at the hub", func() bool { return messages(t, again) == 600 && confirmed(t, edge, "hub") })
}

func TestLagTellsHowFarEachIsBehind(t *testing.T) {
	t.Parallel()
	b := embedded(t, 10<<20, "billing")
	publish(t, b, 0, 40)
	lag, err := b.Lag(t.Context(), "billing")
	if err != nil {
		t.Fatal(err)
	}
	if lag.Messages != 40 || lag.Last != 40 || lag.First != 1 || lag.Bytes == 0 || lag.Limit != 5<<20 ||
		len(lag.Consumers) != 0 {
		t.Errorf("lag = %+v, want 40 messages of 5 MiB and no consumer", lag)
	}
	if lag.Oldest.IsZero() || time.Since(lag.Oldest) > time.Hour {
		t.Errorf("oldest = %v, want now", lag.Oldest)
	}
	into := newMemory()
	stop := running(t, b.Consumer("billing", "store"), into)
	await(t, into, "40 confirmed", func() bool { return confirmed(t, b, "store") })
	if err := stop(); err != nil {
		t.Error(err)
	}
	publish(t, b, 40, 45)
	if lag, err = b.Lag(t.Context(), "billing"); err != nil {
		t.Fatal(err)
	}
	m, err := b.stream.Stream(t.Context(), "CPNI_BILLING")
	if err != nil {
		t.Fatal(err)
	}
	oldest, err := m.GetMsg(t.Context(), 41)
	if err != nil {
		t.Fatal(err)
	}
	want := ConsumerLag{Name: "store", Confirmed: 40, Pending: 5, Oldest: oldest.Time}
	if len(lag.Consumers) != 1 || lag.Consumers[0] != want {
		t.Errorf("consumers = %+v, want %+v", lag.Consumers, want)
	}
	if _, err := b.Lag(t.Context(), "fraud"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("error = %v, want that there is no stream", err)
	}
}
