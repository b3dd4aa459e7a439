package scrub

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/google/gopacket/layers"
)

// A fragment is a part of a datagram.
type fragment struct {
	id         uint32
	offset     int  // in its datagram, in bytes
	more       bool // others follow
	frame      *frame
	begin, end int // in its frame
}

type fragmentKey struct {
	src, dst netip.Addr
	id       uint32
}

// A datagram is fragments that belong together.
type datagram struct {
	parts []fragment
	ip    ipHead // of the first that came
}

// fragments are the datagrams that came in parts, in the order of their first, and the last of each key.
type fragments struct {
	all      []*datagram
	last     map[fragmentKey]*datagram
	disguise *disguise
	payloads payloads
}

// fragmentAge is how far apart fragments of one datagram are at most, in seconds: RFC 8200 section 4.5.
const fragmentAge = 60

// add takes a part of a UDP datagram that fr brought. It returns why fr is dropped.
func (t *fragments) add(fr *frame, f fragment) string {
	ip := *fr.lastIP()
	if ip.proto != layers.IPProtocolUDP {
		return dropFragment
	}
	f.frame, f.end = fr, ip.end
	blank(fr.out[f.begin:f.end], fr.in[f.begin:f.end])
	key := fragmentKey{ip.src, ip.dst, f.id}
	d := t.last[key]
	if d == nil || d.endsBefore(&f) {
		d = &datagram{ip: ip}
		t.last[key] = d
		t.all = append(t.all, d)
	}
	d.parts = append(d.parts, f)
	return ""
}

// endsBefore reports whether f, of the same key, is of a later datagram: it comes too late, or in the place of other
// bytes.
func (d *datagram) endsBefore(f *fragment) bool {
	for _, p := range d.parts {
		if f.frame.time.Sub(p.frame.time).Abs().Seconds() > fragmentAge {
			return true
		}
		if p.offset == f.offset && !bytes.Equal(p.bytes(), f.bytes()) {
			return true
		}
	}
	return false
}

func (f *fragment) bytes() []byte { return f.frame.in[f.begin:f.end] }

// finish scrubs the datagrams that are whole. Of the others the ports are shown, and nothing else.
func (t *fragments) finish() {
	for _, d := range t.all {
		t.datagram(d)
	}
}

func (t *fragments) datagram(d *datagram) {
	whole, known := d.join()
	out := make([]byte, len(whole))
	if len(whole) >= 8 && known {
		copy(out, whole[:8])
		t.disguise.portPair(out, whole)
		t.payloads.datagram(out[8:], whole[8:])
		binary.BigEndian.PutUint16(out[6:], 0)
		if binary.BigEndian.Uint16(whole[6:]) != 0 {
			n := ^fold(d.ip.add(add(0, out), len(out))) & 0xffff
			if n == 0 {
				n = 0xffff
			}
			binary.BigEndian.PutUint16(out[6:], uint16(n))
		}
	}
	for _, f := range d.parts {
		switch {
		case known:
			copy(f.frame.out[f.begin:f.end], out[f.offset:])
		case f.offset == 0 && f.end-f.begin >= 8:
			t.disguise.portPair(f.frame.out[f.begin:], f.bytes())
			copy(f.frame.out[f.begin+4:], f.bytes()[4:6])
			binary.BigEndian.PutUint16(f.frame.out[f.begin+6:], 0)
		}
	}
	if !known {
		t.payloads.sum.Blanked++
	}
}

// join returns the bytes of d, and whether all of them are there.
func (d *datagram) join() (whole []byte, known bool) {
	length, have := -1, map[int]int{}
	for _, f := range d.parts {
		have[f.offset] = f.end - f.begin
		if !f.more {
			length = f.offset + f.end - f.begin
		}
	}
	end := 0
	for end < length && have[end] > 0 {
		end += have[end]
	}
	if length < 0 || end != length {
		return nil, false
	}
	whole = make([]byte, length)
	for _, f := range d.parts {
		if f.offset+f.end-f.begin > length {
			return nil, false
		}
		copy(whole[f.offset:], f.bytes())
	}
	return whole, true
}
