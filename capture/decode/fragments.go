package decode

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"sipsieve/capture"
)

// maxFragments is how many parts a datagram may come in, maxDatagram its longest payload (RFC 791, RFC 8200).
const (
	maxFragments = 64
	minFragment  = 8
	maxDatagram  = 65535
)

// A datagramKey tells the fragments of one datagram from those of another: RFC 791 section 3.2, RFC 8200 section 4.5.
type datagramKey struct {
	src, dst netip.Addr
	id       uint32
	proto    byte
	vlan     uint16
}

// A datagram is being put together.
type datagram struct {
	key   datagramKey
	since time.Time
	parts []part // sorted by offset, not overlapping
	buf   []byte
	total int // 0 until the last part came
	have  int
	dead  bool // refused: what else comes of it is refused too
}

type part struct{ from, to int }

// fragments are the datagrams in flight, the oldest first.
type fragments struct {
	cfg      Config
	byKey    map[datagramKey]*datagram
	bySource map[netip.Addr]int
	oldest   []*datagram
	room     int
	free     []*datagram
	done     *datagram // given away: its bytes are borrowed until the next frame
}

func (f *fragments) init(cfg Config) {
	f.cfg = cfg
	f.byKey = make(map[datagramKey]*datagram)
	f.bySource = make(map[netip.Addr]int)
}

// recycle takes back the datagram whose bytes were borrowed.
func (f *fragments) recycle() {
	if f.done != nil {
		f.release(f.done)
		f.done = nil
	}
}

func (f *fragments) release(g *datagram) {
	g.parts, g.buf = g.parts[:0], g.buf[:0]
	if cap(g.buf) <= 16<<10 && len(f.free) < 64 {
		f.free = append(f.free, g)
	}
}

// flush forgets every datagram and returns one element for each.
func (f *fragments) flush() []*datagram {
	gone := f.oldest
	f.init(f.cfg)
	f.oldest, f.room = nil, 0
	return gone
}

// fragment takes the part of a datagram that begins at offset.
func (d *Decoder) fragment(p ipPayload, offset int, more bool) (capture.Reason, bool) {
	f := &d.fragments
	d.ageFragments()
	if p.cut {
		return capture.Short, refuse
	}
	key := datagramKey{p.src, p.dst, p.id, p.proto, d.vlan}
	g := f.byKey[key]
	if g == nil {
		if f.bySource[p.src] >= f.cfg.PerSource {
			return capture.FragmentEvicted, refuse
		}
		g = d.openDatagram(key)
	}
	if reason, ok := f.put(g, p.data, part{offset, offset + len(p.data)}, more); !ok {
		return reason, refuse
	}
	if offset == 0 && len(p.data) >= 4 && !d.ours(ports(p, p.data, capture.UDP)) {
		f.kill(g)
		return capture.OtherPort, refuse
	}
	for f.room > f.cfg.FragmentRoom && f.oldest[0] != g {
		d.dropOldest(capture.FragmentEvicted)
	}
	if g.total == 0 || g.have < g.total {
		return capture.FragmentHeld, refuse
	}
	f.forget(g)
	f.done = g
	p.data = g.buf[:g.total]
	return d.transport(p)
}

// openDatagram makes room for one more.
func (d *Decoder) openDatagram(key datagramKey) *datagram {
	f := &d.fragments
	for len(f.oldest) >= f.cfg.Datagrams {
		d.dropOldest(capture.FragmentEvicted)
	}
	g := new(datagram)
	if n := len(f.free); n > 0 {
		g, f.free = f.free[n-1], f.free[:n-1]
	}
	*g = datagram{key: key, since: d.frame.Time, parts: g.parts, buf: g.buf}
	f.byKey[key] = g
	f.bySource[key.src]++
	f.oldest = append(f.oldest, g)
	return g
}

// put copies data into g, or refuses the datagram for good.
func (f *fragments) put(g *datagram, data []byte, at part, more bool) (capture.Reason, bool) {
	size := at.to - at.from
	switch {
	case g.dead:
		return capture.FragmentInvalid, refuse
	case at.to > maxDatagram, more && (size < minFragment || size%8 != 0), len(g.parts) == maxFragments,
		!more && g.total != 0 && g.total != at.to, g.total != 0 && at.to > g.total:
		f.kill(g)
		return capture.FragmentInvalid, refuse
	}
	i, same := slices.BinarySearchFunc(g.parts, at, func(a, b part) int { return a.from - b.from })
	if same && g.parts[i] == at && bytes.Equal(g.buf[at.from:at.to], data) {
		return capture.FragmentHeld, refuse
	}
	if same || i > 0 && g.parts[i-1].to > at.from || i < len(g.parts) && g.parts[i].from < at.to {
		f.kill(g)
		return capture.FragmentOverlap, refuse
	}
	if !more {
		if n := len(g.parts); n > 0 && g.parts[n-1].to > at.to {
			f.kill(g)
			return capture.FragmentInvalid, refuse
		}
		g.total = at.to
	}
	if at.to > len(g.buf) {
		f.room += at.to - len(g.buf)
		g.buf = slices.Grow(g.buf, at.to-len(g.buf))[:at.to]
	}
	copy(g.buf[at.from:], data)
	g.parts = slices.Insert(g.parts, i, at)
	g.have += size
	return 0, pass
}

// kill frees g's bytes and keeps its key, so that later parts open nothing.
func (f *fragments) kill(g *datagram) {
	f.room -= len(g.buf)
	g.dead, g.buf, g.parts = true, nil, nil
}

// forget takes g out of the table.
func (f *fragments) forget(g *datagram) {
	delete(f.byKey, g.key)
	f.room -= len(g.buf)
	if f.bySource[g.key.src]--; f.bySource[g.key.src] == 0 {
		delete(f.bySource, g.key.src)
	}
	if i := slices.Index(f.oldest, g); i >= 0 {
		f.oldest = slices.Delete(f.oldest, i, i+1)
	}
}

func (d *Decoder) dropOldest(reason capture.Reason) {
	g := d.fragments.oldest[0]
	d.fragments.forget(g)
	if !g.dead {
		d.count.Refuse(reason)
	}
	d.fragments.release(g)
}

// ageFragments forgets datagrams whose parts did not come in time.
func (d *Decoder) ageFragments() {
	f := &d.fragments
	for len(f.oldest) > 0 && d.frame.Time.Sub(f.oldest[0].since) > f.cfg.FragmentAge {
		d.dropOldest(capture.FragmentExpired)
	}
}
