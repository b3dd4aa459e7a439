package afpacket

import (
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"sipsieve/capture"
)

var _ capture.Watermarked = (*Source)(nil)

// TestNothingOlderThanTheWatermarkFollows sends frames in bursts and pauses, through rings that hand over sooner and
// later.
func TestNothingOlderThanTheWatermarkFollows(t *testing.T) {
	for _, retire := range []time.Duration{5 * time.Millisecond, 60 * time.Millisecond} {
		t.Run(retire.String(), func(t *testing.T) {
			t.Parallel()
			namespace(t)
			c := config("near")
			c.Retire = retire
			s := sourceOf(t, c)
			w := wireOf(t, "near")
			var got, silent atomic.Int64
			done := make(chan struct{})
			go func() {
				defer close(done)
				followMark(t, s, &got, &silent)
			}()
			draw, n := rand.New(rand.NewPCG(1, uint64(retire))), 0
			for range 25 {
				for range 1 + draw.IntN(5) {
					w.send(datagram(5060, n, 100))
					n++
				}
				time.Sleep(time.Duration(draw.IntN(40)) * time.Millisecond)
			}
			eventually(t, func() bool { return got.Load() >= int64(n) && silent.Load() > 0 })
			_ = s.Close()
			<-done
			if got.Load() != int64(n) {
				t.Errorf("%d packets of %d", got.Load(), n)
			}
			if _, ok := s.Watermark(); ok {
				t.Error("a source that has ended has a watermark")
			}
		})
	}
}

// followMark reads s to its end and checks the watermark after each packet. It counts packets, and the times that the
// watermark moved in silence.
func followMark(t *testing.T, s *Source, got, silent *atomic.Int64) {
	var mark time.Time
	for {
		p, err := s.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		if !p.Bare() && p.Time.Before(mark) {
			t.Errorf("packet %d is %s older than the watermark", got.Load()+1, mark.Sub(p.Time))
		}
		next, ok := s.Watermark()
		if !ok || next.Before(mark) {
			t.Errorf("watermark %s, %t after %s", next, ok, mark)
		}
		switch {
		case !p.Bare():
			got.Add(1)
		case next.After(mark):
			silent.Add(1)
		}
		mark = next
	}
}

// TestWatermarkFollowsTheWallClock sets the clock back by an hour in silence.
func TestWatermarkFollowsTheWallClock(t *testing.T) {
	namespace(t)
	s := sourceOf(t, config("near"))
	if p, err := s.Next(); err != nil || !p.Bare() || p.Step != 0 {
		t.Fatalf("bare %v, step %s, %v, want a bare packet without", p.Bare(), p.Step, err)
	}
	before, _ := s.Watermark()
	real := s.reader.clock
	s.reader.clock = func() (time.Time, time.Duration) {
		wall, steady := real()
		return wall.Add(-time.Hour), steady
	}
	p, err := s.Next()
	if err != nil || !p.Bare() || (p.Step+time.Hour).Abs() > time.Second {
		t.Errorf("bare %v, step %s, %v, want a bare packet of an hour back", p.Bare(), p.Step, err)
	}
	after, ok := s.Watermark()
	if by := before.Add(-time.Hour).Sub(after).Abs(); !ok || by > time.Minute {
		t.Errorf("watermark = %s, %t, want an hour before %s", after, ok, before)
	}
}
