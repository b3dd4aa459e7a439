package bus

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
)

// kept starts a server with a small stream of billing and keepers of it.
func kept(t *testing.T, limit int64, keepers ...string) *Bus {
	t.Helper()
	c := config(t.TempDir(), limit, "billing")
	c.Keepers = keepers
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// durable makes a consumer of billing that reads nothing.
func durable(t *testing.T, b *Bus, name string) jetstream.Consumer {
	t.Helper()
	c, err := b.stream.CreateOrUpdateConsumer(t.Context(), "CPNI_BILLING", jetstream.ConsumerConfig{
		Durable: name, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		AckWait: ackWait, MaxAckPending: ackLimit, MaxDeliver: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Ten times the room of the stream goes through it, in batches that are larger than it is. A reader that confirms
// nothing is no keeper.
func TestRoomIsForWhatIsNotStored(t *testing.T) {
	t.Parallel()
	const all = 2400
	b := kept(t, 1<<18, "store")
	durable(t, b, "reader")
	into := newMemory()
	running(t, b.Consumer("billing", "store"), into)
	for n, turns := 0, 0; n < all; n += 600 {
		for xs := calls(t, "billing", n, n+600); len(xs) > 0; {
			err := b.Publisher().Put(t.Context(), xs)
			var refused store.Refused
			switch {
			case err == nil:
				xs = nil
			case turns < 20 && errors.As(err, &refused) && errors.Is(err, store.ErrFull): // the keeper had no turn for a second
				turns++
				xs = xs[len(xs)-refused[0].Count:]
			default:
				t.Fatalf("put of %d: %v", n, err)
			}
		}
	}
	await(t, into, "all puts", func() bool { return into.len() == all })
	lag, err := b.Lag(t.Context(), "billing")
	if err != nil {
		t.Fatal(err)
	}
	if lag.Last != all || lag.Bytes > lag.Limit || lag.Limit > 1<<18 {
		t.Errorf("last %d, %d bytes of %d, want %d messages within the limit", lag.Last, lag.Bytes, lag.Limit, all)
	}
}

// A keeper that is behind, and one that is not there yet, hold back everything.
func TestAKeeperBehindIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := kept(t, 1<<18, "store", "hub")
	into := newMemory()
	running(t, b.Consumer("billing", "store"), into)
	put := 0
	full := func() {
		for {
			err := b.Publisher().Put(t.Context(), calls(t, "billing", put, put+50))
			var refused store.Refused
			if errors.As(err, &refused) && errors.Is(err, store.ErrFull) {
				put += 50 - refused[0].Count
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			put += 50
		}
	}
	full()
	if n := messages(t, b); n != put {
		t.Errorf("messages = %d of %d, want all: one keeper is not there", n, put)
	}
	hub := durable(t, b, "hub")
	full()
	if n := messages(t, b); n != put {
		t.Errorf("messages = %d of %d, want all: one keeper has confirmed nothing", n, put)
	}
	await(t, into, "all stored", func() bool { return confirmed(t, b, "store") })
	fetched, err := hub.Fetch(10)
	if err != nil {
		t.Fatal(err)
	}
	for m := range fetched.Messages() {
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before := put
	full()
	lag, err := b.Lag(t.Context(), "billing")
	if err != nil {
		t.Fatal(err)
	}
	if lag.First != 11 || lag.Messages != uint64(put-10) || put == before {
		t.Errorf("first %d, %d messages, %d put, want room for some where 10 were", lag.First, lag.Messages, put-before)
	}
}

func TestAStreamThatIsNearlyFullIsPurgedAhead(t *testing.T) {
	t.Parallel()
	b := kept(t, 1<<18, "store")
	into := newMemory()
	for n := 0; ; n++ {
		publish(t, b, n, n+1)
		s, err := b.stream.Stream(t.Context(), "CPNI_BILLING")
		if err != nil {
			t.Fatal(err)
		}
		if isLow(s.CachedInfo()) {
			break
		}
	}
	running(t, b.Consumer("billing", "store"), into)
	await(t, into, "an empty stream", func() bool { return messages(t, b) == 0 })
}
