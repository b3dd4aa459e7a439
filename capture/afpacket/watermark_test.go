package afpacket

import (
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"sipsieve/capture"
)

var _ capture.Watermarked = (*Source)(nil)

// TestNothingOlderThanTheWatermarkFollows sends frames in bursts and pauses, through rings that hand over sooner and
// later.
func TestNothingOlderThanTheWatermarkFollows(t *testing.T) {
	for _, retire := range []time.Duration{5 * time.Millisecond, 60 * time.Millisecond} {
		namespace(t)
		c := config("near")
		c.Retire = retire
		s := sourceOf(t, c)
		w := wireOf(t, "near")
		sent := make(chan int, 1)
		go func() {
			draw, n := rand.New(rand.NewPCG(1, uint64(retire))), 0
			for range 40 {
				for range 1 + draw.IntN(5) {
					w.send(datagram(5060, n, 100))
					n++
				}
				time.Sleep(time.Duration(draw.IntN(40)) * time.Millisecond)
			}
			time.Sleep(capture.IdleEvery + 4*retire)
			_ = s.Close()
			sent <- n
		}()
		var mark time.Time
		got, moved := 0, 0
		for {
			p, err := s.Next()
			if err == io.EOF {
				break
			}
			if !p.Bare() {
				if got++; p.Time.Before(mark) {
					t.Errorf("retire %s: packet %d is %s older than the watermark", retire, got, mark.Sub(p.Time))
				}
			}
			next, ok := s.Watermark()
			if !ok || next.Before(mark) {
				t.Errorf("retire %s: watermark %s, %t after %s", retire, next, ok, mark)
			}
			if p.Bare() && next.After(mark) {
				moved++
			}
			mark = next
		}
		if n := <-sent; got != n || moved == 0 {
			t.Errorf("retire %s: %d packets of %d, the watermark moved %d times in silence", retire, got, n, moved)
		}
		if _, ok := s.Watermark(); ok {
			t.Errorf("retire %s: a source that has ended has a watermark", retire)
		}
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
