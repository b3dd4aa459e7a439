package scrub

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
)

// A streamKey is one direction of connections between two ends, in disguise or not.
type streamKey struct{ src, dst netip.AddrPort }

// A segment is what one frame has of a stream.
type segment struct {
	sh      *sheet
	at, end int // in its frame
	seq     uint32
	syn     bool
	offset  int // in its stream
}

// streams are the segments of each direction, connection after connection, in the order in which they came.
type streams map[streamKey][][]segment

// add takes a segment. A SYN begins another connection, unless it is that of the last one again.
func (t streams) add(k streamKey, g segment) {
	list := t[k]
	n := len(list)
	if n == 0 || g.syn && list[n-1][0].seq != g.seq {
		t[k] = append(list, []segment{g})
		return
	}
	list[n-1] = append(list[n-1], g)
}

// finishStreams scrubs all streams.
func (s *Scrubber) finishStreams() {
	keys := make([]streamKey, 0, len(s.streams))
	for k := range s.streams {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b streamKey) int { return cmp.Or(a.src.Compare(b.src), a.dst.Compare(b.dst)) })
	for _, k := range keys {
		for _, connection := range s.streams[k] {
			s.stream(connection)
		}
	}
}

// stream scrubs one direction of one connection, run by run: what lies between holes.
func (s *Scrubber) stream(all []segment) {
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
	from := 0
	for _, g := range all {
		if g.at == g.end {
			continue
		}
		if len(parts) > 0 && g.offset > from+len(run) {
			s.run(parts, run, from)
			parts, run = nil, nil
		}
		if len(parts) == 0 {
			from = g.offset
		}
		if have := from + len(run) - g.offset; have < g.end-g.at {
			run = append(run, g.sh.in[g.at+have:g.end]...)
		}
		parts = append(parts, g)
	}
	if len(parts) > 0 {
		s.run(parts, run, from)
	}
}

// run scrubs a run of bytes and writes it back to the frames that brought it.
func (s *Scrubber) run(parts []segment, in []byte, from int) {
	out := make([]byte, len(in))
	s.text(out, in)
	for _, g := range parts {
		copy(g.sh.out[g.at:g.end], out[g.offset-from:])
	}
}

// text scrubs the bytes of a stream: messages, keep-alives, and what is neither up to the next start line.
func (s *Scrubber) text(out, in []byte) {
	for len(in) > 0 {
		n := len(in) - len(bytes.TrimLeft(in, "\r\n"))
		copy(out, in[:n])
		if out, in = out[n:], in[n:]; len(in) == 0 {
			return
		}
		if startsSIP(in) {
			s.sum.Messages++
			n = s.disguise.message(out, in)
		} else {
			n = nextStart(in)
			s.blank(out[:n], in[:n])
		}
		out, in = out[n:], in[n:]
	}
}

// nextStart returns where the next line begins that is a start line, the end without one.
func nextStart(in []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(in[i:], '\n')
		if n < 0 {
			return len(in)
		}
		if i += n + 1; startsSIP(in[i:]) {
			return i
		}
	}
}
