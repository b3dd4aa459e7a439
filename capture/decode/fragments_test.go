package decode

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"sipsieve/capture"
)

// FuzzFragments states that the order of a datagram's fragments and exact repeats of them change nothing, that options
// change nothing, and that what was held came out.
func FuzzFragments(f *testing.F) {
	for seed := range uint64(16) {
		f.Add(seed, uint16(1500+97*seed), seed%2 == 0, seed%3 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, size uint16, v6, options bool) {
		payload := numbered(int(size)%15000 + 100)
		datagram := udpDatagram(payload)
		r := rand.New(rand.NewPCG(seed, 1))
		pieces := cutUp(r, datagram, 64*(1+int(size)/4000))
		if len(pieces) == 1 {
			return
		}
		again := slices.Clone(pieces)
		for range r.IntN(len(pieces)) {
			again = append(again, pieces[r.IntN(len(pieces))])
		}
		r.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		d := newDecoder(t, DefaultConfig())
		extra := 0
		if options {
			extra = 8
		}
		for _, p := range again {
			d.feed(ipPacket(v6, 7, 17, datagram[p.from:p.to], p.from, p.to < len(datagram), extra))
		}
		d.flush()
		if len(d.out) != 1 || !bytes.Equal(d.out[0].Payload, payload) {
			t.Fatalf("datagrams = %d, want the one that was cut into %d", len(d.out), len(pieces))
		}
		if id := d.out[0].ID; v6 && id != 0 || !v6 && id != 7 {
			t.Errorf("identification = %d", id)
		}
		drops := d.count.Drops()
		if held, repeats := drops.Refused[capture.FragmentHeld], drops.Refused[capture.FragmentRepeat]; held !=
			uint64(len(pieces)-1) || repeats != uint64(len(again)-len(pieces)) || drops.Lost != [capture.Reasons]uint64{} {
			t.Errorf("held = %d, repeats = %d, lost = %v, want %d, %d and none", held, repeats, drops.Lost,
				len(pieces)-1, len(again)-len(pieces))
		}
	})
}

// FuzzFragmentSoup states that whatever fragments come, the table stays inside its limits and every fragment that was
// held is given in a datagram or counted as lost.
func FuzzFragmentSoup(f *testing.F) {
	for seed := range uint64(8) {
		soup := make([]byte, 400)
		r := rand.New(rand.NewPCG(seed, 7))
		for i := range soup {
			soup[i] = byte(r.Uint32())
		}
		f.Add(seed, soup, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, soup []byte, v6 bool) {
		cfg := DefaultConfig()
		cfg.Datagrams, cfg.PerSource, cfg.FragmentRoom = 6, 4, 400
		d := newDecoder(t, cfg)
		r := rand.New(rand.NewPCG(seed, 3))
		given := uint64(0)
		for i, c := range soup[:min(len(soup), 1000)] {
			size, id := 16, uint32(c&3)
			if c&0x38 == 0 {
				size = r.IntN(40)
			}
			body := make([]byte, max(size, 8))
			copy(body, udpDatagram(nil))
			binary.BigEndian.PutUint16(body[4:], uint16(r.IntN(4)/3*5)) // whatever length, or one that cannot be
			body = body[:size]
			before, passed := d.fragments.byKey[keyOfTest(v6, id)].count(), d.count.Drops().Passed
			offset, more := 16*r.IntN(4), c&0x80 != 0 && i%5 != 0
			d.feed(ipPacket(v6, id, 17, body, offset, more || offset == 0, 0))
			if d.count.Drops().Passed > passed {
				given += before
			}
			if n := d.fragments; len(n.byKey) > cfg.Datagrams || n.room > cfg.FragmentRoom {
				t.Fatalf("datagrams = %d of %d bytes, over the limits", len(n.byKey), n.room)
			}
		}
		d.flush()
		lost := uint64(0)
		for _, n := range d.count.Drops().Lost {
			lost += n
		}
		if held := d.refused(capture.FragmentHeld); lost+given != held {
			t.Errorf("held = %d, given = %d, lost = %d", held, given, lost)
		}
	})
}

func keyOfTest(v6 bool, id uint32) datagramKey {
	if v6 {
		return datagramKey{src: v6a, dst: v6b, id: id}
	}
	return datagramKey{src: v4a, dst: v4b, id: id, proto: 17}
}

// count is the fragments that g holds.
func (g *datagram) count() uint64 {
	if g == nil {
		return 0
	}
	return uint64(len(g.parts))
}

func TestOverlappingFragmentsAreRefused(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		d := newDecoder(t, DefaultConfig())
		b := udpDatagram(numbered(200))
		d.feed(ipPacket(v6, 1, 17, b[:64], 0, true, 0))
		d.feed(ipPacket(v6, 1, 17, b[56:120], 56, true, 0))
		d.feed(ipPacket(v6, 1, 17, b[120:], 120, false, 0))
		d.feed(ipPacket(v6, 1, 17, b[64:120], 64, true, 0))
		n, lost := d.refused(capture.FragmentOverlap), d.lost(capture.FragmentOverlap)
		if len(d.out) != 0 || n != 3 || lost != 1 {
			t.Errorf("IPv6 %v: datagrams = %d, refused = %d, lost = %d, want 0, 3 and 1", v6, len(d.out), n, lost)
		}
	}
}

func TestSameFragmentWithOtherBytesIsAnOverlap(t *testing.T) {
	d := newDecoder(t, DefaultConfig())
	b := udpDatagram(numbered(200))
	d.feed(ipPacket(false, 1, 17, b[:64], 0, true, 0))
	other := slices.Clone(b[:64])
	other[40]++
	d.feed(ipPacket(false, 1, 17, other, 0, true, 0))
	d.feed(ipPacket(false, 1, 17, b[64:], 64, false, 0))
	if len(d.out) != 0 || d.refused(capture.FragmentOverlap) != 2 {
		t.Errorf("datagrams = %d, overlaps = %d, want 0 and 2", len(d.out), d.refused(capture.FragmentOverlap))
	}
}

// TestSecondTapLeavesNothingBehind: each fragment of a datagram is seen twice, the last copy after it was complete.
// The identification may be used again right after.
func TestSecondTapLeavesNothingBehind(t *testing.T) {
	d := newDecoder(t, DefaultConfig())
	b := udpDatagram(numbered(200))
	for round := range 3 {
		for _, p := range []piece{{0, 64}, {64, len(b)}} {
			for range 2 {
				d.feed(ipPacket(false, 1, 17, b[p.from:p.to], p.from, p.to < len(b), 0))
			}
		}
		if len(d.fragments.byKey) != 1 || d.fragments.live.newer != &d.fragments.live || len(d.out) != round+1 {
			t.Fatalf("datagrams = %d, in flight = %d, want one more each time and none", len(d.out), len(d.fragments.byKey))
		}
		d.now = d.now.Add(afterlife)
	}
}

func TestFragmentsOfOtherPortsAndProtocolsOccupyNothing(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Ports = []PortRange{{5060, 5061}}
	for _, v6 := range []bool{false, true} {
		d := newDecoder(t, cfg)
		media := udpDatagram(numbered(200))
		copy(media, "\x40\x00\x40\x02")
		d.feed(ipPacket(v6, 1, 17, media[120:], 120, false, 0)) // before its first
		d.feed(ipPacket(v6, 1, 17, media[:64], 0, true, 0))
		d.feed(ipPacket(v6, 1, 17, media[64:120], 64, true, 0))
		d.feed(ipPacket(v6, 2, 1, media[:64], 0, true, 0))
		d.feed(ipPacket(v6, 2, 1, media[64:], 64, false, 0))
		d.feed(ipPacket(v6, 3, 47, media[:64], 0, true, 0))
		if f := &d.fragments; len(d.out) != 0 || f.live.newer != &f.live || f.room != 0 {
			t.Errorf("IPv6 %v: packets = %d, bytes in flight = %d, want none", v6, len(d.out), f.room)
		}
		if d.refused(capture.OtherPort) != 2 || d.lost(capture.OtherPort) != 1 || d.refused(capture.NotTransport) != 2 ||
			d.refused(capture.Tunnel) != 1 {
			t.Errorf("IPv6 %v: counts = %+v", v6, d.count.Drops())
		}
	}
}

// TestHalfDatagramsStayInsideTheLimits is the attack of 60,000 datagrams that never end, and of 8,000 tiny parts. A
// datagram of an honest host gets through in the middle of it.
func TestHalfDatagramsStayInsideTheLimits(t *testing.T) {
	d := newDecoder(t, DefaultConfig())
	honest := udpDatagram(numbered(3000))
	feed := func(from, to int) {
		p := ipPacket(false, 77, 17, honest[from:to], from, to < len(honest), 0)
		p[12], p[13] = 198, 51
		d.feed(p)
	}
	for i := range 60_000 {
		p := ipPacket(false, uint32(i), 17, make([]byte, 1024), 0, true, 0)
		p[12], p[13], p[14] = byte(i), byte(i>>8), byte(i>>3) // many sources
		d.feed(p)
		switch i {
		case 30_000:
			feed(0, 1480)
		case 30_100:
			feed(1480, len(honest))
		}
	}
	for i := range 8_000 {
		d.feed(ipPacket(false, 9, 17, make([]byte, 8), (i*8)%65000, true, 0))
	}
	f := &d.fragments
	if len(f.byKey) > f.cfg.Datagrams || f.room > f.cfg.FragmentRoom || len(f.bySource) > f.cfg.Datagrams {
		t.Errorf("datagrams = %d, bytes = %d, over the limits", len(f.byKey), f.room)
	}
	if len(d.out) != 1 || !bytes.Equal(d.out[0].Payload, honest[8:]) {
		t.Errorf("datagrams = %d, want the honest one", len(d.out))
	}
	if d.lost(capture.FragmentEvicted) < 58_000 || d.refused(capture.FragmentInvalid) == 0 {
		t.Errorf("evicted = %d, invalid = %d, want both counted", d.lost(capture.FragmentEvicted),
			d.refused(capture.FragmentInvalid))
	}
	d.now = d.now.Add(time.Hour)
	d.feed(ipPacket(false, 1, 17, make([]byte, 64), 0, true, 0))
	d.now = d.now.Add(time.Second)
	d.feed(ipPacket(false, 1, 17, make([]byte, 64), 0, true, 0))
	if len(f.byKey) != 1 || f.room != 64 {
		t.Errorf("datagrams = %d of %d bytes after an hour, want the new one", len(f.byKey), f.room)
	}
}

// TestOneSourceKeepsItsNewest: a host that leaves many datagrams unfinished hurts nobody, not even itself.
func TestOneSourceKeepsItsNewest(t *testing.T) {
	d := newDecoder(t, DefaultConfig())
	b := udpDatagram(numbered(200))
	for id := range uint32(1000) {
		d.feed(ipPacket(false, id, 17, b[:64], 0, true, 0))
	}
	d.feed(ipPacket(false, 999, 17, b[64:], 64, false, 0))
	if len(d.out) != 1 || d.lost(capture.FragmentEvicted) != 1000-64 {
		t.Errorf("datagrams = %d, evicted = %d, want 1 and %d", len(d.out), d.lost(capture.FragmentEvicted), 1000-64)
	}
}

func TestFragmentsWaitForTheirAgeAndNoLonger(t *testing.T) {
	for wait, want := range map[time.Duration]int{14 * time.Second: 1, 16 * time.Second: 0, -16 * time.Second: 0} {
		d := newDecoder(t, DefaultConfig())
		b := udpDatagram(numbered(200))
		d.feed(ipPacket(false, 1, 17, b[:64], 0, true, 0))
		d.now = d.now.Add(wait)
		d.feed(ipPacket(false, 1, 17, b[64:], 64, false, 0))
		if lost := d.lost(capture.FragmentExpired); len(d.out) != want || lost != uint64(1-want) {
			t.Errorf("%v: datagrams = %d, lost = %d, want %d", wait, len(d.out), lost, want)
		}
	}
}

// TestFragmentsInFragmentsComeToAnEnd: one frame completes a datagram that completes the next, and so on.
func TestFragmentsInFragmentsComeToAnEnd(t *testing.T) {
	for levels := range 7 {
		d := newDecoder(t, DefaultConfig())
		b, proto := udpDatagram(numbered(4000)), byte(17)
		for level := range levels {
			half := len(b) / 2 &^ 7
			d.feed(ipPacket(true, uint32(level), proto, b[:half], 0, true, 0))
			head := binary.BigEndian.AppendUint16([]byte{proto, 0}, uint16(half))
			b = append(binary.BigEndian.AppendUint32(head, uint32(level)), b[half:]...)
			proto = ProtoFragment
		}
		d.feed(ipPacket(true, 0, proto, b, 0, false, 0))
		d.flush()
		if given := len(d.out) == 1; given != (levels <= maxJoined) || !given && d.refused(capture.FragmentInvalid) != 1 {
			t.Errorf("%d levels: packets = %d, counts = %+v", levels, len(d.out), d.count.Drops())
		}
	}
}

// TestFragmentTableHasAFixedSize measures what the table holds when an attacker has filled it.
func TestFragmentTableHasAFixedSize(t *testing.T) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d := newDecoder(t, DefaultConfig())
	part := make([]byte, 65_000) // at the far end of a datagram: only the bytes that came take room
	for i := range 3000 {
		p := ipPacket(false, uint32(i), 17, part[:16<<10], 0, true, 0)
		p[12], p[13] = byte(i), byte(i>>8)
		d.feed(p)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 12<<20 {
		t.Errorf("memory = %d KiB, want less than 12 MiB", grown>>10)
	}
	runtime.KeepAlive(d)
}

// BenchmarkFragmentAttacks is the time of one frame of an attack.
func BenchmarkFragmentAttacks(b *testing.B) {
	attack := func(name string, frame func(i int, p []byte)) {
		b.Run(name, func(b *testing.B) {
			var count capture.Counters
			d := New(DefaultConfig(), &count)
			p := ipPacket(false, 0, 17, make([]byte, 64), 0, true, 0)
			f := Frame{Link: Raw, Data: p, Length: len(p), Time: newYear}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				frame(i, p)
				f.Time = f.Time.Add(time.Microsecond)
				d.Frame(&f)
			}
		})
	}
	attack("halves", func(i int, p []byte) { binary.BigEndian.PutUint32(p[12:], uint32(i)) })
	attack("one source", func(i int, p []byte) { binary.BigEndian.PutUint16(p[4:], uint16(i)) })
	attack("newest sources", func(i int, p []byte) {
		binary.BigEndian.PutUint16(p[4:], uint16(i))
		if p[12] = 1; i < 1024 {
			binary.BigEndian.PutUint32(p[12:], uint32(i))
		}
	})
	attack("tiny parts", func(i int, p []byte) {
		binary.BigEndian.PutUint16(p[4:], uint16(i/64))
		binary.BigEndian.PutUint16(p[6:], 0x2000|uint16(63-i%64)*8)
	})
	attack("far ends", func(i int, p []byte) {
		binary.BigEndian.PutUint16(p[4:], uint16(i))
		binary.BigEndian.PutUint16(p[6:], 0x2000|8000)
	})
}
