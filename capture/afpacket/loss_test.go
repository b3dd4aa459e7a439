package afpacket

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sipsieve/capture"
)

// smallRing is one that a burst fills: two blocks of 128 KiB on the way out of near, where nothing else queues.
func smallRing() Config {
	c := config("near")
	c.Blocks, c.BlockSize = 2, 128<<10
	return c
}

func TestWhatTheRingCannotHoldIsCounted(t *testing.T) {
	namespace(t)
	rs, drops := opened(t, smallRing())
	w := wireOf(t, "near")
	const frames = 1000
	for i := range frames {
		w.send(datagram(5060, i, 1000))
	}
	take(t, rs[0], 1)
	seen := 1 + len(take(t, rs[0], rs[0].ring.left+1)) // the first block goes back
	last := datagram(5060, frames, 0)
	w.send(last) // there is room again
	var before time.Time
	for f := (frame{}); len(f.bytes) != len(last); seen++ {
		before = f.time
		f = take(t, rs[0], 1)[0]
	}
	reported := take(t, rs[0], 1)[0]
	if reported.bytes != nil || reported.notice.missed != drops.Load() || reported.notice.since != before || reported.time.Before(before) {
		t.Errorf("reported %d since %s, want %d since %s, in silence", reported.notice.missed, reported.notice.since, drops.Load(), before)
	}
	silent(t, rs[0])
	got, lost := rs[0].stats(), int(drops.Load())
	if got.Packets != frames+1 || lost == 0 || seen+lost != frames+1 || got.Losing != 1 || got.Freezes == 0 {
		t.Errorf("seen = %d, dropped = %d of %d; counted %+v", seen, lost, frames+1, got)
	}
}

// TestEveryLossIsReportedBetweenTheFramesAroundIt sends and reads in bursts of any size. What is missed must be exactly
// what is missing between the two times that are reported.
func TestEveryLossIsReportedBetweenTheFramesAroundIt(t *testing.T) {
	namespace(t)
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 5))
		rs, drops := opened(t, smallRing())
		w := wireOf(t, "near")
		sent := 0
		var seen []frame
		for range 60 {
			for range r.IntN(400) {
				w.send(datagram(5060, sent, 60+r.IntN(1400)))
				sent++
			}
			if r.IntN(4) == 0 {
				rs[0].sampled -= sampleEvery // a second ago
			}
			for range r.IntN(300) {
				if rs[0].ring.left == 0 {
					rs[0].ring.release()
				}
				if rs[0].ring.ready() {
					seen = append(seen, take(t, rs[0], 1)...)
				}
			}
		}
		time.AfterFunc(60*rs[0].retire, func() { _ = rs[0].close() })
		for err := error(nil); err == nil; {
			var f frame
			err = rs[0].nextFrame(&f)
			f.bytes = slices.Clone(f.bytes)
			seen = append(seen, f)
		}
		checkLosses(t, seen, uint64(sent), drops.Load())
	}
}

func TestLossThatIsAskedForTwiceBeganBeforeTheFirst(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	var l loss
	l.add(12, 5)
	if l.over(5, at(4)) {
		t.Error("reported in a block that was there before")
	}
	l.add(440, 6)
	if l.over(6, at(5)) || !l.over(7, at(6)) {
		t.Error("not reported in the first block after all of it")
	}
	if n := l.report(at(6)); n.missed != 452 || n.since != at(5) {
		t.Errorf("reported %d since %s, want 452 since %s", n.missed, n.since, at(5))
	}
	l.mark(at(7)) // by a block that was closed before the counter was read
	l.add(0, 8)
	l.add(1, 9)
	if n := l.report(at(9)); n.missed != 1 || n.since != at(9) {
		t.Errorf("reported %d since %s, want 1 since %s", n.missed, n.since, at(9))
	}
}

// A gap is frames that are missing between the times of two that came.
type gap struct {
	from, to time.Time
	missing  uint64
}

func checkLosses(t *testing.T, seen []frame, sent, drops uint64) {
	t.Helper()
	var gaps []gap
	next, last := uint64(0), seen[0].time
	for _, f := range seen {
		if len(f.bytes) == 0 {
			continue
		}
		n := number(f.bytes)
		gaps = append(gaps, gap{last, f.time, n - next})
		next, last = n+1, f.time
	}
	gaps = append(gaps, gap{last, last, sent - next}) // no frame follows
	reported, times := uint64(0), 0
	for _, f := range seen {
		if f.notice.missed == 0 {
			continue
		}
		missing := uint64(0)
		for _, g := range gaps {
			if !g.from.Before(f.notice.since) && !g.to.After(f.time) {
				missing += g.missing
			}
		}
		if missing != f.notice.missed {
			t.Errorf("reported %d, missing between %s and %s = %d", f.notice.missed, f.notice.since, f.time, missing)
		}
		reported, times = reported+f.notice.missed, times+1
	}
	if reported != drops || drops == 0 || times < 3 {
		t.Errorf("reported = %d in %d, dropped = %d: want the same, and several", reported, times, drops)
	}
}

// number returns the number of a datagram, from its eight digits.
func number(b []byte) (n uint64) {
	for _, digit := range b[42+len("OPTIONS sip:"):][:8] {
		n = n*10 + uint64(digit-'0')
	}
	return n
}

func TestLossIsReportedByAPacketOrByABareOne(t *testing.T) {
	namespace(t)
	s := sourceOf(t, smallRing())
	w := wireOf(t, "near")
	for i := range 1000 {
		w.send(datagram(5060, i, 1000))
	}
	fragment := datagram(5060, 0, 400)
	fragment[20] = 0x20 // the first of more, which never come
	p, err := next(s)
	for i := 0; err == nil && !p.Bare(); i++ {
		if i == 200 { // the first block has gone back
			w.send(fragment)
		}
		p, err = next(s)
	}
	if err != nil || p.Missed == 0 || p.Missed != s.Drops().Kernel || p.MissedSince.After(p.Time) || p.Point != "near" ||
		p.Origin != capture.Interface || p.MissedSince.IsZero() {
		t.Errorf("reported %d since %s at %s by %s of %s, %v, want %d", p.Missed, p.MissedSince, p.Time, p.Origin, p.Point,
			err, s.Drops().Kernel)
	}
	w.send(datagram(5060, 1, 100))
	if p, err = next(s); err != nil || p.Bare() || p.Missed != 0 || !p.MissedSince.IsZero() {
		t.Errorf("afterwards: bare %v, missed %d since %s, %v, want none", p.Bare(), p.Missed, p.MissedSince, err)
	}
}

func TestLossIsReportedBeforeTheEnd(t *testing.T) {
	namespace(t)
	c := smallRing()
	s := sourceOf(t, c)
	w := wireOf(t, "near")
	for i := range 1000 {
		w.send(datagram(5060, i, 1000))
	}
	p, err := next(s)
	if err != nil || p.Missed != 0 {
		t.Fatalf("first packet: missed %d, %v", p.Missed, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	returned := uint64(0)
	for ; err == nil && p.Missed == 0; p, err = next(s) {
		returned++
	}
	if err != nil || !p.Bare() || p.Missed != s.Drops().Kernel {
		t.Errorf("reported %d, bare %v, %v, want %d by a bare packet", p.Missed, p.Bare(), err, s.Drops().Kernel)
	}
	if _, err := next(s); err != io.EOF {
		t.Errorf("error = %v, want EOF", err)
	}
	if left := s.Stats().Left; left == 0 || returned+left+p.Missed != 1000 {
		t.Errorf("returned = %d, left = %d, missed = %d, want 1000 in all", returned, left, p.Missed)
	}
}

func TestStepOfTheWallClockIsReported(t *testing.T) {
	namespace(t)
	s := sourceOf(t, config("near"))
	w := wireOf(t, "near")
	base, set, steady := time.Now(), time.Duration(0), time.Duration(0)
	s.reader.clock = func() (time.Time, time.Duration) {
		steady += time.Millisecond
		return base.Add(set + steady), steady
	}
	s.reader.arrival, s.reader.steady = s.reader.clock()
	for i, c := range []struct{ set, want time.Duration }{
		{0, 0},
		{5 * time.Second, 5 * time.Second},
		{900 * time.Millisecond, 0}, // a second or less may be the clock's correction
		{-time.Hour, -time.Hour},
		{time.Hour + time.Second, time.Hour + time.Second},
	} {
		set += c.set
		other := datagram(5060, i, 100)
		binary.BigEndian.PutUint16(other[20:], 0x2000) // nothing comes of it
		w.send(other, datagram(5060, i, 100), datagram(5060, i, 100))
		for _, want := range []time.Duration{c.want, 0} {
			if p, err := next(s); err != nil || p.Step != want {
				t.Errorf("set by %s: step = %s, %v, want %s", c.set, p.Step, err, want)
			}
		}
	}
}
