package scrub

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/google/gopacket/layers"
)

// ports writes the disguises of two ports.
func (s *Scrubber) ports(out, in []byte) {
	for _, at := range []int{0, 2} {
		binary.BigEndian.PutUint16(out[at:], s.disguise.port(binary.BigEndian.Uint16(in[at:])))
	}
}

// udp takes a whole datagram, whose header is at p; a tunnel's payload is left to the layers that follow.
func (s *Scrubber) udp(sh *sheet, p place) {
	ip := &sh.ips[len(sh.ips)-1]
	copy(sh.out[p.at:p.at+8], sh.in[p.at:])
	s.ports(sh.out[p.at:], sh.in[p.at:])
	end := min(p.at+int(binary.BigEndian.Uint16(sh.in[p.at+4:])), ip.end)
	if end < p.end {
		end = ip.end
	}
	switch {
	case sh.cut && end == len(sh.in):
		binary.BigEndian.PutUint16(sh.out[p.at+6:], 0)
	case binary.BigEndian.Uint16(sh.in[p.at+6:]) != 0 || ip.src.Is6():
		sh.checks = append(sh.checks, check{p.at, end, p.at + 6, ip, true})
	}
	s.datagram(sh.out[p.end:end], sh.in[p.end:end])
}

// datagram scrubs the payload of a datagram: messages, keep-alives, and what is neither.
func (s *Scrubber) datagram(out, in []byte) {
	for len(in) > 0 {
		n := len(in) - len(bytes.TrimLeft(in, "\r\n\x00"))
		copy(out, in[:n])
		out, in = out[n:], in[n:]
		switch {
		case len(in) == 0:
			return
		case !startsSIP(in):
			s.blank(out, in)
			return
		}
		s.sum.Messages++
		n = s.disguise.message(out, in)
		out, in = out[n:], in[n:]
	}
}

func (s *Scrubber) blank(out, in []byte) {
	s.sum.Blanked++
	blank(out, in)
}

// tcp takes a segment, whose header is at p. Its payload is scrubbed with its stream.
func (s *Scrubber) tcp(sh *sheet, l *layers.TCP, p place) {
	ip := &sh.ips[len(sh.ips)-1]
	copy(sh.out[p.at:p.at+20], sh.in[p.at:])
	s.ports(sh.out[p.at:], sh.in[p.at:])
	options(sh.out[p.at+20:p.end], sh.in[p.at+20:p.end])
	if sh.cut && ip.end == len(sh.in) {
		binary.BigEndian.PutUint16(sh.out[p.at+16:], 0)
	} else {
		sh.checks = append(sh.checks, check{p.at, ip.end, p.at + 16, ip, false})
	}
	key := streamKey{netip.AddrPortFrom(ip.src, uint16(l.SrcPort)), netip.AddrPortFrom(ip.dst, uint16(l.DstPort))}
	if p.end < ip.end {
		blank(sh.out[p.end:ip.end], sh.in[p.end:ip.end])
	}
	s.streams.add(key, segment{sh: sh, at: p.end, end: max(p.end, ip.end), seq: l.Seq, syn: l.SYN})
}

// options copies the options of TCP that say nothing of anybody: segment size, window, acknowledgements, timestamps.
// Others become no operation.
func options(out, in []byte) {
	for i := 0; i < len(in) && in[i] != 0; {
		n := 1
		if in[i] != 1 && i+1 < len(in) {
			n = int(in[i+1])
		}
		if n < 1 || i+n > len(in) {
			return
		}
		if k := in[i]; k >= 1 && k <= 5 || k == 8 {
			copy(out[i:i+n], in[i:])
		} else {
			copy(out[i:i+n], bytes.Repeat([]byte{1}, n))
		}
		i += n
	}
}

// A fragment is a part of a datagram.
type fragment struct {
	id      uint32
	offset  int
	more    bool
	sh      *sheet
	at, end int // in its frame
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
	all  []*datagram
	last map[fragmentKey]*datagram
}

// fragmentAge is how far apart fragments of one datagram are at most, in seconds: RFC 8200 section 4.5.
const fragmentAge = 60

// fragment takes a part of a UDP datagram. It returns why its frame is dropped.
func (s *Scrubber) fragment(sh *sheet, f fragment) string {
	ip := sh.ips[len(sh.ips)-1]
	if ip.proto != layers.IPProtocolUDP {
		return dropFragment
	}
	f.sh, f.end = sh, ip.end
	blank(sh.out[f.at:f.end], sh.in[f.at:f.end])
	key := fragmentKey{ip.src, ip.dst, f.id}
	d := s.fragments.last[key]
	if d == nil || d.over(&f) {
		d = &datagram{ip: ip}
		s.fragments.last[key] = d
		s.fragments.all = append(s.fragments.all, d)
	}
	d.parts = append(d.parts, f)
	return ""
}

// over reports whether f, of the same key, is of another datagram: it comes too late, or in the place of other bytes.
func (d *datagram) over(f *fragment) bool {
	for _, p := range d.parts {
		if f.sh.time.Sub(p.sh.time).Abs().Seconds() > fragmentAge {
			return true
		}
		if p.offset == f.offset && !bytes.Equal(p.bytes(), f.bytes()) {
			return true
		}
	}
	return false
}

func (f *fragment) bytes() []byte { return f.sh.in[f.at:f.end] }

// finishFragments scrubs the datagrams that are whole. Of the others the ports are shown, and nothing else.
func (s *Scrubber) finishFragments() {
	for _, d := range s.fragments.all {
		s.finishDatagram(d)
	}
}

func (s *Scrubber) finishDatagram(d *datagram) {
	whole, known := d.join()
	out := make([]byte, len(whole))
	if len(whole) >= 8 && known {
		copy(out, whole[:8])
		s.ports(out, whole)
		s.datagram(out[8:], whole[8:])
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
			copy(f.sh.out[f.at:f.end], out[f.offset:])
		case f.offset == 0 && f.end-f.at >= 8:
			s.ports(f.sh.out[f.at:], f.bytes())
			copy(f.sh.out[f.at+4:], f.bytes()[4:6])
			binary.BigEndian.PutUint16(f.sh.out[f.at+6:], 0)
		}
	}
	if !known {
		s.sum.Blanked++
	}
}

// join returns the bytes of d, and whether all of them are there.
func (d *datagram) join() (whole []byte, known bool) {
	length, have := -1, map[int]int{}
	for _, f := range d.parts {
		have[f.offset] = f.end - f.at
		if !f.more {
			length = f.offset + f.end - f.at
		}
	}
	at := 0
	for at < length && have[at] > 0 {
		at += have[at]
	}
	if length < 0 || at != length {
		return nil, false
	}
	whole = make([]byte, length)
	for _, f := range d.parts {
		if f.offset+f.end-f.at > length {
			return nil, false
		}
		copy(whole[f.offset:], f.bytes())
	}
	return whole, true
}
