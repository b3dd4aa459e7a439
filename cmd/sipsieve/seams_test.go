package main

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/capture"
	"sipsieve/cmd/sipsieve/pipeline"
	"sipsieve/sip/event"
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
