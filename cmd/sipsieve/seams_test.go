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
	"sipsieve/cmd/sipsieve/ledger"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/event"
	"sipsieve/store/policy"
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
		go func() { done <- d.Follow(ctx, func(*event.Event) { told.Add(1) }) }()
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

// TestAFeedCountsWhatTheCollectorStillHas ends a file before anything of it has been collected.
func TestAFeedCountsWhatTheCollectorStillHas(t *testing.T) {
	s := demoSetup(t, "")
	source := openCorpus(t, corpus(t, 30))
	synctest.Test(t, func(t *testing.T) {
		d := &daemon{Setup: s, log: slog.New(slog.DiscardHandler)}
		d.collector = d.newCollector(discard{})
		dom := pipeline.New([]capture.Source{source}, s.Plan(1, false)).Named("source.0")
		d.feeds = []*feed{feedOf("source.0", s.Trunks, dom)}
		followed := make(chan struct{})
		go func() { d.follow(t.Context(), 0); close(followed) }()
		synctest.Wait() // the file has been read, and nothing of it is collected
		ended := make(chan error, 1)
		go func() { ended <- d.collector.Run(t.Context()) }()
		<-followed
		d.collector.Close()
		if err := <-ended; err != nil {
			t.Error(err)
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

// A discard is a Sink that takes everything.
type discard struct{}

func (discard) Put(context.Context, []policy.Excerpt) error { return nil }
