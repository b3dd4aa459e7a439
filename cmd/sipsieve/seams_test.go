package main

import (
	"context"
	"log/slog"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/checkpoint"
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/track"
)

// A still tap is silent after its packets, until it is closed.
type stillTap struct {
	tap
	closed chan struct{}
}

func (s *stillTap) Next() (p capture.Packet, err error) {
	if len(s.packets) > 0 {
		return s.tap.Next()
	}
	select {
	case <-s.closed:
		return s.tap.Next()
	case <-time.After(capture.IdleEvery):
		s.mark = s.first.Add(time.Since(s.began))
		return capture.Packet{Time: s.mark}, nil
	}
}

func (s *stillTap) Close() error { close(s.closed); return nil }

// TestACallIsToldThoughOtherShardsHaveHeardNothing has far more shards than calls on a wire.
func TestACallIsToldThoughOtherShardsHaveHeardNothing(t *testing.T) {
	t.Parallel()
	packets := packetsOf(t, corpus(t, 1))
	s := demoSetup(t, "")
	synctest.Test(t, func(t *testing.T) {
		one := &stillTap{closed: make(chan struct{})}
		one.packets, one.first, one.began = packets, packets[0].Time, time.Now()
		one.due(1)
		d := pipeline.New([]capture.Source{one}, s.Plan(16, true))
		ctx, stop := context.WithCancel(t.Context())
		var told atomic.Int64
		done := make(chan error, 1)
		go func() { done <- d.Follow(ctx, func(*track.Event) { told.Add(1) }) }()
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

// TestTheJournalDoesNotMakeTheWireWait has a bus that takes nothing while calls change.
func TestTheJournalDoesNotMakeTheWireWait(t *testing.T) {
	s := demoSetup(t, "../../configs/quickstart-policy.toml")
	s.Limits.Calls = 1000
	c := newCollector(&daemon{Setup: s, liveLog: new(checkpoint.Log)})
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
	if n, most := len(c.saved), 3*s.Limits.Calls; n > most || checkpoint.Reported(c.d.liveLog).Failed == 0 {
		t.Errorf("saved = %d, failed = %d, want %d at most, and counted", n, checkpoint.Reported(c.d.liveLog).Failed, most)
	}
	<-c.out
	c.save()
	if len(c.saved) != 0 {
		t.Errorf("saved = %d with room again, want 0", len(c.saved))
	}
}

// TestAFeedCountsWhatTheCollectorStillHas ends a file before anything of it has been collected.
func TestAFeedCountsWhatTheCollectorStillHas(t *testing.T) {
	s := demoSetup(t, "")
	source := openCorpus(t, corpus(t, 30))
	synctest.Test(t, func(t *testing.T) {
		d := &daemon{Setup: s, log: slog.New(slog.DiscardHandler)}
		d.collector = newCollector(d)
		c := d.collector
		c.mergers = make([]*pipeline.Merger, 1)
		dom := pipeline.New([]capture.Source{source}, s.Plan(1, false)).Named("source.0")
		d.feeds = []*feed{feedOf("source.0", s.Trunks, dom)}
		go d.follow(t.Context(), 0)
		for synctest.Wait(); len(c.files) > 0; synctest.Wait() {
			c.take(<-c.files)
		}
		want := ledger.New()
		counts := dom.Counts()
		want.AddDomain(&counts, s.Trunks)
		if got := d.ledger(); !reflect.DeepEqual(got.Legs, want.Legs) || got.Devices != want.Devices {
			t.Errorf("legs and devices = %+v, %+v, want %+v, %+v", got.Legs, got.Devices, want.Legs, want.Devices)
		}
		if want.Legs.Ambiguous == 0 {
			t.Error("no legs are counted: the test shows nothing")
		}
	})
}
