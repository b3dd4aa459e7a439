package decode

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"sipsieve/capture"
)

func numbered(n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, "%d,", i)
	}
	return b[:n]
}

// cutUp cuts b at random places into parts of step bytes times 1 to 8.
func cutUp(r *rand.Rand, b []byte, step int) (parts []part) {
	for at := 0; at < len(b); {
		n := min(step*(1+r.IntN(8)), len(b)-at)
		parts = append(parts, part{at, at + n})
		at += n
	}
	return parts
}

// FuzzFragments states that the order of a datagram's fragments and exact repeats of them change nothing.
func FuzzFragments(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, uint16(1500), seed%2 == 0, seed%3 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, size uint16, v6, options bool) {
		payload := numbered(int(size)%3000 + 100)
		datagram := udpDatagram(payload)
		r := rand.New(rand.NewPCG(seed, 1))
		parts := cutUp(r, datagram, 64)
		again := append(slices.Clone(parts), parts[r.IntN(len(parts))])
		if len(parts) == 1 {
			again = parts
		}
		r.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		d := newDecoder(DefaultConfig())
		extra := 0
		if options {
			extra = 8
		}
		for _, p := range again {
			d.feed(ipPacket(v6, 7, 17, datagram[p.from:p.to], p.from, p.to < len(datagram), extra))
		}
		if len(d.out) != 1 || !bytes.Equal(d.out[0].Payload, payload) {
			t.Errorf("datagrams = %d, want the one that was cut into %d", len(d.out), len(parts))
		}
	})
}

func TestOverlappingFragmentsAreRefused(t *testing.T) {
	d := newDecoder(DefaultConfig())
	b := udpDatagram(numbered(200))
	d.feed(ipPacket(false, 1, 17, b[:64], 0, true, 0))
	d.feed(ipPacket(false, 1, 17, b[56:120], 56, true, 0))
	d.feed(ipPacket(false, 1, 17, b[120:], 120, false, 0))
	d.feed(ipPacket(false, 1, 17, b[64:120], 64, true, 0))
	if n := d.count.Drops().Refused[capture.FragmentOverlap]; len(d.out) != 0 || n != 1 {
		t.Errorf("datagrams = %d, overlaps = %d, want 0 and 1", len(d.out), n)
	}
}

// TestHalfDatagramsStayInsideTheLimits is the attack of 60,000 datagrams that never end, and of 8,000 tiny parts.
func TestHalfDatagramsStayInsideTheLimits(t *testing.T) {
	d := newDecoder(DefaultConfig())
	for i := range 60_000 {
		p := ipPacket(false, uint32(i), 17, make([]byte, 1024), 0, true, 0)
		p[12], p[13], p[14] = byte(i), byte(i>>8), byte(i>>3) // many sources
		d.feed(p)
	}
	for i := range 8_000 {
		d.feed(ipPacket(false, 9, 17, make([]byte, 8), (i*8)%65000, true, 0))
	}
	f := &d.fragments
	if len(f.oldest) > d.cfg.Datagrams || len(f.byKey) > d.cfg.Datagrams || f.room > d.cfg.FragmentRoom {
		t.Errorf("datagrams = %d, bytes = %d, over the limits", len(f.oldest), f.room)
	}
	drops := d.count.Drops()
	if drops.Refused[capture.FragmentEvicted] == 0 || drops.Refused[capture.FragmentInvalid] == 0 {
		t.Errorf("evicted = %d, invalid = %d, want both counted", drops.Refused[capture.FragmentEvicted],
			drops.Refused[capture.FragmentInvalid])
	}
	d.now = d.now.Add(time.Hour)
	d.feed(ipPacket(false, 1, 17, make([]byte, 64), 0, true, 0))
	if len(f.oldest) != 1 {
		t.Errorf("datagrams = %d after an hour, want the new one", len(f.oldest))
	}
}

// FuzzStream states that cutting, repeating, overlapping and, inside the window, reordering segments of a TCP stream
// gives the same bytes.
func FuzzStream(f *testing.F) {
	for seed := range uint64(16) {
		f.Add(seed, uint32(seed*0x10000001))
	}
	f.Fuzz(func(t *testing.T, seed uint64, first uint32) {
		r := rand.New(rand.NewPCG(seed, 2))
		stream := numbered(2000)
		parts := cutUp(r, stream, 20)
		for i := 0; i+1 < len(parts); i += 2 {
			if r.IntN(2) == 0 {
				parts[i], parts[i+1] = parts[i+1], parts[i]
			}
		}
		d := newDecoder(DefaultConfig())
		d.feed(ipPacket(false, 0, 6, tcpSegment(40000, first-1, flagSYN, nil), 0, false, 0))
		for _, p := range parts {
			from := max(0, p.from-r.IntN(40)) // overlaps what came before
			d.feed(ipPacket(false, 0, 6, tcpSegment(40000, first+uint32(from), flagACK, stream[from:p.to]), 0, false, 0))
			if r.IntN(3) == 0 {
				d.feed(ipPacket(false, 0, 6, tcpSegment(40000, first+uint32(p.from), flagACK, stream[p.from:p.to]), 0, false, 0))
			}
		}
		if got := d.text(); got != string(stream) {
			t.Errorf("bytes = %d, want the %d that were sent", len(got), len(stream))
		}
	})
}

func TestLostSegmentCostsItsOwnBytesOnly(t *testing.T) {
	d := newDecoder(DefaultConfig())
	stream := numbered(1000)
	for at := 0; at < 1000; at += 100 {
		if at != 200 {
			d.feed(ipPacket(false, 0, 6, tcpSegment(40000, uint32(at), flagACK, stream[at:at+100]), 0, false, 0))
		}
	}
	if want := string(stream[:200]) + "|" + string(stream[300:]); d.text() != want {
		t.Errorf("got %d bytes, want all but the lost 100, and the gap told once", len(d.text()))
	}
	if d.out[len(d.out)-1].Time.Before(newYear) || d.out[0].Stream == 0 {
		t.Error("a stream has no number")
	}
}

func TestGapIsGivenUpAfterAWhileAndAtTheEnd(t *testing.T) {
	d := newDecoder(DefaultConfig())
	d.feed(ipPacket(false, 0, 6, tcpSegment(40000, 0, flagACK, []byte("one")), 0, false, 0))
	d.feed(ipPacket(false, 0, 6, tcpSegment(40000, 10, flagACK, []byte("two")), 0, false, 0))
	d.now = d.now.Add(time.Second)
	d.feed(ipPacket(false, 0, 6, tcpSegment(40000, 13, flagACK, []byte("three")), 0, false, 0))
	d.feed(ipPacket(false, 0, 6, tcpSegment(40000, 30, flagACK, []byte("four")), 0, false, 0))
	d.Flush()
	d.drainAll()
	if got := d.text(); got != "one|twothree|four" {
		t.Errorf("got = %s", got)
	}
}

func TestStreamsEndAndAreNumberedAnew(t *testing.T) {
	d := newDecoder(DefaultConfig())
	d.feed(ipPacket(false, 0, 6, tcpSegment(40000, 0, flagSYN, nil), 0, false, 0))
	d.feed(ipPacket(false, 0, 6, tcpSegment(40000, 1, flagACK, []byte("a")), 0, false, 0))
	d.feed(ipPacket(false, 0, 6, tcpSegment(40000, 2, flagRST, nil), 0, false, 0))
	d.feed(ipPacket(false, 0, 6, tcpSegment(40000, 900, flagSYN, nil), 0, false, 0))
	d.feed(ipPacket(false, 0, 6, tcpSegment(40000, 901, flagACK|1, []byte("b")), 0, false, 0))
	if len(d.out) != 3 || !d.out[1].Ended || !d.out[2].Ended || d.out[0].Stream == d.out[2].Stream {
		t.Errorf("packets = %d, want a, its end, and b of another stream with its end", len(d.out))
	}
}

// TestIdleConnectionsCostLittle: 20,000 of them in less than 4 MB, their key in the index twice over.
func TestIdleConnectionsCostLittle(t *testing.T) {
	d := newDecoder(DefaultConfig())
	for i := range 30_000 {
		p := ipPacket(false, 0, 6, tcpSegment(uint16(20_000+i), 0, flagACK, []byte("x")), 0, false, 0)
		d.feed(p)
	}
	s := &d.streams
	each := unsafe.Sizeof(conn{}) + 2*unsafe.Sizeof(connKey{}) + 8
	if len(s.byKey) != 20_000 || uintptr(len(s.conns))*each > 4<<20 {
		t.Errorf("connections = %d of %d bytes, want 20,000 in 4 MiB", len(s.byKey), each)
	}
	if d.count.Drops().Refused[capture.StreamEvicted] != 10_000 {
		t.Errorf("evicted = %d, want 10,000", d.count.Drops().Refused[capture.StreamEvicted])
	}
}

func TestHoldsAreBounded(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Holds = 4
	d := newDecoder(cfg)
	for i := range 100 {
		for _, seq := range []uint32{0, 5000} {
			d.feed(ipPacket(false, 0, 6, tcpSegment(uint16(20_000+i), seq, flagACK, []byte("x")), 0, false, 0))
		}
	}
	if len(d.streams.holds) != 4 || d.count.Drops().Refused[capture.StreamEvicted] != 96 {
		t.Errorf("holds = %d, evicted = %d", len(d.streams.holds), d.count.Drops().Refused[capture.StreamEvicted])
	}
}

// FuzzDecoder states that every frame ends in packets or in exactly one reason.
func FuzzDecoder(f *testing.F) {
	f.Add(uint16(Raw), ipPacket(false, 1, 17, udpDatagram([]byte("OPTIONS")), 0, false, 0))
	f.Add(uint16(Raw), ipPacket(true, 1, 17, udpDatagram([]byte("OPTIONS")), 0, true, 0))
	f.Add(uint16(Raw), ipPacket(false, 1, 6, tcpSegment(1, 1, flagACK, []byte("OPTIONS")), 0, false, 4))
	f.Add(uint16(Ethernet), append([]byte("............\x81\x00\x00\x64\x08\x00"), ipPacket(false, 1, 17, udpDatagram([]byte("x")), 0, false, 0)...))
	f.Add(uint16(LinuxSLL2), []byte(strings.Repeat("\x08\x00", 30)))
	f.Fuzz(func(t *testing.T, link uint16, b []byte) {
		var count capture.Counters
		d := New(DefaultConfig(), &count)
		d.Frame(&Frame{Time: newYear, Link: LinkType(link), Data: b, Length: len(b)})
		var p capture.Packet
		packets := 0
		for d.Next(&p) {
			packets++
		}
		refused := uint64(0)
		for _, n := range count.Drops().Refused {
			refused += n
		}
		if (packets > 0) == (refused > 0) || refused > 1 {
			t.Errorf("packets = %d, reasons = %d", packets, refused)
		}
	})
}

func TestTagsAndLinkLayersAreTakenOff(t *testing.T) {
	ip := ipPacket(false, 1, 17, udpDatagram([]byte("hello")), 0, false, 0)
	ethernet := "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01"
	for name, frame := range map[string]Frame{
		"ethernet": {Link: Ethernet, Data: []byte(ethernet + "\x08\x00" + string(ip) + "padding")},
		"vlan":     {Link: Ethernet, Data: []byte(ethernet + "\x81\x00\x00\x64\x08\x00" + string(ip))},
		"qinq":     {Link: Ethernet, Data: []byte(ethernet + "\x88\xa8\x00\x64\x81\x00\x00\x07\x08\x00" + string(ip))},
		"raw":      {Link: Raw, Data: ip},
		"null":     {Link: Null, Data: []byte("\x02\x00\x00\x00" + string(ip))},
		"cooked":   {Link: LinuxSLL, Data: []byte("\x00\x00\x00\x01\x00\x06" + ethernet[6:] + "\x00\x00\x08\x00" + string(ip))},
		"cooked 2": {Link: LinuxSLL2, Data: []byte("\x08\x00\x00\x00\x00\x00\x00\x01\x00\x01\x00\x06" + ethernet[6:] + "\x00\x00" + string(ip))},
	} {
		var count capture.Counters
		d := New(DefaultConfig(), &count)
		frame.Length = len(frame.Data)
		d.Frame(&frame)
		var p capture.Packet
		if !d.Next(&p) || string(p.Payload) != "hello" {
			t.Errorf("%s: payload = %q", name, p.Payload)
		}
		if tagged := name == "vlan" || name == "qinq"; tagged != (p.VLAN == 100) {
			t.Errorf("%s: VLAN = %d", name, p.VLAN)
		}
		if hardware := strings.HasPrefix(ethernet, "\x02") && frame.Link != Raw && frame.Link != Null; hardware != (p.Link == [6]byte{2, 0, 0, 0, 0, 1}) {
			t.Errorf("%s: link address = %x", name, p.Link)
		}
	}
}

func TestFastPathDoesNotAllocate(t *testing.T) {
	var count capture.Counters
	d := New(DefaultConfig(), &count)
	f := Frame{Time: newYear, Link: Raw, Data: ipPacket(false, 1, 17, udpDatagram(numbered(900)), 0, false, 0), Length: 928}
	var p capture.Packet
	if n := testing.AllocsPerRun(100, func() { d.Frame(&f); d.Next(&p) }); n != 0 {
		t.Errorf("allocations = %v, want 0", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	var count capture.Counters
	d := New(DefaultConfig(), &count)
	f := Frame{Time: newYear, Link: Raw, Data: ipPacket(false, 1, 17, udpDatagram(numbered(900)), 0, false, 0), Length: 928}
	var p capture.Packet
	b.ReportAllocs()
	for b.Loop() {
		d.Frame(&f)
		d.Next(&p)
	}
}
