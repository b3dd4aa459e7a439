package bus

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// steal fetches n messages of a consumer of billing as another process would that dies before it has put them.
func steal(t *testing.T, b *Bus, name string, n int) {
	t.Helper()
	c, err := b.stream.Consumer(t.Context(), "CPNI_BILLING", name)
	if err != nil {
		t.Fatal(err)
	}
	for got := 0; got < n; {
		fetched, err := c.Fetch(n-got, jetstream.FetchMaxWait(50*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		for range fetched.Messages() {
			got++
		}
	}
}

// A gate is a Sink that reports each Put and waits until it may go on.
type gate struct {
	store.Sink
	entered, open chan struct{}
}

func (g gate) Put(ctx context.Context, xs []policy.Excerpt) error {
	g.entered <- struct{}{}
	<-g.open
	return g.Sink.Put(ctx, xs)
}

// TestWhatAnotherProcessTookIsDeliveredAnew takes deliveries away before a consumer begins and while it puts: the
// acknowledgement of what follows is not one of what never arrived.
func TestWhatAnotherProcessTookIsDeliveredAnew(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	c := b.Consumer("billing", "store")
	if _, err := c.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, b, 0, 100)
	steal(t, b, "store", 40)
	into := newMemory()
	through := gate{into, make(chan struct{}), make(chan struct{})}
	stop := running(t, c, through)
	<-through.entered
	if got := c.Counts(); got.Redelivered != 40 || got.Received != 100 {
		t.Errorf("counts = %+v, want 40 redelivered of 100", got)
	}
	publish(t, b, 100, 150)
	steal(t, b, "store", 30) // the next 30, for the consumer is about to put
	close(through.open)
	go func() {
		for range through.entered {
		}
	}()
	await(t, into, "all", func() bool { return into.len() == 150 && confirmed(t, b, "store") })
	if err := stop(); err != nil {
		t.Error(err)
	}
	close(through.entered)
}

// TestAConsumerOfTheVersionBeforeGoesOn begins with one that acknowledges each message by itself.
func TestAConsumerOfTheVersionBeforeGoesOn(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	c := b.Consumer("billing", "store")
	old, err := b.stream.CreateConsumer(t.Context(), "CPNI_BILLING", consumerConfig("store", false))
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, 0, 100)
	fetched, err := old.Fetch(60, jetstream.FetchMaxWait(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for m := range fetched.Messages() {
		if n++; n != 50 { // of the first 60, one is not acknowledged
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	into := newMemory()
	stop := running(t, c, into)
	await(t, into, "the rest", func() bool { return into.len() == 51 && confirmed(t, b, "store") })
	if err := stop(); err != nil {
		t.Error(err)
	}
	again, err := b.stream.Consumer(t.Context(), "CPNI_BILLING", "store")
	if err != nil || again.CachedInfo().Config.AckPolicy != jetstream.AckAllPolicy {
		t.Errorf("policy = %v, %v, want one acknowledgement for all", again, err)
	}
}

// TestACallStaysInOrder refuses puts now and then: what comes later is put after what is put again.
func TestACallStaysInOrder(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	absent := fmt.Errorf("away: %w", store.ErrUnavailable)
	into := newMemory(absent, nil, absent, absent)
	publish(t, b, 0, 10)
	stop := running(t, b.Consumer("billing", "store"), into)
	for part := range 5 {
		await(t, into, "ten more", func() bool { return into.len() == 10*part+10 })
		publish(t, b, 10*part+10, 10*part+20)
	}
	await(t, into, "the last", func() bool { return into.len() == 60 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	into.mu.Lock()
	defer into.mu.Unlock()
	last := ""
	seen := map[string]bool{}
	for _, xs := range into.puts {
		for _, x := range xs {
			if !seen[x.ID] && x.ID < last {
				t.Errorf("%s came after %s", x.ID, last)
			}
			seen[x.ID], last = true, max(last, x.ID)
		}
	}
}

// TestWhatAHubHasTakenIsNotPutAgain has a hub with room for the first batches of a fetch and no memory of what it took.
func TestWhatAHubHasTakenIsNotPutAgain(t *testing.T) {
	t.Parallel()
	hub := connect(t, Remote{URL: natsServer(t, nil).ClientURL()})
	reach(t, hub)
	plan := HubPlan{Plan: config("", 1<<21, "billing").Plan, Duplicates: 100 * time.Millisecond}
	if _, _, err := hub.Apply(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	edge := embedded(t, 0, "billing")
	publish(t, edge, 0, 2*batchLimit)
	c := edge.Consumer("billing", "hub")
	stop := running(t, c, hub.Publisher())
	await(t, newMemory(), "attempts after the window for repetitions", func() bool { return c.Counts().Retried > 3 })
	first := messages(t, hub)
	if first == 0 || first >= 2*batchLimit {
		t.Fatalf("messages = %d, want some: the test shows nothing", first)
	}
	s, err := hub.stream.Stream(t.Context(), "CPNI_BILLING")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, newMemory(), "all confirmed", func() bool { return confirmed(t, edge, "hub") })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got, counts := messages(t, hub), c.Counts(); got != 2*batchLimit-first || counts.Put != 2*batchLimit {
		t.Errorf("messages after the purge = %d, counts = %+v, want what was not put before, %d", got, counts, 2*batchLimit-first)
	}
}
