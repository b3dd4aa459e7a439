package hep

import (
	"bytes"
	"testing"
	"time"
)

// TestWrongClocksAreMendedAndCounted sends stamps that are wrong by more than the limit, half an hour, and ones that
// are not.
func TestWrongClocksAreMendedAndCounted(t *testing.T) {
	s := opened(t, func(c *Config) { c.Skew = 30 * time.Minute })
	conn := dial(t, s, 1)
	before := now()
	var stamps []time.Time
	for _, off := range []time.Duration{-24 * time.Hour, 24 * time.Hour, -40 * time.Minute, 40 * time.Minute,
		-20 * time.Minute, 20 * time.Minute} {
		m := fresh(1)
		m.stamp = m.stamp.Add(off)
		stamps = append(stamps, m.stamp)
		send(t, conn, packed(m))
	}
	m := fresh(1)
	m.stamp = time.Time{}
	send(t, conn, packed(m))
	m.stamp = time.Unix(0, 0)
	send(t, conn, packed(m))
	for i, p := range take(t, s, 8) {
		mended := p.Time.Sub(before) >= 0 && time.Since(p.Time) >= 0
		if accepted := i == 4 || i == 5; mended == accepted || accepted && !p.Time.Equal(stamps[i]) {
			t.Errorf("packet %d is of %s, sent at %s", i, p.Time, before)
		}
		if p.Arrived.Before(before) || !p.Mirrored {
			t.Errorf("packet %d arrived at %s, mirrored = %t, sent at %s", i, p.Arrived, p.Mirrored, before)
		}
	}
	if st := s.Stats(); st.Skewed != 5 || st.Unstamped != 1 {
		t.Errorf("skewed = %d, unstamped = %d, want 5 and 1", st.Skewed, st.Unstamped)
	}
}

// TestOddPacketsAreUsedAndCounted sends what some senders get wrong and whose message can be read all the same.
func TestOddPacketsAreUsedAndCounted(t *testing.T) {
	s := opened(t, nil)
	conn := dial(t, s, 0)
	before := now()
	m := fresh(1)
	nanos := parts(m)
	for i := range nanos {
		if nanos[i].t == chunkMicros {
			nanos[i].value = u32(999_999_999)
		}
	}
	whole := packed(m)
	send(t, conn, build(nanos...), append(bytes.Clone(whole), "padding"...), whole[:len(whole)-9])
	ps := take(t, s, 3)
	for i, want := range []struct {
		stamped bool
		cut     int
	}{{false, 0}, {true, 0}, {true, 9}} {
		p := ps[i]
		if p.Time.Equal(m.stamp) != want.stamped || !want.stamped && p.Time.Before(before) ||
			p.Cut != (want.cut > 0) || !bytes.Equal(p.Payload, m.payload[:len(m.payload)-want.cut]) {
			t.Errorf("packet %d: got = %+v, want %+v", i, p, want)
		}
	}
	if st := s.Stats(); st.Skewed != 1 || st.Unstamped != 0 || st.Trailing != 7 || st.Cut != 1 {
		t.Errorf("skewed = %d, unstamped = %d, trailing = %d, cut = %d, want 1, 0, 7, 1", st.Skewed, st.Unstamped,
			st.Trailing, st.Cut)
	}
	balanced(t, s, 3, nil)
}
