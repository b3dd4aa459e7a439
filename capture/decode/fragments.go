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

// afterlife is how long a datagram that was completed or refused is remembered, so that what else comes of it opens
// no new one: not longer than two copies of one packet are apart, for a host may use an identification again.
const afterlife = 200 * time.Millisecond

// A datagramKey tells the fragments of one datagram from those of another: RFC 791 section 3.2, RFC 8200 section 4.5,
// and the tunnel in which they came.
type datagramKey struct {
	src, dst netip.Addr
	id       uint32
	proto    byte // 0 for IPv6, which has it in the first fragment
	way      uint64
}

// A datagram is being put together, or was.
type datagram struct {
	key          datagramKey
	older, newer *datagram
	since        time.Time // of its first fragment; of its end, when it is gone
	parts        []part    // sorted by offset, not overlapping
	buf          []byte    // in the order of arrival
	proto        byte      // as the first fragment says
	total        int       // 0 until the last part came
	gone         bool
	why          capture.Reason // for which what else comes of a gone one is refused
}

// A part is bytes from one offset to another, and where in buf they are.
type part struct{ from, to, at int }

// fragments are the datagrams in flight and those gone, each in a ring with the oldest first.
type fragments struct {
	cfg        Config
	byKey      map[datagramKey]*datagram
	bySource   map[netip.Addr][]*datagram // in flight, the oldest first
	live, gone datagram                   // heads of the rings
	room       int
	free       []*datagram
	whole      [maxJoined][]byte // datagrams given in this frame, one inside the other
}

func (f *fragments) init(cfg Config) {
	f.cfg = cfg
	f.byKey, f.bySource = make(map[datagramKey]*datagram), make(map[netip.Addr][]*datagram)
	for _, head := range []*datagram{&f.live, &f.gone} {
		head.older, head.newer = head, head
	}
}

// fragment takes the part of a datagram that begins at offset, and goes on with the datagram if it is the last.
func (d *Decoder) fragment(p *ipPayload, offset int, more bool) (capture.Reason, bool) {
	f := &d.fragments
	if d.sifting {
		return d.left()
	}
	if p.missing > 0 {
		return capture.Short, refuse
	}
	key := datagramKey{src: p.src, dst: p.dst, id: p.id, way: d.around.way}
	if p.src.Is4() {
		key.proto = p.proto
	}
	g := f.byKey[key]
	if g != nil && g.gone {
		return g.why, refuse
	}
	if reason, ok := d.wanted(p, offset == 0); !ok {
		if g == nil && (reason == capture.OtherPort || p.src.Is6()) { // the other parts do not tell
			g = d.open(key)
		}
		if g != nil {
			d.giveUp(g, reason)
		}
		return reason, refuse
	}
	if g == nil {
		d.roomFor(p.src)
		g = d.open(key)
	}
	reason, ok := g.put(p.data, part{from: offset, to: offset + len(p.data)}, more)
	if !ok {
		if reason != capture.FragmentRepeat {
			d.giveUp(g, reason)
		}
		return reason, refuse
	}
	f.room += len(p.data)
	if offset == 0 {
		g.proto = p.proto
	}
	if g.total > 0 && len(g.buf) == g.total {
		return d.join(g, p)
	}
	for f.room > f.cfg.FragmentRoom {
		d.giveUp(f.live.newer, capture.FragmentEvicted)
	}
	return capture.FragmentHeld, refuse
}

// wanted refuses a fragment if nothing that is read can come of its datagram. Ports stand in the first one only.
func (d *Decoder) wanted(p *ipPayload, first bool) (capture.Reason, bool) {
	switch p.proto {
	case protoUDP, protoTCP, protoSCTP:
		if !first || len(p.data) < 4 {
			return 0, pass
		}
		flow := ports(p, p.data, capture.UDP)
		if d.ours(flow) || p.proto == protoUDP && d.udpTunneled(flow.Dst.Port()) {
			return 0, pass
		}
		return capture.OtherPort, refuse
	case protoIPv4, protoIPv6:
		return capture.Tunnel, d.cfg.Tunnels.Has(capture.IPIP)
	case protoGRE:
		return capture.Tunnel, d.cfg.Tunnels&greKinds != 0
	}
	return capture.NotTransport, p.src.Is6() && (!first || extension(p.proto) || p.proto == protoFragment)
}

// join goes on with g, which p completed.
func (d *Decoder) join(g *datagram, p *ipPayload) (capture.Reason, bool) {
	f := &d.fragments
	if d.around.joined == maxJoined {
		d.giveUp(g, capture.FragmentInvalid)
		return capture.FragmentInvalid, refuse
	}
	whole := &f.whole[d.around.joined]
	d.around.joined++
	*whole = (*whole)[:0]
	for _, q := range g.parts {
		*whole = append(*whole, g.buf[q.at:q.at+q.to-q.from]...)
	}
	before := len(g.parts) - 1
	p.proto, p.data, d.missing = g.proto, *whole, 0
	f.bury(g, capture.FragmentRepeat, d.seen.time)
	reason, ok := d.transportOf(p)
	if !ok && reason != capture.FragmentHeld && reason != capture.StreamHeld {
		d.count.Lose(reason, before)
	}
	return reason, ok
}

func (d *Decoder) transportOf(p *ipPayload) (capture.Reason, bool) {
	if p.src.Is6() {
		return d.extensions(p)
	}
	return d.transport(p)
}

// roomFor makes room for one more datagram of src.
func (d *Decoder) roomFor(src netip.Addr) {
	if list := d.fragments.bySource[src]; len(list) >= d.cfg.PerSource {
		d.giveUp(list[0], capture.FragmentEvicted)
	}
}

// open makes room for one more: those that are gone go first.
func (d *Decoder) open(key datagramKey) *datagram {
	f := &d.fragments
	if len(f.byKey) >= f.cfg.Datagrams && f.gone.newer == &f.gone {
		d.giveUp(f.live.newer, capture.FragmentEvicted)
	}
	if len(f.byKey) >= f.cfg.Datagrams {
		f.forget(f.gone.newer)
	}
	if len(f.free) == 0 {
		f.free = append(f.free, new(datagram))
	}
	g := f.free[len(f.free)-1]
	f.free = f.free[:len(f.free)-1]
	*g = datagram{key: key, since: d.seen.time, parts: g.parts[:0], buf: g.buf[:0]}
	f.byKey[key] = g
	f.bySource[key.src] = append(f.bySource[key.src], g)
	g.link(&f.live)
	return g
}

// link makes g the newest of the ring of head.
func (g *datagram) link(head *datagram) {
	g.older, g.newer = head.older, head
	g.older.newer, head.older = g, g
}

func (g *datagram) unlink() { g.older.newer, g.newer.older = g.newer, g.older }

// put copies data into g, or says why not.
func (g *datagram) put(data []byte, at part, more bool) (capture.Reason, bool) {
	last := 0
	if n := len(g.parts); n > 0 {
		last = g.parts[n-1].to
	}
	switch {
	case at.to > maxDatagram, len(data) == 0, more && (len(data) < minFragment || len(data)%8 != 0),
		g.total > 0 && at.to > g.total, !more && g.total > 0 && at.to != g.total, !more && at.to < last:
		return capture.FragmentInvalid, refuse
	}
	i, same := slices.BinarySearchFunc(g.parts, at, func(a, b part) int { return a.from - b.from })
	if same && g.parts[i].to == at.to {
		if old := g.parts[i].at; bytes.Equal(g.buf[old:old+len(data)], data) {
			return capture.FragmentRepeat, refuse
		}
	}
	switch {
	case same, i > 0 && g.parts[i-1].to > at.from, i < len(g.parts) && g.parts[i].from < at.to:
		return capture.FragmentOverlap, refuse
	case len(g.parts) == maxFragments:
		return capture.FragmentInvalid, refuse
	case !more:
		g.total = at.to
	}
	at.at = len(g.buf)
	g.parts = slices.Insert(g.parts, i, at)
	g.buf = append(g.buf, data...)
	return 0, pass
}

// giveUp ends g, whose parts come to nothing.
func (d *Decoder) giveUp(g *datagram, reason capture.Reason) {
	d.count.Lose(reason, len(g.parts))
	d.fragments.bury(g, reason, d.seen.time)
}

// bury frees g's bytes and keeps its key for a while, so that later parts open nothing.
func (f *fragments) bury(g *datagram, why capture.Reason, now time.Time) {
	f.room -= len(g.buf)
	list := f.bySource[g.key.src]
	if i := slices.Index(list, g); len(list) > 1 {
		f.bySource[g.key.src] = slices.Delete(list, i, i+1)
	} else {
		delete(f.bySource, g.key.src)
	}
	g.gone, g.why, g.since = true, why, now
	g.parts, g.buf = g.parts[:0], g.buf[:0]
	if cap(g.buf) > 16<<10 {
		g.buf = nil
	}
	g.unlink()
	g.link(&f.gone)
}

// forget takes g, which is gone, out of the table.
func (f *fragments) forget(g *datagram) {
	g.unlink()
	delete(f.byKey, g.key)
	if len(f.free) < 64 {
		f.free = append(f.free, g)
	}
}

// ageFragments gives up datagrams whose parts did not come in time, and forgets those that are gone.
func (d *Decoder) ageFragments() {
	f := &d.fragments
	for f.live.newer != &f.live && d.since(f.live.newer.since) > f.cfg.FragmentAge {
		d.giveUp(f.live.newer, capture.FragmentExpired)
	}
	for f.gone.newer != &f.gone && d.since(f.gone.newer.since) > afterlife {
		f.forget(f.gone.newer)
	}
}

// since is the time from t to the frame at hand. A clock that was set back leaves nothing waiting for its old time.
func (d *Decoder) since(t time.Time) time.Duration { return d.seen.time.Sub(t).Abs() }

func (d *Decoder) flushFragments() {
	f := &d.fragments
	for f.live.newer != &f.live {
		d.giveUp(f.live.newer, capture.FragmentExpired)
	}
	for f.gone.newer != &f.gone {
		f.forget(f.gone.newer)
	}
}
