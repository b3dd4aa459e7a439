package pcap

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sipsieve/capture/capturetest"
)

var dawn = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// fileOf returns a capture file of SIP frames of these times, in seconds after dawn.
func fileOf(t *testing.T, seconds []float64) []byte {
	t.Helper()
	one := capturetest.Corpus(1, 1)[0]
	var frames []capturetest.Frame
	for _, s := range seconds {
		f := one
		f.Time = dawn.Add(time.Duration(s * float64(time.Second)))
		frames = append(frames, f)
	}
	var b bytes.Buffer
	if err := capturetest.WritePcap(&b, frames); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// timesOf returns the times of the packets of a capture file, and its counts.
func timesOf(t *testing.T, b []byte) (seconds []float64, stray, late uint64) {
	t.Helper()
	s, err := New("x", bytes.NewReader(b), DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := s.Next()
		if errors.Is(err, io.EOF) {
			return seconds, s.Strays(), s.Late()
		}
		if err != nil {
			t.Fatal(err)
		}
		seconds = append(seconds, p.Time.Sub(dawn).Seconds())
	}
}

// every returns n times from first on, a tenth of a second apart.
func every(first float64, n int) (list []float64) {
	for i := range n {
		list = append(list, first+float64(i)/10)
	}
	return list
}

const day = 24 * 3600

// TestAStrayTimeIsNotBelieved has files in which one or more times are far from those around.
func TestAStrayTimeIsNotBelieved(t *testing.T) {
	join := slices.Concat[[]float64]
	for _, c := range []struct {
		name       string
		times      []float64
		want       []float64
		stray, bad uint64
	}{
		{"a day ahead in the middle", join(every(0, 5), []float64{day}, every(1, 5)),
			join(every(0, 5), []float64{0.4}, every(1, 5)), 1, 0},
		{"fifteen ahead", join(every(0, 5), every(day, 15), every(1, 5)),
			join(every(0, 5), slices.Repeat([]float64{0.4}, 15), every(1, 5)), 15, 0},
		{"sixteen ahead move the clock", join(every(0, 5), every(day, 16)), join(every(0, 5), every(day, 16)), 0, 0},
		{"a day behind", join(every(day, 5), []float64{0}, every(day+1, 5)),
			join(every(day, 5), []float64{day + 0.4}, every(day+1, 5)), 1, 0},
		{"the first, ahead", join([]float64{day}, every(0, 5)), join([]float64{0}, every(0, 5)), 1, 0},
		{"the first, behind", join([]float64{0}, every(day, 20)), join([]float64{day}, every(day, 20)), 1, 0},
		{"the first, behind a few", join([]float64{0}, every(day, 5)), join([]float64{0}, every(day, 5)), 0, 0},
		{"four frames of years", []float64{0, 2000 * day, 2000*day + 1, 4000 * day},
			[]float64{0, 2000 * day, 2000*day + 1, 4000 * day}, 0, 0},
		{"the second, behind", join([]float64{day, 0}, every(day+0.1, 5)), join([]float64{day, day}, every(day+0.1, 5)), 1, 0},
		{"the second", join([]float64{0, day}, every(0.1, 5)), join([]float64{0, 0}, every(0.1, 5)), 1, 0},
		{"the second to the sixteenth", join([]float64{0}, every(day, 15), every(0.1, 5)),
			join(slices.Repeat([]float64{0}, 16), every(0.1, 5)), 15, 0},
		{"the last", join(every(0, 20), []float64{day}), join(every(0, 20), []float64{1.9}), 1, 0},
		{"the last three", join(every(0, 20), every(day, 3)), join(every(0, 20), []float64{1.9, 1.9, 1.9}), 3, 0},
		{"two apart", join(every(0, 5), []float64{day, 3 * day}, every(1, 5)),
			join(every(0, 5), []float64{0.4, 0.4}, every(1, 5)), 2, 0},
		{"one before a silence", join(every(0, 5), []float64{day}, every(600, 16)),
			join(every(0, 5), []float64{0.4}, every(600, 16)), 1, 0},
		{"two clocks in turn", []float64{0, day, 0.1, day + 0.1, 0.2, day + 0.2, 0.3},
			[]float64{0, 0, 0.1, 0.1, 0.2, 0.2, 0.3}, 3, 0},
		{"a silence that a call has", join(every(0, 20), every(600, 2)), join(every(0, 20), every(600, 2)), 0, 0},
		{"a silence that a call has, then one frame", join(every(0, 20), []float64{600}),
			join(every(0, 20), []float64{600}), 0, 0},
		{"few frames, months apart", []float64{0, 0.1, 700000, 700000.1, 700330, 700330.1},
			[]float64{0, 0.1, 700000, 700000.1, 700330, 700330.1}, 0, 0},
		{"a step back", join(every(day, 20), every(0, 20)), join(every(day, 20), every(0, 20)), 0, 0},
		{"out of order after a step back", join(every(day, 20), []float64{0.5}, every(0, 20)),
			join(every(day, 20), every(0, 6), []float64{0.5}, every(0.6, 14)), 0, 0},
		{"three minutes ahead, then late ones", join(every(0, 5), []float64{180}, every(1, 2)),
			join(every(0, 5), every(1, 2), []float64{180}), 0, 2},
	} {
		got, stray, late := timesOf(t, fileOf(t, c.times))
		if same := slices.EqualFunc(got, c.want, func(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }); !same ||
			stray != c.stray {
			t.Errorf("%s: times = %v with %d strays, want %v with %d", c.name, got, stray, c.want, c.stray)
		}
		if c.bad == 0 && late != 0 {
			t.Errorf("%s: late = %d, want 0", c.name, late)
		}
	}
}

// TestHourlyTrafficIsBelieved has two frames an hour for two days: no silence is longer than those before.
func TestHourlyTrafficIsBelieved(t *testing.T) {
	for _, apart := range []float64{3600, day} {
		var times []float64
		for i := range 48 {
			times = append(times, every(float64(i)*apart, 2)...)
		}
		got, stray, _ := timesOf(t, fileOf(t, times))
		if !slices.Equal(got, times) || stray != 0 {
			t.Errorf("apart by %v s: times = %v with %d strays, want all", apart, got, stray)
		}
	}
}

// TestWhatIsMoreThanASecondBehindIsLate has frames that come after later ones have left.
func TestWhatIsMoreThanASecondBehindIsLate(t *testing.T) {
	got, _, late := timesOf(t, fileOf(t, []float64{0, 1, 2, 3.5, 2.5, 1.9, 4}))
	if want := []float64{0, 1, 2, 1.9, 2.5, 3.5, 4}; !slices.Equal(got, want) || late != 1 {
		t.Errorf("times = %v with %d late, want %v with 1", got, late, want)
	}
}

// TestAFullBufferLetsTheEarliestLeave has room for three frames.
func TestAFullBufferLetsTheEarliestLeave(t *testing.T) {
	b := fileOf(t, []float64{0.5, 0.6, 0.4, 0.7, 0.2, 0.8})
	s, err := New("x", bytes.NewReader(b), DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	s.reorder.limit = 3 * (len(capturetest.Corpus(1, 1)[0].Data) + frameRoom)
	var got []float64
	for p, err := s.Next(); err == nil; p, err = s.Next() {
		got = append(got, p.Time.Sub(dawn).Seconds())
	}
	if want := []float64{0.4, 0.5, 0.2, 0.6, 0.7, 0.8}; !slices.Equal(got, want) || s.Late() != 1 {
		t.Errorf("times = %v with %d late, want %v with 1", got, s.Late(), want)
	}
}

// TestAFrameOfAPipeWaitsForLessThanASecond writes the frames of a file to a pipe that then is silent, some of them out
// of order and one after a silence of ten minutes.
func TestAFrameOfAPipeWaitsForLessThanASecond(t *testing.T) {
	b := fileOf(t, []float64{0.1, 0, 600})
	size := (len(b) - 24) / 3

	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		go func() { _, _ = w.Write(b[:24+2*size]) }()
		s, err := New("x", r, DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		s.pipe = newPipe(s)
		began := time.Now()
		var got []string
		for range 2 {
			p, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(p.Time.Sub(dawn).Seconds(), " ", time.Since(began)))
		}
		time.Sleep(10 * time.Minute)
		go func() { _, _ = w.Write(b[24+2*size:]); _ = w.Close() }()
		began = time.Now()
		p, err := s.Next()
		got = append(got, fmt.Sprint(p.Time.Sub(dawn).Seconds(), " ", time.Since(began)))
		if want := "0 800ms, 0.1 800ms, 600 0s"; strings.Join(got, ", ") != want || err != nil {
			t.Errorf("packets = %v, %v, want %s", got, err, want)
		}
		if _, err := s.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("then: %v, want EOF", err)
		}
	})

}
