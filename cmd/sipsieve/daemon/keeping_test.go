package daemon

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"sipsieve/store"
	"sipsieve/store/bus"
	"sipsieve/store/policy"
)

// A gate is a Sink that takes everything while it is open, and is unavailable otherwise.
type gate struct{ open atomic.Bool }

func (g *gate) Put(context.Context, []policy.Excerpt) error {
	if g.open.Load() {
		return nil
	}
	return fmt.Errorf("a closed gate: %w", store.ErrUnavailable)
}

// waiting returns the keeping of a spool of 256 KiB that has n excerpts of billing for the hub, which is into.
func waiting(t *testing.T, n int, into store.Sink) (*keeping, *bytes.Buffer) {
	t.Helper()
	spool, err := bus.Embedded(t.Context(), bus.Config{Dir: t.TempDir(), Plan: bus.Plan{DiskLimit: 256 << 10,
		Streams: []bus.StreamConfig{{Purpose: "billing"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = spool.Close() })
	var xs []policy.Excerpt
	for i := range n {
		x, err := policy.Received(fmt.Appendf(nil, `{"schema":"sipsieve.call/1","kind":"call","stage":"stop","id":"c%d",`+
			`"revision":1,"status":"complete","missing":[],"completeness":1,"purpose":"billing","policy":"p","class":"cpni",`+
			`"expires":"2999-01-01","site":"here","sensor":"sensor-1","source":"hep"}`, i))
		if err != nil {
			t.Fatal(err)
		}
		xs = append(xs, x)
	}
	if err := spool.Publisher().Put(t.Context(), xs); err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	one := newKeeper(spool, "billing", PlaceHub, hubConsumer, into)
	return &keeping{log: slog.New(slog.NewTextHandler(log, nil)), from: spool, keepers: []*keeper{one}}, log
}

// TestExcerptsThatWaitAreLoggedOnce has excerpts wait until they fill the spool, and then not.
func TestExcerptsThatWaitAreLoggedOnce(t *testing.T) {
	into := new(gate)
	k, log := waiting(t, 220, into)
	one := k.keepers[0]
	ctx, stop := withStop(t)
	ended := make(chan error, 1)
	go func() { ended <- one.run(ctx, k.log) }()
	until(t, "the trouble", func() bool { return one.Waiting() != nil })
	for range 3 {
		k.look()
		k.lookAtLag(t.Context())
	}
	s, err := k.stream(t.Context(), "billing")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Keepers[PlaceHub]; got.Behind != 220 || got.Oldest <= 0 || got.Since == "" || got.Cause != "unavailable" {
		t.Errorf("keeper = %+v, want 220 behind, for how long, since when and why", got)
	}
	if why := k.unready(); len(why) != 1 || why[0] != "CPNI_BILLING: the hub takes nothing: unavailable" {
		t.Errorf("unready = %q", why)
	}
	into.open.Store(true)
	until(t, "all at the hub", func() bool {
		s, err := k.stream(t.Context(), "billing")
		return err == nil && s.Keepers[PlaceHub].Behind == 0 && one.Waiting() == nil
	})
	for range 3 {
		k.look()
		k.lookAtLag(t.Context())
	}
	if why := k.unready(); len(why) != 0 {
		t.Errorf("unready = %q, want nothing", why)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for text, want := range map[string]int{
		`msg="excerpts wait" to=hub stream=CPNI_BILLING cause=unavailable`:                 1,
		`msg="excerpts have waited long, or fill their stream" to=hub stream=CPNI_BILLING`: 1,
		`msg="excerpts are taken again" to=hub stream=CPNI_BILLING`:                        1,
		`msg="few excerpts wait" to=hub stream=CPNI_BILLING`:                               1,
		"\n": 4,
	} {
		if n := strings.Count(log.String(), text); n != want {
			t.Errorf("%d times %q, want %d:\n%s", n, text, want, log.String())
		}
	}
}

// TestAStopWaitsForWhatIsKeptOnly has a stop drain: excerpts that cannot be kept are left on the spool.
func TestAStopWaitsForWhatIsKeptOnly(t *testing.T) {
	into := new(gate)
	k, log := waiting(t, 10, into)
	one := k.keepers[0]
	ctx, stop := withStop(t)
	ended := make(chan error, 1)
	go func() { ended <- one.run(ctx, k.log) }()
	until(t, "the trouble", func() bool { return one.Waiting() != nil })
	k.drain(t.Context())
	const left = "stop: excerpts wait until the next start\" to=hub held=10\n"
	if n := strings.Count(log.String(), left); n != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("log = %s, want %q once", log.String(), left)
	}
	into.open.Store(true)
	until(t, "the end of the trouble", func() bool { return one.Waiting() == nil })
	k.drain(t.Context())
	if s, err := k.stream(t.Context(), "billing"); err != nil || s.Keepers[PlaceHub].Behind != 0 {
		t.Errorf("after the drain: %+v, %v, want none behind", s, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	k.keepers = []*keeper{newKeeper(k.from, "billing", PlaceStore, "store-none", into)} // never runs
	k.drain(over)
	if !strings.Contains(log.String(), "to=store held=10\n") {
		t.Errorf("log = %s, want that 10 wait for the store", log.String())
	}
}

// TestAStopWithoutItsBusSaysThatExcerptsWait ends when the bus answers no more.
func TestAStopWithoutItsBusSaysThatExcerptsWait(t *testing.T) {
	k, log := waiting(t, 1, new(gate))
	if err := k.from.Close(); err != nil {
		t.Fatal(err)
	}
	k.drain(t.Context())
	if n := strings.Count(log.String(), "excerpts wait until the next start, how many is not known"); n != 1 {
		t.Errorf("%d lines, want one for the hub:\n%s", n, log.String())
	}
}
