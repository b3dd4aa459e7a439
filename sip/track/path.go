package track

import (
	"slices"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// A path is what was seen of one call on its hops. The zero path is that of a call of which nothing was seen. Its numbers
// are those of a hopTable.
type path struct {
	first  uint32 // the caller's hop; the others follow in the order in which they were seen
	origin uint32 // the hop whose addresses and texts the call is published with
	prints uint32 // the messages that were seen
}

// mostHops bounds the hops of one call that are told apart.
const mostHops = 8

// A hopTable holds the paths of many calls.
type hopTable struct {
	views    mem.Slab[hopFacts]
	forkings mem.Slab[forking]
	early    mem.Slab[endings]
	prints   mem.Slab[printBlock]
	points   points

	tooManyHops    uint64 // messages whose hop was not remembered, for its call has mostHops
	tooManyRepeats uint64 // blocks of prints that made room
}

// At returns the view with number n, which is not 0.
func (t *hopTable) At(n uint32) *hopFacts { return t.views.At(n) }

// find returns the number of the view of p's hop that m passed, 0 if it has shown nothing yet.
func (t *hopTable) find(p *path, m *sip.Message) uint32 {
	for n := p.first; n != 0; n = t.At(n).next {
		if t.At(n).hop.joins(m) {
			return n
		}
	}
	return 0
}

// passed returns the view of the hop that m passed, a new one for a new hop; nil if p has too many.
func (t *hopTable) passed(p *path, m *sip.Message) *hopFacts {
	last, n := uint32(0), 0
	for i := p.first; i != 0; i = t.At(i).next {
		h := t.At(i)
		if h.hop.joins(m) {
			return h
		}
		last, n = i, n+1
	}
	if n == mostHops {
		t.tooManyHops++
		return nil
	}
	i := t.views.New()
	h := t.At(i)
	h.hop = hopOf(m, t.points.number(m.Point))
	if last == 0 {
		p.first, p.origin = i, i
	} else {
		t.At(last).next = i
	}
	return h
}

// tookPart reports whether both ends of m's hop have been seen on hops of p.
func (t *hopTable) tookPart(p *path, m *sip.Message) bool {
	if !m.Flow.Src.IsValid() {
		return true
	}
	ends := 0
	for _, end := range [...][16]byte{m.Flow.Src.Addr().As16(), m.Flow.Dst.Addr().As16()} {
		for n := p.first; n != 0; n = t.At(n).next {
			if h := &t.At(n).hop; h.src == end || h.dst == end {
				ends++
				break
			}
		}
	}
	return ends == 2
}

// tagless reports whether no hop of p has shown a tag of the callee's.
func (t *hopTable) tagless(p *path) bool {
	for n := p.first; n != 0; n = t.At(n).next {
		if t.At(n).forks > 0 {
			return false
		}
	}
	return true
}

// callersHop returns the number of the caller's hop by the INVITEs with that CSeq: the hop that follows none, by its
// addresses; of several the one whose INVITE's branch stands in the Vias of the others; of several the earliest.
func (t *hopTable) callersHop(p *path, cseq uint32) uint32 {
	if t.At(p.first).next == 0 {
		return p.first
	}
	var room [mostHops]uint32
	all, near, own := room[:0], t.At(p.first), false
	for n := p.first; n != 0; n = t.At(n).next {
		h := t.At(n)
		if h.invited == 0 || h.invitedAs != cseq {
			continue
		}
		all = append(all, n)
		own = own || h.hop.src == near.hop.src || h.hop.precedes(&near.hop) || near.invitedAs == cseq
	}
	if !own { // the caller's own INVITE of this CSeq was not seen
		return p.first
	}
	all = t.unfollowed(all, func(x, y *hopFacts) bool { return x.hop.precedes(&y.hop) })
	all = t.unfollowed(all, (*hopFacts).below)
	first := all[0]
	for _, n := range all[1:] {
		if t.At(n).invited < t.At(first).invited {
			first = n
		}
	}
	return first
}

// unfollowed returns the hops that follow no other, all if each does.
func (t *hopTable) unfollowed(hops []uint32, precedes func(x, y *hopFacts) bool) []uint32 {
	var room [mostHops]uint32
	left := append(room[:0], hops...)[:0]
	for _, y := range hops {
		follows := false
		for _, x := range hops {
			follows = follows || x != y && precedes(t.At(x), t.At(y))
		}
		if !follows {
			left = append(left, y)
		}
	}
	if len(left) == 0 {
		return hops
	}
	return append(hops[:0], left...)
}

// lead puts hop number first, which is one of p, before the others: it is the caller's.
func (t *hopTable) lead(p *path, first uint32) {
	for n := p.first; n != 0; n = t.At(n).next {
		if h := t.At(n); h.next == first {
			h.next = t.At(first).next
			break
		}
	}
	t.At(first).next, p.first = p.first, first
}

// leftOn returns the hop on which the call left to whoever took it: the last that follows the origin, of several
// targets the one that answered with the tag callee, else the last one tried. It is nil if only the origin was seen.
func (t *hopTable) leftOn(p *path, callee uint64) *hopFacts {
	var room [mostHops]uint32
	for passed := append(room[:0], p.origin); ; {
		at, next := passed[len(passed)-1], uint32(0)
		for n := p.first; n != 0; n = t.At(n).next {
			if slices.Contains(passed, n) || !t.leadsOn(p, at, n) {
				continue
			}
			if next == 0 || t.At(n).takes(t.At(next), callee) {
				next = n
			}
		}
		switch {
		case next != 0 && len(passed) < mostHops:
			passed = append(passed, next)
			continue
		case at == p.origin:
			return nil
		}
		return t.At(at)
	}
}

// leadsOn reports whether p's INVITE went on from hop number x by y. A hop that follows none is taken to follow the
// origin.
func (t *hopTable) leadsOn(p *path, x, y uint32) bool {
	from, to := t.At(x), t.At(y)
	if to.invited == 0 {
		return false
	}
	return from.hop.precedes(&to.hop) || from.below(to) || x == p.origin && t.unlinked(p, to)
}

// unlinked reports whether y follows no hop of p that was seen.
func (t *hopTable) unlinked(p *path, y *hopFacts) bool {
	for n := p.first; n != 0; n = t.At(n).next {
		if x := t.At(n); x != y && x.invited != 0 && (x.hop.precedes(&y.hop) || x.below(y)) {
			return false
		}
	}
	return true
}

// firstAnswer returns the view with the earliest 2xx to the INVITE, nil without one.
func (t *hopTable) firstAnswer(p *path) (best *hopFacts) {
	for i := p.first; i != 0; i = t.At(i).next {
		if h := t.At(i); h.final.code/100 == 2 && (best == nil || h.final.at < best.final.at) {
			best = h
		}
	}
	return best
}

// lastFinal returns the view with the latest final response behind the caller's hop; nil if a further hop may go on, or
// without one.
func (t *hopTable) lastFinal(p *path) (best *hopFacts) {
	for i := t.At(p.first).next; i != 0; i = t.At(i).next {
		h := t.At(i)
		switch {
		case h.open > 0 || h.invited == 0 && h.forks > 0 && h.final.at == 0:
			return nil
		case best == nil || h.final.at > best.final.at:
			best = h
		}
	}
	return best
}

// nextAttempt takes note that the INVITE is sent again with a higher CSeq: what the hops have shown of the one before
// is past.
func (t *hopTable) nextAttempt(p *path) {
	for n := p.first; n != 0; n = t.At(n).next {
		h := t.At(n)
		h.final = finalResponse{}
		for i := range min(int(h.forks), maxForks) {
			t.fork(h, i).past = true
		}
	}
}

// unveil makes the ends of p's hops that are m's known again.
func (t *hopTable) unveil(p *path, k event.Keyer, m *sip.Message) {
	for n := p.first; n != 0; n = t.At(n).next {
		t.At(n).hop.unveil(k, m)
	}
}

// retime gives the time to what has the time from.
func (t *hopTable) retime(p *path, from, to int64) {
	for n := p.first; n != 0; n = t.At(n).next {
		h := t.At(n)
		replace(from, to, &h.invited, &h.final.at)
		t.earlyByes(h.tagless).retime(from, to)
		for i := range min(int(h.forks), maxForks) {
			f := t.fork(h, i)
			replace(from, to, &f.progress, &f.ring, &f.answered)
			t.earlyByes(f.ends).retime(from, to)
		}
	}
}

// replace changes each of times that equals the old value to the new one, and reports whether there was any.
func replace(from, to int64, times ...*int64) (changed bool) {
	for _, t := range times {
		if *t == from {
			*t, changed = to, true
		}
	}
	return changed
}

// forget frees what p stands for.
func (t *hopTable) forget(p *path) {
	for n := p.first; n != 0; {
		h := t.At(n)
		next := h.next
		t.forgetEarlyByes(h)
		if h.forking != 0 {
			t.forkings.Free(h.forking)
		}
		*h = hopFacts{}
		t.views.Free(n)
		n = next
	}
	t.forgetPrints(p)
	*p = path{}
}
