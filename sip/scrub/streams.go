package scrub

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// A streamKey is one direction of connections between two ends, in disguise or not.
type streamKey struct{ src, dst netip.AddrPort }

// A segment is what one frame has of a stream.
type segment struct {
	frame      *frame
	begin, end int // in its frame
	seq        uint32
	syn        bool
	offset     int // in its stream
}

// streams are the segments of each direction, connection after connection, in the order in which they came.
type streams struct {
	of       map[streamKey][][]segment
	payloads payloads
}

// add takes a segment. A SYN begins another connection, unless it is that of the last one again.
func (t *streams) add(k streamKey, g segment) {
	list := t.of[k]
	n := len(list)
	if n == 0 || g.syn && list[n-1][0].seq != g.seq {
		t.of[k] = append(list, []segment{g})
		return
	}
	list[n-1] = append(list[n-1], g)
}

// finish scrubs all streams, always in the same order, so that the draws are the same.
func (t *streams) finish() {
	keys := slices.SortedFunc(maps.Keys(t.of),
		func(a, b streamKey) int { return cmp.Or(a.src.Compare(b.src), a.dst.Compare(b.dst)) })
	for _, k := range keys {
		for _, connection := range t.of[k] {
			t.connection(connection)
		}
	}
}

// connection scrubs one direction of one connection, run by run: a run is what lies between holes.
func (t *streams) connection(all []segment) {
	first := all[0].seq
	for i := range all {
		g := &all[i]
		g.offset = int(int32(g.seq - first))
		if g.syn {
			g.offset++
		}
	}
	slices.SortStableFunc(all, func(a, b segment) int { return cmp.Compare(a.offset, b.offset) })
	var run []byte
	var parts []segment
	start := 0
	for _, g := range all {
		if g.begin == g.end {
			continue
		}
		if len(parts) > 0 && g.offset > start+len(run) {
			t.run(parts, run, start)
			parts, run = nil, nil
		}
		if len(parts) == 0 {
			start = g.offset
		}
		if have := start + len(run) - g.offset; have < g.end-g.begin {
			run = append(run, g.frame.in[g.begin+have:g.end]...)
		}
		parts = append(parts, g)
	}
	if len(parts) > 0 {
		t.run(parts, run, start)
	}
}

// run scrubs a run of bytes and writes it back to the frames that brought it.
func (t *streams) run(parts []segment, in []byte, start int) {
	out := make([]byte, len(in))
	t.payloads.stream(out, in)
	for _, g := range parts {
		copy(g.frame.out[g.begin:g.end], out[g.offset-start:])
	}
}
