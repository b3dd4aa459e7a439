package decode

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sipsieve/capture"
)

// server is the port of the side that answers in these tests; client that of the other.
const (
	client = 40000
	server = 5060
)

// clientSends feeds a segment from client to server.
func (d *decoder) clientSends(seq uint32, flags byte, text string) {
	d.t.Helper()
	d.feed(ipPacket(false, 0, 6, tcpSegment(client, seq, flags, []byte(text)), 0, false, 0))
}

// answers feeds a segment the other way.
func (d *decoder) answers(seq, ack uint32, flags byte, text string) {
	d.t.Helper()
	p := ipPacket(false, 0, 6, tcpSegment(client, seq, flags, []byte(text)), 0, false, 0)
	p[20], p[21], p[22], p[23] = p[22], p[23], p[20], p[21]
	p[28], p[29], p[30], p[31] = byte(ack>>24), byte(ack>>16), byte(ack>>8), byte(ack)
	copy(p[12:20], slices.Concat(p[16:20], p[12:16]))
	d.feed(p)
}

// streams returns the text of each stream, in the order in which they began: | for what is lost, . for the end.
func (d *decoder) each() string {
	var order []uint64
	text := map[uint64]*strings.Builder{}
	for _, p := range d.out {
		b := text[p.Stream]
		if b == nil {
			b = new(strings.Builder)
			order, text[p.Stream] = append(order, p.Stream), b
		}
		if p.Lost {
			b.WriteByte('|')
		}
		if b.Write(p.Payload); p.Ended {
			b.WriteByte('.')
		}
	}
	var list []string
	for _, n := range order {
		list = append(list, text[n].String())
	}
	return strings.Join(list, " ")
}

// FuzzStream states that cutting, repeating, overlapping and, inside the window, reordering segments of a TCP stream
// gives the same bytes, whatever its first sequence number is.
func FuzzStream(f *testing.F) {
	for seed := range uint64(32) {
		f.Add(seed, uint32(seed*0x10000001), uint8(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, first uint32, reach uint8) {
		r := rand.New(rand.NewPCG(seed, 2))
		stream := numbered(4000)
		pieces, places := cutUp(r, stream, 20), 1+int(reach)%60
		d := newDecoder(t, DefaultConfig())
		d.clientSends(first-1, flagSYN, "")
		for _, p := range shuffledWithin(r, pieces, places) {
			from := max(0, p.from-r.IntN(40)) // overlaps what came before
			to := min(len(stream), p.to+r.IntN(40))
			d.clientSends(first+uint32(from), flagACK, string(stream[from:to]))
			for range r.IntN(3) {
				d.clientSends(first+uint32(p.from), flagACK, string(stream[p.from:p.to]))
			}
			d.clientSends(first-1, flagSYN, "") // sent again, late
			if places == 1 {                    // a probe comes when all before it has been acknowledged
				d.clientSends(first+uint32(p.from)-1, flagACK, "\x00")
			}
		}
		d.clientSends(first+uint32(len(stream)), flagFIN|flagACK, "")
		d.clientSends(first+uint32(len(stream)), flagFIN|flagACK, "")
		d.flush()
		if got := d.each(); got != string(stream)+"." {
			t.Errorf("bytes = %d, want the %d that were sent, once, and their end", len(got), len(stream))
		}
	})
}

// shuffledWithin moves pieces by fewer than n places.
func shuffledWithin(r *rand.Rand, pieces []piece, n int) []piece {
	pieces = slices.Clone(pieces)
	for i := 0; i < len(pieces); i += n {
		part := pieces[i:min(i+n, len(pieces))]
		r.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
	}
	return pieces
}

// FuzzLostSegments states that each lost segment costs its own bytes only, and is reported in the right place.
func FuzzLostSegments(f *testing.F) {
	for seed := range uint64(32) {
		f.Add(seed, uint8(seed*3))
	}
	f.Fuzz(func(t *testing.T, seed uint64, losses uint8) {
		r := rand.New(rand.NewPCG(seed, 5))
		stream := numbered(8000)
		pieces := cutUp(r, stream, 20)
		missing := map[int]bool{}
		for range losses % 16 {
			missing[1+r.IntN(len(pieces)-1)] = true
		}
		var want strings.Builder
		d := newDecoder(t, DefaultConfig())
		gap := false
		for i, p := range pieces {
			if missing[i] {
				gap = true
				continue
			}
			if gap {
				want.WriteByte('|')
			}
			gap = false
			want.Write(stream[p.from:p.to])
			d.clientSends(uint32(p.from), flagACK, string(stream[p.from:p.to]))
		}
		d.flush()
		if got := d.text(); got != want.String() {
			t.Errorf("got %d bytes, want %d: all but those of %d segments", len(got), want.Len(), len(missing))
		}
	})
}

// FuzzConnections states that whatever segments come, the limits hold, and no stream goes on after its end.
func FuzzConnections(f *testing.F) {
	for seed := range uint64(16) {
		f.Add(seed, []byte("\x02\x10\x10\x11\x02\x12\x10\x04\x10\x18\x50\x90\xd0"))
	}
	f.Fuzz(func(t *testing.T, seed uint64, soup []byte) {
		cfg := DefaultConfig()
		cfg.Connections, cfg.Holds, cfg.HoldRoom = 3, 2, 200
		d := newDecoder(t, cfg)
		r := rand.New(rand.NewPCG(seed, 4))
		for _, c := range soup[:min(len(soup), 1000)] {
			from := uint16(client + int(c>>6))
			seq := r.Uint32N(300) << (20 * (c >> 5 & 1))
			d.feed(ipPacket(false, 0, 6, tcpSegment(from, seq, c&0x17, make([]byte, r.IntN(90))), 0, false, 0))
			s := &d.streams
			if len(s.byHash) > 3 || len(s.holds.list) > 2 || s.holds.room > 200 || len(s.conns) > heads+4 {
				t.Fatalf("connections = %d, holds = %d of %d bytes, over the limits", len(s.byHash), len(s.holds.list),
					s.holds.room)
			}
		}
		d.flush()
		ended := map[uint64]bool{}
		for _, p := range d.out {
			if ended[p.Stream] || p.Stream == 0 {
				t.Fatalf("stream %d goes on after its end", p.Stream)
			}
			ended[p.Stream] = p.Ended
		}
	})
}

func TestGapIsGivenUpAfterAWhileAndAtTheEnd(t *testing.T) {
	d := newDecoder(t, DefaultConfig())
	d.clientSends(0, flagACK, "one")
	d.clientSends(10, flagACK, "two")
	seen := d.now
	d.now = d.now.Add(time.Second)
	d.feed([]byte{0}) // whatever frame comes next: the clock is what counts
	if got := d.text(); got != "one|two" || !d.out[1].Time.Equal(seen) {
		t.Errorf("got = %s at %v, want both, at the time at which they were seen", got, d.out[len(d.out)-1].Time)
	}
	d.clientSends(13, flagACK, "three")
	d.clientSends(30, flagACK, "four")
	d.flush()
	if got := d.text(); got != "one|twothree|four" || d.lost(capture.StreamGap) != 2 {
		t.Errorf("got = %s with %d gaps", got, d.lost(capture.StreamGap))
	}
}

func TestPartOfWhatIsHeldIsARetransmission(t *testing.T) {
	d := newDecoder(t, DefaultConfig())
	d.clientSends(0, flagACK, "one")
	d.clientSends(6, flagACK, "three")
	d.clientSends(7, flagACK, "hre")
	if held, again := d.refused(capture.StreamHeld), d.refused(capture.StreamRetransmit); held != 1 || again != 1 {
		t.Errorf("held = %d, retransmitted = %d, want 1 and 1", held, again)
	}
}

func TestSegmentThatFillsAGapIsWhenTheRestCanBeRead(t *testing.T) {
	d := newDecoder(t, DefaultConfig())
	d.clientSends(0, flagACK, "one")
	d.clientSends(6, flagACK, "three")
	d.now = d.now.Add(200 * time.Millisecond)
	d.clientSends(3, flagACK, "two")
	if got := d.text(); got != "onetwothree" || !d.out[2].Time.Equal(d.now) {
		t.Errorf("got = %s, the last at %v, want it at %v", got, d.out[len(d.out)-1].Time, d.now)
	}
}

// TestSegmentsOfOffloadAreWhole: 65 KB of TCP in one frame whose IPv4 header leaves the length to the network card,
// and several datagrams in one.
func TestSegmentsOfOffloadAreWhole(t *testing.T) {
	d := newDecoder(t, DefaultConfig())
	text := numbered(65_000)
	first := ipPacket(false, 0, 6, tcpSegment(client, 1, flagACK, text), 0, false, 0)
	first[2], first[3] = 0, 0
	later := ipPacket(false, 0, 6, tcpSegment(client, 1+65_000, flagACK, []byte("!")), 0, false, 0)
	d.clientSends(0, flagSYN, "")
	d.feed(later)
	d.feed(first)
	if got := d.text(); got != string(text)+"!" {
		t.Errorf("bytes = %d, want %d", len(got), len(text)+1)
	}
	d.out = nil
	super := ipPacket(false, 0, 17, udpDatagram(numbered(3000)), 0, false, 0)
	super[2], super[3], super[24], super[25] = 0, 0, 0, 0
	d.feed(super)
	if len(d.out) != 1 || !bytes.Equal(d.out[0].Payload, numbered(3000)) || d.out[0].Cut {
		t.Errorf("packets = %d, want the 3000 bytes of a UDP super-packet", len(d.out))
	}
}

// TestCutSegmentLeavesAGapOfItsOwn: what a short snapshot length took away is reported, and the stream goes on behind
// it.
func TestCutSegmentLeavesAGapOfItsOwn(t *testing.T) {
	d := newDecoder(t, DefaultConfig())
	for seq := 0; seq < 300; seq += 100 {
		ip := ipPacket(false, 0, 6, tcpSegment(client, uint32(seq), flagACK, numbered(100)), 0, false, 0)
		d.frame(&Frame{Time: d.now, Link: Raw, Data: ip[:60], Length: len(ip)})
	}
	if got := d.text(); got != "0,1,2,3,4,5,6,7,8,9,|0,1,2,3,4,5,6,7,8,9,|0,1,2,3,4,5,6,7,8,9," || !d.out[0].Cut {
		t.Errorf("got = %s", got)
	}
}

// TestIdleConnectionsCostLittle: 20,000 of them in less than 4 MB, whatever their number was before.
func TestIdleConnectionsCostLittle(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	d := newDecoder(t, DefaultConfig())
	for i := range 30_000 {
		d.feed(ipPacket(false, 0, 6, tcpSegment(uint16(20_000+i), 0, flagACK, []byte("x")), 0, false, 0))
		d.out = nil
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); len(d.streams.byHash) != 20_000 || grown > 4_000_000 {
		t.Errorf("connections = %d in %d bytes, want 20,000 in less than 4 MB", len(d.streams.byHash), grown)
	}
	if d.lost(capture.StreamEvicted) != 10_000 {
		t.Errorf("evicted = %d, want 10,000", d.lost(capture.StreamEvicted))
	}
	runtime.KeepAlive(d)
}

// TestEndedConnectionsMakeRoomFirst: a flood of short connections does not push out one that is idle.
func TestEndedConnectionsMakeRoomFirst(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Connections = 8
	d := newDecoder(t, cfg)
	d.clientSends(0, flagACK, "a")
	for i := range 100 {
		d.feed(ipPacket(false, 0, 6, tcpSegment(uint16(1000+i), 0, flagACK, []byte("x")), 0, false, 0))
		d.feed(ipPacket(false, 0, 6, tcpSegment(uint16(1000+i), 1, flagRST, nil), 0, false, 0))
	}
	d.clientSends(1, flagACK, "b")
	if first, last := d.out[0], d.out[len(d.out)-1]; first.Stream != last.Stream || d.lost(capture.StreamEvicted) != 0 {
		t.Errorf("streams = %d and %d, evicted = %d, want one and none", first.Stream, last.Stream,
			d.lost(capture.StreamEvicted))
	}
}

// TestHoldsAreBounded: what has to make room is given all the same, behind a gap.
func TestHoldsAreBounded(t *testing.T) {
	for name, limit := range map[string]func(*Config){
		"number": func(c *Config) { c.Holds = 4 },
		"room":   func(c *Config) { c.HoldRoom = 4 },
	} {
		cfg := DefaultConfig()
		limit(&cfg)
		d := newDecoder(t, cfg)
		for i := range 100 {
			for _, seq := range []uint32{0, 5000} {
				d.feed(ipPacket(false, 0, 6, tcpSegment(uint16(20_000+i), seq, flagACK, []byte("x")), 0, false, 0))
			}
		}
		w := &d.streams.holds
		waiting := len(w.list) - len(w.idle)
		if waiting != 4 || d.lost(capture.StreamEvicted) != 96 || len(d.out) != 196 {
			t.Errorf("%s: holds = %d, evicted = %d, packets = %d", name, waiting, d.lost(capture.StreamEvicted), len(d.out))
		}
		if d.flush(); len(d.out) != 200 || d.lost(capture.StreamGap) != 100 {
			t.Errorf("%s: packets = %d, gaps = %d, want 200 and 100", name, len(d.out), d.lost(capture.StreamGap))
		}
	}
}

// TestOneHalfHoldsNoMoreThanItsShare: one gap and 20,000 segments behind it.
func TestOneHalfHoldsNoMoreThanItsShare(t *testing.T) {
	d := newDecoder(t, DefaultConfig())
	d.clientSends(0, flagACK, "x")
	most := 0
	for i := range 20_000 {
		d.clientSends(uint32(10_000+i*9000), flagACK, string(make([]byte, 4000))) // a gap behind each
		most = max(most, d.streams.holds.room)
	}
	if most > holdRoom {
		t.Errorf("held = %d bytes, want at most %d", most, holdRoom)
	}
}

func BenchmarkStream(b *testing.B) {
	for _, behind := range []int{0, 1, 60} {
		b.Run(fmt.Sprintf("%d behind a gap", behind), func(b *testing.B) {
			var count capture.Counters
			d := New(DefaultConfig(), &count)
			ip := ipPacket(false, 0, 6, tcpSegment(client, 0, flagACK, numbered(900)), 0, false, 0)
			f := Frame{Time: newYear, Link: Raw, Data: ip, Length: len(ip)}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at := i
				if n := behind + 1; behind > 0 { // the first of each group comes last
					if at = i + 1; i%n == n-1 {
						at = i - n + 1
					}
				}
				seq := uint32(at) * 900
				ip[24], ip[25], ip[26], ip[27] = byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq)
				f.Time = f.Time.Add(time.Microsecond)
				d.Frame(&f)
			}
		})
	}
}

func BenchmarkIdleConnections(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var count capture.Counters
	d := New(DefaultConfig(), &count)
	ip := ipPacket(false, 0, 6, tcpSegment(0, 0, flagACK, []byte("x")), 0, false, 0)
	f := Frame{Time: newYear, Link: Raw, Data: ip, Length: len(ip)}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ip[12], ip[13], ip[14], ip[20], ip[21] = byte(i>>24), byte(i>>16), 9, byte(i>>8), byte(i)
		d.Frame(&f)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(d.streams.byHash)), "B/connection")
}
