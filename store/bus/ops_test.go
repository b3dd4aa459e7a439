package bus

import (
	"errors"
	"testing"
	"time"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// ledgers returns ledgers of a sensor, one an hour.
func ledgers(t *testing.T, first, last int) (xs []policy.Excerpt) {
	t.Helper()
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for n := first; n < last; n++ {
		r := store.OpsRecord{Kind: store.Ledger, Site: "dfw1", Sensor: "s1", Policy: "0123456789abcdef",
			From: noon.Add(time.Duration(n) * time.Hour), To: noon.Add(time.Duration(n+1) * time.Hour),
			Expires: policy.Date{Year: 2029, Month: time.May, Day: 1}, Ledger: []byte(`{"calls":{"opened":12}}`)}
		x, err := r.Excerpt()
		if err != nil {
			t.Fatal(err)
		}
		xs = append(xs, x)
	}
	return xs
}

// TestTheStreamOPSIsOneOfItsKeepers: what they have confirmed makes room, though nothing of it expires.
func TestTheStreamOPSIsOneOfItsKeepers(t *testing.T) {
	t.Parallel()
	c := config(t.TempDir(), 1<<20, "billing")
	c.Plan.OpsLimit, c.Keepers = 64<<10, []string{"store"}
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	put, refused := 0, error(nil)
	for ; refused == nil && put < 1000; put++ {
		refused = b.Publisher().Put(t.Context(), ledgers(t, put, put+1))
	}
	if !errors.Is(refused, store.ErrFull) || put < 10 {
		t.Fatalf("put %d: %v, want full", put, refused)
	}
	put--
	if err := b.Publisher().Put(t.Context(), calls(t, "billing", 0, 10)); err != nil {
		t.Errorf("another purpose: %v", err)
	}
	into := newMemory()
	running(t, b.Consumer(store.Ops, "store"), into)
	await(t, into, "all that was put", func() bool { return into.len() == put })
	await(t, into, "room", func() bool { return b.Publisher().Put(t.Context(), ledgers(t, put, put+1)) == nil })
	await(t, into, "the next", func() bool { return into.len() == put+1 })
	into.mu.Lock()
	defer into.mu.Unlock()
	for _, xs := range into.puts {
		for _, x := range xs {
			if x.Published.Number == 0 || x.Purpose != store.Ops {
				t.Errorf("%s: sequence %v of purpose %s", x.ID, x.Published, x.Purpose)
			}
		}
	}
}

// TestRepeatedRecordsOfOPSAreOnTheStreamOnce also has their subject and headers.
func TestRepeatedRecordsOfOPSAreOnTheStreamOnce(t *testing.T) {
	t.Parallel()
	b := embedded(t, 1<<20, "billing")
	for range 2 {
		if err := b.Publisher().Put(t.Context(), ledgers(t, 0, 3)); err != nil {
			t.Fatal(err)
		}
	}
	lag, err := b.Lag(t.Context(), store.Ops)
	if err != nil || lag.Messages != 3 {
		t.Errorf("messages = %d, %v, want 3", lag.Messages, err)
	}
	if m := stored(t, b, store.Ops); m[0].Subject != "ops.v1.ledger.dfw1" || m[0].Header.Get(headerSensor) != "s1" ||
		m[0].Header.Get(headerSchema) != "sipsieve.ledger/1" || m[0].Header.Get(headerPolicy) != "0123456789abcdef" {
		t.Errorf("subject %s, headers %v", m[0].Subject, m[0].Header)
	}
}
