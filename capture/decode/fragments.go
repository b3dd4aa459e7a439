package decode

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"sipsieve/capture"
)

// maxFragments is how many parts a datagram may come in, minFragment the bytes of each but the last, and maxDatagram
// the longest payload (RFC 791, RFC 8200).
const (
	maxFragments = 64
	minFragment  = 8
	maxDatagram  = 65535
)

// afterlife is how long a datagram that was completed or refused is remembered, so that copies of its fragments open no
// new one. It is no longer, because a host may use an identification again.
const afterlife = capture.CopyWindow

// A datagramKey is what all fragments of one datagram have alike: RFC 791 section 3.2, RFC 8200 section 4.5, and the
// tunnel in which they came.
type datagramKey struct {
	src, dst netip.Addr
	id       uint32
	proto    byte   // 0 for IPv6, which has it in the first fragment
	way      uint64 // hash of the tunnel
}

// keyOf returns the key of the datagram that p is a fragment of. way is the hash of the tunnel that it came in.
func keyOf(p *ipPayload, way uint64) datagramKey {
	key := datagramKey{src: p.src, dst: p.dst, id: p.id, way: way}
	if p.src.Is4() {
		key.proto = p.proto
	}
	return key
}

// A datagram is one that came in fragments: in flight, or over.
type datagram struct {
	key          datagramKey
	older, newer *datagram
	since        time.Time      // of its first fragment; of its end, when it is over
	parts        []part         // sorted by offset, not overlapping
	buf          []byte         // in the order of arrival
	proto        byte           // by the first fragment
	total        int            // 0 until the last part came
	over         bool           // it was completed or given up
	why          capture.Reason // for which what else comes of one that is over is refused
}

// A part is bytes from one offset to another, and where in buf they are.
type part struct{ from, to, at int }

// link makes g the newest of the ring of head.
func (g *datagram) link(head *datagram) {
	g.older, g.newer = head.older, head
	g.older.newer, head.older = g, g
}

func (g *datagram) unlink() { g.older.newer, g.newer.older = g.newer, g.older }

// put copies data into g as its part p, or returns the reason why not.
func (g *datagram) put(data []byte, p part, more bool) (capture.Reason, bool) {
	last := 0
	if n := len(g.parts); n > 0 {
		last = g.parts[n-1].to
	}
	switch {
	case p.to > maxDatagram, len(data) == 0, more && (len(data) < minFragment || len(data)%8 != 0),
		g.total > 0 && p.to > g.total, !more && g.total > 0 && p.to != g.total, !more && p.to < last:
		return capture.FragmentInvalid, refuse
	}
	i, same := slices.BinarySearchFunc(g.parts, p, func(a, b part) int { return a.from - b.from })
	if same && g.parts[i].to == p.to {
		if old := g.parts[i].at; bytes.Equal(g.buf[old:old+len(data)], data) {
			return capture.FragmentRepeat, refuse
		}
	}
	switch {
	case same, i > 0 && g.parts[i-1].to > p.from, i < len(g.parts) && g.parts[i].from < p.to:
		return capture.FragmentOverlap, refuse
	case len(g.parts) == maxFragments:
		return capture.FragmentInvalid, refuse
	case !more:
		g.total = p.to
	}
	p.at = len(g.buf)
	g.parts = slices.Insert(g.parts, i, p)
	g.buf = append(g.buf, data...)
	return 0, pass
}

// fragments are the datagrams in flight and those that are over, each in a ring with the oldest first.
type fragments struct {
	cfg        Config
	count      *capture.Counters
	seen       *sighting // of the frame at hand
	byKey      map[datagramKey]*datagram
	bySource   map[netip.Addr][]*datagram // in flight, the oldest first
	live, over datagram                   // heads of the rings
	room       int                        // bytes of those in flight
	free       []*datagram
	whole      [maxJoined][]byte // datagrams given in this frame, one inside the other
}

func (f *fragments) init(cfg Config) {
	f.cfg = cfg
	f.byKey, f.bySource = make(map[datagramKey]*datagram), make(map[netip.Addr][]*datagram)
	for _, head := range []*datagram{&f.live, &f.over} {
		head.older, head.newer = head, head
	}
}

// A fragment is a part of a datagram as it came.
type fragment struct {
	offset int
	data   []byte
	proto  byte
	more   bool // another one follows it in the datagram
}

// refuse gives up the datagram of key, which is g if a fragment of it came before: this fragment shows that nothing of
// it is read. Where the other fragments do not show that, the datagram is remembered.
func (f *fragments) refuse(g *datagram, key datagramKey, why capture.Reason) {
	if g == nil && (why == capture.OtherPort || key.src.Is6()) {
		g = f.open(key)
	}
	if g != nil {
		f.giveUp(g, why)
	}
}

// add adds x to the datagram of key, which is g if a fragment of it came before, and returns the datagram if it is
// complete, the reason for which x is refused otherwise.
func (f *fragments) add(g *datagram, key datagramKey, x fragment) (_ *datagram, why capture.Reason, complete bool) {
	if g == nil {
		f.roomFor(key.src)
		g = f.open(key)
	}
	if why, ok := g.put(x.data, part{from: x.offset, to: x.offset + len(x.data)}, x.more); !ok {
		if why != capture.FragmentRepeat {
			f.giveUp(g, why)
		}
		return g, why, refuse
	}
	f.room += len(x.data)
	if x.offset == 0 {
		g.proto = x.proto
	}
	if g.total > 0 && len(g.buf) == g.total {
		return g, 0, pass
	}
	for f.room > f.cfg.FragmentRoom {
		f.giveUp(f.live.newer, capture.FragmentEvicted)
	}
	return g, capture.FragmentHeld, refuse
}

// join returns the bytes of g, which is complete, and buries it. They are valid until the frame completes another
// datagram of the same level: datagrams are joined inside one another.
func (f *fragments) join(g *datagram, level int) []byte {
	whole := f.whole[level][:0]
	for _, q := range g.parts {
		whole = append(whole, g.buf[q.at:q.at+q.to-q.from]...)
	}
	f.whole[level] = whole
	f.bury(g, capture.FragmentRepeat)
	return whole
}

// roomFor makes room for one more datagram of src.
func (f *fragments) roomFor(src netip.Addr) {
	if list := f.bySource[src]; len(list) >= f.cfg.PerSource {
		f.giveUp(list[0], capture.FragmentEvicted)
	}
}

// open makes room for one more datagram: those that are over go first.
func (f *fragments) open(key datagramKey) *datagram {
	if len(f.byKey) >= f.cfg.Datagrams && f.over.newer == &f.over {
		f.giveUp(f.live.newer, capture.FragmentEvicted)
	}
	if len(f.byKey) >= f.cfg.Datagrams {
		f.forget(f.over.newer)
	}
	if len(f.free) == 0 {
		f.free = append(f.free, new(datagram))
	}
	g := f.free[len(f.free)-1]
	f.free = f.free[:len(f.free)-1]
	*g = datagram{key: key, since: f.seen.time, parts: g.parts[:0], buf: g.buf[:0]}
	f.byKey[key] = g
	f.bySource[key.src] = append(f.bySource[key.src], g)
	g.link(&f.live)
	return g
}

// giveUp ends g, whose parts come to nothing.
func (f *fragments) giveUp(g *datagram, why capture.Reason) {
	f.count.Lose(why, len(g.parts))
	f.bury(g, why)
}

// bury frees g's bytes and keeps its key for a while, so that later parts open no new datagram.
func (f *fragments) bury(g *datagram, why capture.Reason) {
	f.room -= len(g.buf)
	list := f.bySource[g.key.src]
	if i := slices.Index(list, g); len(list) > 1 {
		f.bySource[g.key.src] = slices.Delete(list, i, i+1)
	} else {
		delete(f.bySource, g.key.src)
	}
	g.over, g.why, g.since = true, why, f.seen.time
	g.parts, g.buf = g.parts[:0], g.buf[:0]
	if cap(g.buf) > 16<<10 {
		g.buf = nil
	}
	g.unlink()
	g.link(&f.over)
}

// forget takes g, which is over, out of the table.
func (f *fragments) forget(g *datagram) {
	g.unlink()
	delete(f.byKey, g.key)
	if len(f.free) < 64 {
		f.free = append(f.free, g)
	}
}

// age gives up datagrams whose parts did not come in time, and forgets those that have been over for long enough.
func (f *fragments) age() {
	for f.live.newer != &f.live && f.seen.since(f.live.newer.since) > f.cfg.FragmentAge {
		f.giveUp(f.live.newer, capture.FragmentExpired)
	}
	for f.over.newer != &f.over && f.seen.since(f.over.newer.since) > afterlife {
		f.forget(f.over.newer)
	}
}

// flush gives up every datagram and forgets those that are over.
func (f *fragments) flush() {
	for f.live.newer != &f.live {
		f.giveUp(f.live.newer, capture.FragmentExpired)
	}
	for f.over.newer != &f.over {
		f.forget(f.over.newer)
	}
}
