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
	"sipsieve/sip/event"
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
		want := callsIn(follow(t, single, once, 0))
		for how, second := range map[string][]sip.Message{
			"another tap": tap(t, path, 1<<56, time.Millisecond), "a feed": fed(once, time.Millisecond),
		} {
			both := slices.Concat(once, second)
			slices.SortStableFunc(both, func(a, b sip.Message) int { return a.Time.Compare(b.Time) })
			tr := New(DefaultLimits())
			got := callsIn(follow(t, tr, both, 0))
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

func sameCall(a, b *event.Call) bool {
	return lineOf(a) == lineOf(b) && bytes.Equal(a.Facts.Bytes(), b.Facts.Bytes())
}

// TestStreamHasNoCopiesOfItsOwn repeats a request byte for byte, soon after: on one stream it was sent twice.
func TestStreamHasNoCopiesOfItsOwn(t *testing.T) {
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

// TestRepeatOnAStreamSeenTwiceIsStillARepeat has a stream with one message twice, captured by two taps, in any order.
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

// A capturedCopy is one copy of a message: by a tap with that IP identification, or by a feed, for which it is 0, whose
// stamp is so much off its arrival.
type capturedCopy struct {
	at  time.Duration // arrival
	id  uint32
	off time.Duration
}

// copiesOf returns m as the copies of list show it.
func copiesOf(m sip.Message, list []capturedCopy) (ms []sip.Message) {
	for _, w := range list {
		c := m
		c.Time = ladderStart.Add(w.at)
		if c.ID, c.Mirrored = w.id, w.id == 0; c.Mirrored {
			c.Arrived, c.Time = c.Time, c.Time.Add(w.off)
		}
		ms = append(ms, c)
	}
	return ms
}

// TestFeedAndTapOfOneHopAreCopies: the n-th copy of a feed is of the n-th transmission that the wire shows.
func TestFeedAndTapOfOneHopAreCopies(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		list []capturedCopy
		want uint64 // transmissions
	}{
		"the wire first":                      {[]capturedCopy{{0, 7, 0}, {ms, 0, 0}}, 1},
		"the feed first":                      {[]capturedCopy{{0, 0, 0}, {ms, 7, 0}}, 1},
		"at once":                             {[]capturedCopy{{0, 0, 0}, {0, 7, 0}}, 1},
		"a feed whose clock is fast":          {[]capturedCopy{{0, 7, 0}, {ms, 0, 1900 * ms}}, 1},
		"a feed whose clock is slow":          {[]capturedCopy{{0, 7, 0}, {ms, 0, -1900 * ms}}, 1},
		"two taps and a feed":                 {[]capturedCopy{{0, 7, 0}, {ms, 7, 0}, {2 * ms, 0, 0}}, 1},
		"a tap, a feed, a tap":                {[]capturedCopy{{0, 7, 0}, {ms, 0, 0}, {2 * ms, 7, 0}}, 1},
		"a feed, then two taps":               {[]capturedCopy{{0, 0, 0}, {ms, 7, 0}, {2 * ms, 7, 0}}, 1},
		"two feeds":                           {[]capturedCopy{{0, 0, 0}, {ms, 0, 0}}, 1},
		"two feeds and a tap":                 {[]capturedCopy{{0, 0, 0}, {ms, 7, 0}, {2 * ms, 0, 0}}, 1},
		"retransmitted, by both":              {[]capturedCopy{{0, 7, 0}, {ms, 0, 0}, {500 * ms, 8, 0}, {501 * ms, 0, 0}}, 2},
		"retransmitted soon, by both":         {[]capturedCopy{{0, 7, 0}, {ms, 0, 0}, {100 * ms, 8, 0}, {101 * ms, 0, 0}}, 2},
		"retransmitted soon, the feed behind": {[]capturedCopy{{0, 7, 0}, {50 * ms, 8, 0}, {60 * ms, 0, 0}, {70 * ms, 0, 0}}, 2},
		"retransmitted soon, the feed ahead":  {[]capturedCopy{{0, 0, 0}, {50 * ms, 0, 0}, {60 * ms, 7, 0}, {70 * ms, 8, 0}}, 2},
		"three times, mixed": {[]capturedCopy{{0, 7, 0}, {40 * ms, 8, 0}, {41 * ms, 0, 0}, {80 * ms, 9, 0}, {81 * ms, 0, 0},
			{82 * ms, 0, 0}}, 3},
		"two feeds, retransmitted": {[]capturedCopy{{0, 7, 0}, {ms, 0, 0}, {2 * ms, 0, 0}, {100 * ms, 8, 0}, {101 * ms, 0, 0},
			{102 * ms, 0, 0}}, 2},
		"the wire lost the second": {[]capturedCopy{{0, 7, 0}, {ms, 0, 0}, {500 * ms, 0, 0}}, 2},
		"the feed lost the first":  {[]capturedCopy{{0, 7, 0}, {500 * ms, 8, 0}, {501 * ms, 0, 0}}, 2},
		"too late for a copy":      {[]capturedCopy{{0, 7, 0}, {200 * ms, 0, 0}}, 2},
		"just in time":             {[]capturedCopy{{0, 7, 0}, {199 * ms, 0, 0}}, 1},
	} {
		list := copiesOf(play(t, "00:00.000  alice -> bob   OPTIONS\n")[0], c.list)
		tr := New(DefaultLimits())
		for i := range list {
			tr.Observe(nil, &list[i], testKeyer.Of(&list[i]))
		}
		if got := tr.Counts(); got.Tracked != c.want || got.Duplicates != uint64(len(list))-c.want {
			t.Errorf("%s: taken = %d, copies = %d, want %d, %d", name, got.Tracked, got.Duplicates, c.want,
				uint64(len(list))-c.want)
		}
	}
}

// TestOtherHopsAreNoCopies: a feed shows both hops of a proxy, the wire one of them.
func TestOtherHopsAreNoCopies(t *testing.T) {
	m := play(t, "00:00.000  alice -> bob   OPTIONS\n")[0]
	list := copiesOf(m, []capturedCopy{{0, 7, 0}, {time.Millisecond, 0, 0}, {time.Millisecond, 0, 0}})
	list[2].Flow.Src, list[2].Mark = list[2].Flow.Dst, list[2].Mark+1
	tr := New(DefaultLimits())
	for i := range list {
		tr.Observe(nil, &list[i], testKeyer.Of(&list[i]))
	}
	if c := tr.Counts(); c.Tracked != 2 || c.Duplicates != 1 {
		t.Errorf("taken = %d, copies = %d, want 2, 1", c.Tracked, c.Duplicates)
	}
}

// TestCallSeenByTapAndFeedIsTheTaps plays calls with repeats by a tap, and by a tap and a feed in any order: the
// records and the retransmissions are the same, and the times are the tap's.
func TestCallSeenByTapAndFeedIsTheTaps(t *testing.T) {
	wire := play(t, `
00:00.000  alice -> bob   INVITE
00:00.500  alice -> bob   INVITE
00:00.700  alice <- bob   180
00:04.000  alice <- bob   200 INVITE
00:04.500  alice <- bob   200 INVITE
00:04.600  alice -> bob   ACK
01:04.000  alice -> bob   BYE
01:04.100  alice <- bob   200 BYE`)
	single := New(DefaultLimits())
	want := callsIn(follow(t, single, wire, 0))
	for _, late := range []time.Duration{time.Millisecond, -time.Millisecond, 0, 150 * time.Millisecond} {
		for _, off := range []time.Duration{0, 3 * time.Millisecond, -3 * time.Millisecond} {
			both := slices.Clone(wire)
			for _, m := range wire {
				m.ID, m.Mirrored, m.Arrived = 0, true, m.Time.Add(late)
				m.Time = m.Arrived.Add(off)
				both = append(both, m)
			}
			slices.SortStableFunc(both, func(a, b sip.Message) int { return a.Time.Compare(b.Time) })
			tr := New(DefaultLimits())
			got := callsIn(follow(t, tr, both, 0))
			if c := tr.Counts(); c.Duplicates != uint64(len(wire)) || c.Retransmissions != single.Counts().Retransmissions {
				t.Errorf("late %v, off %v: copies = %d, retransmissions = %d, want %d, %d", late, off, c.Duplicates,
					c.Retransmissions, len(wire), single.Counts().Retransmissions)
			}
			if late+off >= 0 && !slices.EqualFunc(got, want, sameCall) {
				t.Errorf("late %v, off %v: the records are others:\n%s\nwant\n%s", late, off, lineOf(got[0]), lineOf(want[0]))
			}
		}
	}
}
