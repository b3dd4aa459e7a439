package track

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/pcap"
	"sipsieve/sip"
)

// tap returns what sip.Reader makes of a capture file, as a tap shows it whose streams are numbered from base on and
// which sees every packet so much later.
func tap(t testing.TB, path string, base uint64, behind time.Duration) []sip.Message {
	t.Helper()
	c := pcap.DefaultConfig()
	c.StreamBase = base
	src, err := pcap.Open(path, c)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	r, b := sip.NewReader(everything(), sip.DefaultLimits()), &sip.Batch{}
	for {
		p, err := src.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			return b.Messages
		}
		p.Time = p.Time.Add(behind)
		r.Read(&p, b.Add)
	}
}

// fed returns ms as a feed of the host shows them: without streams, so much later.
func fed(ms []sip.Message, behind time.Duration) []sip.Message {
	ms = slices.Clone(ms)
	for i := range ms {
		ms[i].Stream, ms[i].Time = 0, ms[i].Time.Add(behind)
	}
	return ms
}

// TestStreamSeenTwiceIsTakenOnce shows every connection by two taps, and by a tap and a feed.
func TestStreamSeenTwiceIsTakenOnce(t *testing.T) {
	for _, name := range []string{"g16-tcp-access.pcap", "g16-tcp-core.pcap", "g32-websocket-access.pcap"} {
		path := filepath.Join(captures, "generated", name)
		if _, err := os.Stat(path); err != nil {
			t.Skip("no captures here")
		}
		once := tap(t, path, 0, 0)
		single := New(DefaultLimits())
		want := calls(follow(t, single, once, 0))
		for how, second := range map[string][]sip.Message{
			"another tap": tap(t, path, 1<<56, time.Millisecond), "a feed": fed(once, time.Millisecond),
		} {
			both := slices.Concat(once, second)
			slices.SortStableFunc(both, func(a, b sip.Message) int { return a.Time.Compare(b.Time) })
			tr := New(DefaultLimits())
			got := calls(follow(t, tr, both, 0))
			if c := tr.Counts(); c.Duplicates != uint64(len(once)) || c.Retransmissions != single.Counts().Retransmissions {
				t.Errorf("%s by %s: duplicates = %d, retransmissions = %d, want %d, %d", name, how, c.Duplicates,
					c.Retransmissions, len(once), single.Counts().Retransmissions)
			}
			if !slices.EqualFunc(got, want, sameCall) {
				t.Errorf("%s by %s: the records are others", name, how)
			}
		}
	}
}

func sameCall(a, b *Call) bool { return say(a) == say(b) && bytes.Equal(a.Facts.text, b.Facts.text) }

// TestStreamSaysNothingTwice repeats a request byte for byte, soon after: on one stream it was sent twice.
func TestStreamSaysNothingTwice(t *testing.T) {
	ms := play(t, "00:00.000  alice -> bob   OPTIONS\n")
	m := ms[0]
	m.Flow.Transport = capture.TCP
	for _, c := range []struct {
		first, second uint64 // streams
		apart         time.Duration
		want          uint64 // duplicates
	}{
		{7, 7, 10 * time.Millisecond, 0}, {7, 8, 10 * time.Millisecond, 1}, {7, 7 + 1<<56, time.Millisecond, 1},
		{7, 7 + 1<<48, time.Millisecond, 1}, {7, 0, time.Millisecond, 1}, {0, 7, time.Millisecond, 1},
		{0, 0, time.Millisecond, 1}, {7, 8, copyWindow, 0}, {0, 0, copyWindow, 0},
	} {
		tr, again := New(DefaultLimits()), m
		m.Stream, again.Stream, again.Time = c.first, c.second, m.Time.Add(c.apart)
		tr.Observe(nil, &m, testKeyer.Of(&m))
		tr.Observe(nil, &again, testKeyer.Of(&again))
		if got := tr.Counts().Duplicates; got != c.want {
			t.Errorf("streams %d and %d, %v apart: duplicates = %d, want %d", c.first, c.second, c.apart, got, c.want)
		}
	}
}

// TestRepeatOnAStreamSeenTwiceIsStillARepeat shows a stream that says one thing twice by two taps in any order.
func TestRepeatOnAStreamSeenTwiceIsStillARepeat(t *testing.T) {
	m := play(t, "00:00.000  alice -> bob   OPTIONS\n")[0]
	m.Flow.Transport = capture.TCP
	for _, order := range [][]uint64{{1, 2, 1, 2}, {1, 2, 2, 1}, {1, 1, 2, 2}} {
		tr := New(DefaultLimits())
		for i, stream := range order {
			m.Stream, m.Time = stream, ladderStart.Add(time.Duration(i)*time.Millisecond)
			tr.Observe(nil, &m, testKeyer.Of(&m))
		}
		if c := tr.Counts(); c.Tracked != 2 || c.Duplicates != 2 {
			t.Errorf("streams %v: tracked = %d, duplicates = %d, want 2, 2", order, c.Tracked, c.Duplicates)
		}
	}
}
