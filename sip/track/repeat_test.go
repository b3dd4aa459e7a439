package track

import (
	"slices"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/event"
)

// What a byte of how makes of a message: bits 0 and 1 a copy of its datagram on another VLAN, that many times 50 ms
// later; bits 2 to 4 retransmissions, each twice as long after the one before (RFC 3261 section 17.1.1.2).
func repeated(ms []sip.Message, how []byte) (out []sip.Message, retransmitted int) {
	out = slices.Clone(ms)
	for i, m := range ms {
		if i >= len(how) {
			break
		}
		if n := how[i] & 3; n > 0 && m.Flow.Transport == capture.UDP {
			c := m
			c.Time, c.VLAN = c.Time.Add(time.Duration(n)*50*time.Millisecond), c.VLAN+1
			out = append(out, c)
		}
		wait := 500 * time.Millisecond
		for n := range how[i] >> 2 & 7 {
			c := m
			c.Time, c.ID = m.Time.Add(wait), c.ID+1+uint32(n)
			c.Mark += (uint64(n) + 1) * 0x9e3779b97f4a7c15
			wait *= 2
			out = append(out, c)
			retransmitted++
		}
	}
	slices.SortStableFunc(out, func(a, b sip.Message) int { return a.Time.Compare(b.Time) })
	return out, retransmitted
}

// A rehearsed story is one with its messages and its records.
type rehearsed struct {
	story
	ms   []sip.Message
	want []*event.Call
}

func rehearse(t testing.TB) (all []rehearsed) {
	for _, s := range allStories() {
		ms := play(t, s.ladder)
		all = append(all, rehearsed{s, ms, outcomes(t, ms, s.wait+time.Hour)})
	}
	return all
}

// unchanged checks that repeats change nothing but their own number.
func unchanged(t *testing.T, s *rehearsed, how []byte) {
	t.Helper()
	want := s.want
	shown, n := repeated(s.ms, how)
	got := outcomes(t, shown, s.wait+time.Hour)
	if len(got) != len(want) {
		t.Fatalf("%s: %d records, want %d", s.name, len(got), len(want))
	}
	for i, c := range got {
		if more := c.Retransmissions - want[i].Retransmissions; more < 0 || more > n {
			t.Errorf("%s: %d retransmissions more, want 0 to %d", s.name, more, n)
		}
		c.Retransmissions = want[i].Retransmissions
		if g, w := lineOf(c), lineOf(want[i]); g != w {
			t.Errorf("%s:\n%s\nwant\n%s", s.name, g, w)
		}
		if !slices.Equal(c.Facts.Bytes(), want[i].Facts.Bytes()) {
			t.Errorf("%s: other texts", s.name)
		}
	}
}

func TestRepeatsOfOneMessageChangeNoCall(t *testing.T) {
	t.Parallel()
	for _, s := range rehearse(t) {
		for i := range s.ms {
			for _, as := range []byte{1, 2, 4, 1<<2 | 3, 7 << 2} {
				unchanged(t, &s, append(make([]byte, i), as))
			}
		}
	}
}

func TestRetransmissionsAreCounted(t *testing.T) {
	s := allStories()[0]
	how := []byte{1 | 3<<2, 2, 1<<2 | 1, 2 << 2, 1, 0}
	shown, n := repeated(play(t, s.ladder), how)
	tr := New(DefaultLimits())
	c := one(t, callsIn(follow(t, tr, shown, 0)))
	if got := tr.Counts(); c.Retransmissions != n || got.Retransmissions != uint64(n) || got.Duplicates != 4 {
		t.Errorf("retransmissions = %d and %d, duplicates = %d, want %d, %d, 4", c.Retransmissions,
			got.Retransmissions, got.Duplicates, n, n)
	}
}

// FuzzRepeatsChangeNoCall shows a story with any copies and retransmissions of its messages.
func FuzzRepeatsChangeNoCall(f *testing.F) {
	all := rehearse(f)
	for i := range all {
		f.Add(uint8(i), []byte{1, 1 << 2, 2 << 2, 3<<2 | 1, 0, 1 << 2, 2, 3})
	}
	f.Fuzz(func(t *testing.T, which uint8, how []byte) {
		unchanged(t, &all[int(which)%len(all)], how)
	})
}
