package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sipsieve/store"
	"sipsieve/store/policy"
)

// call returns the excerpt of call n of a purpose, as a sensor publishes it.
func call(t testing.TB, purpose, sensor string, n int) policy.Excerpt {
	return sized(t, purpose, sensor, n, 0)
}

func sized(t testing.TB, purpose, sensor string, n, padding int) policy.Excerpt {
	t.Helper()
	x, err := policy.Received(fmt.Appendf(nil, `{"schema":"sipsieve.call/1","kind":"call","stage":"stop",`+
		`"id":"call%022d","revision":1,"status":"complete","missing":[],"completeness":100,`+
		`"purpose":"%s","policy":"0123456789abcdef","class":"cpni","expires":"2026-11-24","site":"dfw1",`+
		`"sensor":"%s","source":"interface","duration_ms":61000,`+
		`"disposition":"answered","padding":"%s"}`, n, purpose, sensor, strings.Repeat("x", padding)))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func calls(t testing.TB, purpose string, from, to int) (xs []policy.Excerpt) {
	for n := from; n < to; n++ {
		xs = append(xs, call(t, purpose, "s1", n))
	}
	return xs
}

// embedded starts a server with a stream for each purpose.
func embedded(t testing.TB, limit int64, purposes ...string) *Bus {
	t.Helper()
	b, err := Embedded(context.Background(), config(t.TempDir(), limit, purposes...))
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

func config(dir string, limit int64, purposes ...string) Config {
	c := Config{Dir: dir, Plan: Plan{DiskLimit: limit}}
	for _, p := range purposes {
		c.Plan.Streams = append(c.Plan.Streams, StreamConfig{Purpose: p})
	}
	return c
}

// stored returns the messages of a purpose's stream.
func stored(t testing.TB, b *Bus, purpose string) (messages []*jetstream.RawStreamMsg) {
	t.Helper()
	s, err := b.stream.Stream(t.Context(), store.StreamName(purpose))
	if err != nil {
		t.Fatal(err)
	}
	state := s.CachedInfo().State
	for seq := state.FirstSeq; seq <= state.LastSeq && state.Msgs > 0; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
	return messages
}

// A memory is a Sink that keeps what it gets, by id, and fails on demand.
type memory struct {
	mu     sync.Mutex
	errs   []error // of the next Puts
	puts   [][]policy.Excerpt
	bodies map[string]string
	times  map[string]int
	grown  chan struct{} // gets one after every Put
}

func newMemory(errs ...error) *memory {
	return &memory{errs: errs, bodies: map[string]string{}, times: map[string]int{}, grown: make(chan struct{}, 10000)}
}

func (s *memory) Put(_ context.Context, xs []policy.Excerpt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.grown <- struct{}{} }()
	s.puts = append(s.puts, slices.Clone(xs))
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		if err != nil {
			return err
		}
	}
	for _, x := range xs {
		s.bodies[x.ID] = string(x.Body())
		s.times[x.ID]++
	}
	return nil
}

func (s *memory) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bodies)
}

// await waits until the condition holds, looking after every Put and twenty times a second.
func await(t testing.TB, s *memory, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-s.grown:
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still waiting after a minute: %s", what)
		}
	}
}

func TestPutIsInTheStreamWithItsHeaders(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	x := call(t, "billing", "s1", 7)
	if err := b.Publisher().Put(t.Context(), []policy.Excerpt{x}); err != nil {
		t.Fatal(err)
	}
	got := stored(t, b, "billing")
	if len(got) != 1 {
		t.Fatalf("messages = %d, want 1", len(got))
	}
	m := got[0]
	if m.Subject != "cpni.v1.billing.call.dfw1" || string(m.Data) != string(x.Body()) {
		t.Errorf("message = %s on %s, want the body on the excerpt's subject", m.Data, m.Subject)
	}
	for header, want := range map[string]string{
		nats.MsgIdHdr: "s1." + x.ID + ".1." + sum(x), "Sieve-Schema": "sipsieve.call/1", "Sieve-Policy": "0123456789abcdef",
		"Sieve-Site": "dfw1", "Sieve-Sensor": "s1", "Sieve-Seq": "",
	} {
		if got := m.Header.Get(header); got != want {
			t.Errorf("%s = %q, want %q", header, got, want)
		}
	}
}

// sum is the part of a message id that tells bodies apart.
func sum(x policy.Excerpt) string {
	h := sha256.Sum256(x.Body())
	return hex.EncodeToString(h[:])[:8]
}

func TestABetterBodyOfOneRevisionIsNoRepeat(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	first, better := call(t, "billing", "s1", 7), sized(t, "billing", "s1", 7, 1)
	for _, x := range []policy.Excerpt{first, better, first, better} {
		if err := b.Publisher().Put(t.Context(), []policy.Excerpt{x}); err != nil {
			t.Fatal(err)
		}
	}
	got := stored(t, b, "billing")
	if len(got) != 2 || string(got[0].Data) != string(first.Body()) || string(got[1].Data) != string(better.Body()) {
		t.Errorf("messages = %d, want each of the two bodies once", len(got))
	}
}

func TestPurposesGoToTheirOwnStreamsInOrder(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing", "fraud")
	var xs []policy.Excerpt
	for n := range batchLimit + 100 { // more than one batch of each
		xs = append(xs, call(t, "billing", "s1", n), call(t, "fraud", "s1", n))
	}
	p := b.Publisher()
	if err := p.Put(t.Context(), xs); err != nil {
		t.Fatal(err)
	}
	for _, purpose := range []string{"billing", "fraud"} {
		got := stored(t, b, purpose)
		if len(got) != batchLimit+100 {
			t.Fatalf("%s: messages = %d, want %d", purpose, len(got), batchLimit+100)
		}
		for n, m := range got {
			if string(m.Data) != string(call(t, purpose, "s1", n).Body()) {
				t.Fatalf("%s: message %d is another call's", purpose, n)
			}
		}
	}
	if n := b.Traffic(); n.Published != 2*(batchLimit+100) || n.OneByOne != 0 {
		t.Errorf("published = %d, one by one %d, want %d, 0", n.Published, n.OneByOne, 2*(batchLimit+100))
	}
}

func TestRepeatedPutsStoreNothingTwice(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	p := b.Publisher()
	xs := calls(t, "billing", 0, 40)
	for _, part := range [][]policy.Excerpt{xs[:20], xs[:20], xs[10:30], xs, append(xs[:1:1], xs[0])} {
		if err := p.Put(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(stored(t, b, "billing")); got != 40 {
		t.Errorf("messages = %d, want 40", got)
	}
	if oneByOne := b.Traffic().OneByOne; oneByOne != 20+20+40 {
		t.Errorf("one by one = %d, want 80", oneByOne)
	}
}

// A batch with one message that is there already holds more new ones than may be in flight: the window waits for the
// disk, however long it takes.
func TestALongBatchPassesOneByOne(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	p := b.Publisher()
	xs := calls(t, "billing", 0, batchLimit)
	for _, part := range [][]policy.Excerpt{xs[:1], xs} {
		if err := p.Put(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(stored(t, b, "billing")); got != batchLimit {
		t.Errorf("messages = %d, want %d", got, batchLimit)
	}
	if oneByOne := b.Traffic().OneByOne; oneByOne != batchLimit {
		t.Errorf("one by one = %d, want %d", oneByOne, batchLimit)
	}
}

func TestPutsOutliveTheServer(t *testing.T) {
	t.Parallel()
	c := config(t.TempDir(), 0, "billing")
	b, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publisher().Put(t.Context(), calls(t, "billing", 0, 10)); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Publisher().Put(t.Context(), calls(t, "billing", 10, 11)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error of a closed bus = %v, want ErrUnavailable", err)
	}
	again, err := Embedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := len(stored(t, again, "billing")); got != 10 {
		t.Errorf("messages = %d, want 10", got)
	}
}

func TestAFullStreamRefusesCountsAndRecovers(t *testing.T) {
	t.Parallel()
	b := embedded(t, 1<<17, "billing", "fraud")
	p := b.Publisher()
	var refused store.Refused
	put := 0
	for refused == nil {
		xs := []policy.Excerpt{sized(t, "billing", "s1", put, 1000), call(t, "fraud", "s1", put)}
		err := p.Put(t.Context(), xs)
		if err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		put++
	}
	if !errors.Is(refused, store.ErrFull) || errors.Is(refused, store.ErrUnavailable) {
		t.Errorf("error = %v, want ErrFull alone", refused)
	}
	if len(refused) != 1 || refused[0].Purpose != "billing" || refused[0].Count != 1 {
		t.Errorf("refused = %+v, want 1 of billing", refused)
	}
	if got := len(stored(t, b, "fraud")); got != put {
		t.Errorf("messages of the other purpose = %d, want %d", got, put)
	}
	s, err := b.stream.Stream(t.Context(), "CPNI_BILLING")
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != uint64(put-1) {
		t.Errorf("messages = %d, want %d: what was there stays", n, put-1)
	}
	if err := s.Purge(t.Context(), jetstream.WithPurgeKeep(uint64(put/2))); err != nil {
		t.Fatal(err)
	}
	if err := p.Put(t.Context(), []policy.Excerpt{sized(t, "billing", "s1", put, 1000)}); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestAFullStreamKeepsWhatFits(t *testing.T) {
	t.Parallel()
	b := embedded(t, 3<<19, "billing")
	err := b.Publisher().Put(t.Context(), calls(t, "billing", 0, 2500))
	var refused store.Refused
	if !errors.As(err, &refused) || !errors.Is(err, store.ErrFull) {
		t.Fatalf("error = %v, want ErrFull", err)
	}
	got := stored(t, b, "billing")
	if len(got)+refused[0].Count != 2500 || len(got) < batchLimit {
		t.Errorf("stored %d and refused %d, want together 2500", len(got), refused[0].Count)
	}
	for n, m := range got {
		if string(m.Data) != string(call(t, "billing", "s1", n).Body()) {
			t.Fatalf("message %d is another call's: want the first ones, in order", n)
		}
	}
}

func TestWhatCannotBePublishedIsRefusedAlone(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	odd := call(t, "billing", "s1", 1)
	odd.Site = "a.b"
	oddSensor := call(t, "billing", "S 1", 2)
	oddID := call(t, "billing", "s1", 3)
	oddID.ID = "a.b"
	large, sound := sized(t, "billing", "s1", 3, 1<<20), call(t, "billing", "s1", 4)
	err := b.Publisher().Put(t.Context(), []policy.Excerpt{odd, oddSensor, oddID, large, sound})
	var refused store.Refused
	if !errors.As(err, &refused) || len(refused) != 4 {
		t.Fatalf("error = %v, want 4 refusals", err)
	}
	if !errors.Is(err, store.ErrTooLarge) || !errors.Is(err, store.ErrName) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error = %v, want ErrTooLarge and ErrName", err)
	}
	if got := len(stored(t, b, "billing")); got != 1 {
		t.Errorf("messages = %d, want the one that is sound", got)
	}
}

func TestTheLargestExcerptsStillGoInABatch(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	room := int(b.conn.MaxPayload()) - batchHeaders - 1000
	xs := []policy.Excerpt{sized(t, "billing", "s1", 1, room), sized(t, "billing", "s1", 2, room)}
	if err := b.Publisher().Put(t.Context(), xs); err != nil {
		t.Error(err)
	}
}

func TestAnUnknownPurposeIsUnavailable(t *testing.T) {
	t.Parallel()
	b := embedded(t, 0, "billing")
	err := b.Publisher().Put(t.Context(), calls(t, "fraud", 0, 1))
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error = %v, want ErrUnavailable", err)
	}
}
