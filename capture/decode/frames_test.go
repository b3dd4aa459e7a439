package decode

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sipsieve/capture"
)

var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

var (
	v4a, v4b = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	v6a, v6b = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

// ipPacket returns an IP packet of one fragment; more and offset of a whole one are false and 0.
func ipPacket(v6 bool, id uint32, proto byte, payload []byte, offset int, more bool, options int) []byte {
	if v6 {
		next, body := proto, payload
		if offset > 0 || more {
			flags := uint16(offset)
			if more {
				flags |= 1
			}
			head := binary.BigEndian.AppendUint16([]byte{proto, 0}, flags)
			body = append(binary.BigEndian.AppendUint32(head, id), payload...)
			next = 44
		}
		b := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(body)))
		b = append(b, next, 64)
		src, dst := v6a.As16(), v6b.As16()
		return append(append(append(b, src[:]...), dst[:]...), body...)
	}
	head := 20 + options
	b := []byte{byte(0x40 | head/4), 0}
	b = binary.BigEndian.AppendUint16(b, uint16(head+len(payload)))
	b = binary.BigEndian.AppendUint16(b, uint16(id))
	flags := uint16(offset / 8)
	if more {
		flags |= 0x2000
	}
	b = binary.BigEndian.AppendUint16(b, flags)
	b = append(b, 64, proto, 0, 0)
	src, dst := v4a.As4(), v4b.As4()
	b = append(append(append(b, src[:]...), dst[:]...), make([]byte, options)...)
	return append(b, payload...)
}

func udpDatagram(payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, 5060)
	b = binary.BigEndian.AppendUint16(b, 5070)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

func tcpSegment(source uint16, seq uint32, flags byte, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, source)
	b = binary.BigEndian.AppendUint16(b, 5060)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0)
	return append(b, payload...)
}

// numbered returns n bytes of which no stretch is like another.
func numbered(n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, "%d,", i)
	}
	return b[:n]
}

// A piece is bytes from one offset to another.
type piece struct{ from, to int }

// cutUp cuts b at random places into pieces of step bytes times 1 to 8.
func cutUp(r *rand.Rand, b []byte, step int) (pieces []piece) {
	for at := 0; at < len(b); {
		n := min(step*(1+r.IntN(8)), len(b)-at)
		pieces = append(pieces, piece{at, at + n})
		at += n
	}
	return pieces
}

// decoder feeds frames, IP packets a millisecond apart, and keeps copies of what comes out. After every frame its
// counts must have a fate for it.
type decoder struct {
	*Decoder
	t     testing.TB
	count capture.Counters
	now   time.Time
	out   []capture.Packet
}

func newDecoder(t testing.TB, cfg Config) *decoder {
	d := &decoder{t: t, now: newYear}
	d.Decoder = New(cfg, &d.count)
	return d
}

func (d *decoder) feed(ip []byte) {
	d.t.Helper()
	d.now = d.now.Add(time.Millisecond)
	d.frame(&Frame{Time: d.now, Link: Raw, Data: ip, Length: len(ip)})
}

func (d *decoder) frame(f *Frame) {
	d.t.Helper()
	before := d.count.Drops()
	d.Frame(f)
	d.drainAll()
	after := d.count.Drops()
	if n := fates(after); after.Seen != before.Seen+1 || n != after.Seen {
		d.t.Fatalf("seen = %d, fates = %d, want each frame to have one", after.Seen, n)
	}
}

func (d *decoder) flush() {
	d.t.Helper()
	d.Flush()
	d.drainAll()
	drops := d.count.Drops()
	if n := fates(drops); n != drops.Seen {
		d.t.Fatalf("seen = %d, fates = %d after the end", drops.Seen, n)
	}
	if f, w := &d.fragments, &d.streams.holds; f.room != 0 || len(f.byKey) != 0 || len(f.bySource) != 0 ||
		w.room != 0 || len(w.idle) != len(w.list) {
		d.t.Fatalf("fragments = %d of %d bytes, held = %d bytes, want nothing after the end", len(f.byKey), f.room, w.room)
	}
}

// fates is the frames whose fate is counted.
func fates(d capture.Drops) uint64 {
	n := d.Passed
	for r, x := range d.Refused {
		if n += x; x > 0 && !capture.Reason(r).OfFrame() {
			return 0
		}
	}
	return n
}

func (d *decoder) drainAll() {
	var p capture.Packet
	for d.Next(&p) {
		p.Payload = append([]byte(nil), p.Payload...)
		d.out = append(d.out, p)
	}
}

// text joins the payloads, with | where bytes are lost.
func (d *decoder) text() string {
	var s strings.Builder
	for _, p := range d.out {
		if p.Lost {
			s.WriteByte('|')
		}
		s.Write(p.Payload)
	}
	return s.String()
}

func (d *decoder) refused(r capture.Reason) uint64 { return d.count.Drops().Refused[r] }
func (d *decoder) lost(r capture.Reason) uint64    { return d.count.Drops().Lost[r] }
