package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/capture"
	"sipsieve/sip/track"
)

// A still tap is silent after its packets, until it is closed.
type stillTap struct {
	tap
	closed chan struct{}
}

func (s *stillTap) Next() (capture.Packet, error) {
	if len(s.packets) == 0 {
		<-s.closed
	}
	return s.tap.Next()
}

func (s *stillTap) Close() error { close(s.closed); return nil }

// TestACallIsToldThoughOtherShardsHaveHeardNothing has far more shards than calls on a wire.
func TestACallIsToldThoughOtherShardsHaveHeardNothing(t *testing.T) {
	packets := packetsOf(t, corpus(t, 1))
	s := demoSetup(t, "")
	synctest.Test(t, func(t *testing.T) {
		one := &stillTap{closed: make(chan struct{})}
		one.packets, one.first, one.began = packets, packets[0].Time, time.Now()
		one.late = func() time.Duration { return 0 }
		d := newDomain([]capture.Source{one}, s.plan(16, true))
		ctx, stop := context.WithCancel(t.Context())
		var told atomic.Int64
		done := make(chan error, 1)
		go func() { done <- runDomain(ctx, d, func(*track.Event) { told.Add(1) }) }()
		time.Sleep(10 * time.Minute)
		if told.Load() == 0 {
			t.Error("told = 0 after minutes of silence, want the calls that are over")
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestAStepOfTheClockLetsGoWhatIsHeldByTheOldOne sets the clock back by an hour while a message waits for its turn.
func TestAStepOfTheClockLetsGoWhatIsHeldByTheOldOne(t *testing.T) {
	p := packetsOf(t, corpus(t, 1))[0]
	d := newDomain([]capture.Source{&tap{}, &tap{}}, demoSetup(t, "").plan(1, true))
	r, s := d.readers[0], d.shards[0]
	r.sip.Read(&p, r.take)
	b := r.filling[0]
	b.clock = p.Time
	s.take(b)
	if n := s.track.Counts().Tracked; n != 0 {
		t.Fatalf("tracked = %d before the turn, want 0", n)
	}
	s.take(&batch{stepped: true, drift: -time.Hour, clock: p.Time.Add(-time.Hour)})
	if n := s.track.Counts().Tracked; n != 1 {
		t.Errorf("tracked = %d after the step, want 1", n)
	}
	if !s.hold.passed.Before(p.Time) {
		t.Error("what comes by the new clock is taken for late")
	}
}

// TestAReaderThatHasNotSeenTheStepMovesNoClock has two rings, of which one looks at the clock later.
func TestAReaderThatHasNotSeenTheStepMovesNoClock(t *testing.T) {
	p := packetsOf(t, corpus(t, 1))[0]
	d := newDomain([]capture.Source{&tap{}, &tap{}}, demoSetup(t, "").plan(1, true))
	r, s := d.readers[0], d.shards[0]
	s.take(&batch{clock: p.Time, dated: true})
	s.take(&batch{stepped: true, drift: -time.Hour, dated: true, clock: p.Time.Add(-time.Hour)})
	p.Origin = capture.Interface
	r.sip.Read(&p, r.take)
	b := r.filling[0]
	b.clock, b.dated = p.Time.Add(time.Millisecond), true
	s.take(b)
	if got, want := s.wire, p.Time.Add(time.Millisecond-time.Hour); !got.Equal(want) {
		t.Errorf("clock = %v, want %v", got, want)
	}
	if m, ok := s.hold.next(p.Time.Add(-time.Hour)); !ok || !m.at.Equal(p.Time.Add(-time.Hour)) {
		t.Errorf("message = %v, %v, want it held by the new clock", m.at, ok)
	}
}

// TestEventsHeldWhenTheClockIsSetBackAreTold has one shard an event that waits for another shard.
func TestEventsHeldWhenTheClockIsSetBackAreTold(t *testing.T) {
	var ev track.Event
	follow(t, written(t, corpus(t, 1)), 1, func(e *track.Event) { ev = *e })
	d := newDomain([]capture.Source{&tap{}}, demoSetup(t, "").plan(2, true))
	m := newMerger(d)
	told, kept := 0, 0
	m.keep = func(*track.Saved) { kept++ }
	tell := func(*track.Event) { told++ }
	m.add(flow{shard: 0, clock: ev.Time, events: []track.Event{ev}, saved: make([]track.Saved, 1)}, tell)
	m.add(flow{shard: 1, clock: ev.Time}, tell)
	if told != 0 || kept != 0 {
		t.Fatalf("told = %d, kept = %d before their turn, want 0", told, kept)
	}
	m.add(flow{shard: 1, clock: ev.Time.Add(-time.Hour)}, tell)
	if told == 0 || kept != 1 {
		t.Errorf("told = %d, kept = %d after the step, want all", told, kept)
	}
}

// TestAFolderThatVanishesIsToldOnce takes the folder away that is watched.
func TestAFolderThatVanishesIsToldOnce(t *testing.T) {
	s := demoSetup(t, "")
	s.State = t.TempDir()
	dir := filepath.Join(s.State, "captures")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.Source = []sourceConfig{{Type: "directory", Path: dir}}
	f, err := (&daemon{setup: s}).openFolder(0)
	if err == nil {
		err = os.Remove(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if _, _, err := f.open(ctx); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("first = %v, want that the folder does not exist", err)
		}
		began := time.Now()
		if _, _, err := f.open(ctx); !errors.Is(err, io.EOF) || time.Since(began) < time.Hour {
			t.Errorf("then = %v after %v, want the end after an hour", err, time.Since(began))
		}
	})
}

// TestTheJournalDoesNotMakeTheWireWait has a bus that takes nothing while calls change.
func TestTheJournalDoesNotMakeTheWireWait(t *testing.T) {
	s := demoSetup(t, "../../configs/quickstart-policy.toml")
	s.limits.Calls = 1000
	c := newCollector(&daemon{setup: s, journal: new(journal)})
	for range waitLimit {
		c.out <- parcel{}
	}
	saved := make(chan struct{})
	go func() {
		defer close(saved)
		for i := range 20_000 {
			name := track.Key{byte(i), byte(i >> 8)}
			c.keep(&track.Saved{Name: name, State: []byte{1}})
			c.keep(&track.Saved{Name: name, State: []byte{2}})
			if i >= 100 {
				c.keep(&track.Saved{Name: name, Gone: true})
			}
			c.save()
		}
	}()
	select {
	case <-saved:
	case <-time.After(patience):
		t.Fatal("the collector waits for the bus")
	}
	if n, most := len(c.saved), 3*s.limits.Calls; n > most || c.d.journal.failed.Load() == 0 {
		t.Errorf("saved = %d, failed = %d, want %d at most, and counted", n, c.d.journal.failed.Load(), most)
	}
	<-c.out
	c.save()
	if len(c.saved) != 0 {
		t.Errorf("saved = %d with room again, want 0", len(c.saved))
	}
}

// TestTheNewestWordsOnACallAreKept has a call that changes, one that ends, and one that begins again.
func TestTheNewestWordsOnACallAreKept(t *testing.T) {
	a, b, c := track.Key{1}, track.Key{2}, track.Key{3}
	got := newestOf([]entry{
		{stateEntry, a, []byte("old")}, {frozenEntry, a, []byte("first")}, {stateEntry, b, nil}, {frozenEntry, b, nil},
		{goneEntry, b, nil}, {goneEntry, c, nil}, {stateEntry, a, []byte("new")}, {stateEntry, c, []byte("again")},
	})
	want := []entry{
		{frozenEntry, a, []byte("first")}, {goneEntry, b, nil}, {goneEntry, c, nil}, {stateEntry, a, []byte("new")},
		{stateEntry, c, []byte("again")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("entries = %v, want %v", got, want)
	}
}

// TestAFeedCountsWhatTheCollectorStillHas ends a file before anything of it has been collected.
func TestAFeedCountsWhatTheCollectorStillHas(t *testing.T) {
	s := demoSetup(t, "")
	source := openCorpus(t, corpus(t, 30))
	synctest.Test(t, func(t *testing.T) {
		d := &daemon{setup: s, log: slog.New(slog.DiscardHandler)}
		d.collector = newCollector(d)
		c := d.collector
		c.mergers = make([]*merger, 1)
		dom := newDomain([]capture.Source{source}, s.plan(1, false)).of("source.0")
		d.feeds = []*feed{feedOf("source.0", dom)}
		go d.follow(t.Context(), 0)
		for synctest.Wait(); len(c.in) > 0; synctest.Wait() {
			c.take(<-c.in)
		}
		want := newLedger()
		want.addDomain(dom)
		if got := d.ledger(); !reflect.DeepEqual(got.Legs, want.Legs) || got.Devices != want.Devices {
			t.Errorf("legs and devices = %+v, %+v, want %+v, %+v", got.Legs, got.Devices, want.Legs, want.Devices)
		}
		if want.Legs.Ambiguous == 0 {
			t.Error("no legs are counted: the test shows nothing")
		}
	})
}
