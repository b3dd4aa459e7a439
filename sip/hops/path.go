package hops

import (
	"slices"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// A Path is what was seen of one call on its hops. The zero path is that of a call of which nothing was seen. Its numbers
// are those of a Table.
type Path struct {
	First  uint32 // the caller's hop; the others follow in the order in which they were seen
	Origin uint32 // the hop whose addresses and texts the call is published with
	prints uint32 // the messages that were seen
}

// mostHops bounds the hops of one call that are told apart.
const mostHops = 8

// A Table holds the paths of many calls.
type Table struct {
	views    mem.Slab[View]
	forkings mem.Slab[forking]
	Early    mem.Slab[Endings]
	prints   mem.Slab[printBlock]
	Points   Points

	TooManyHops    uint64 // messages whose hop was not remembered, for its call has mostHops
	TooManyRepeats uint64 // blocks of prints that made room
}

// At returns the view with number n, which is not 0.
func (t *Table) At(n uint32) *View { return t.views.At(n) }

// Find returns the number of the view of p's hop that m passed, 0 if it has shown nothing yet.
func (t *Table) Find(p *Path, m *sip.Message) uint32 {
	for n := p.First; n != 0; n = t.At(n).Next {
		if t.At(n).Hop.Joins(m) {
			return n
		}
	}
	return 0
}

// Passed returns the view of the hop that m passed, a new one for a new hop; nil if p has too many.
func (t *Table) Passed(p *Path, m *sip.Message) *View {
	last, n := uint32(0), 0
	for i := p.First; i != 0; i = t.At(i).Next {
		h := t.At(i)
		if h.Hop.Joins(m) {
			return h
		}
		last, n = i, n+1
	}
	if n == mostHops {
		t.TooManyHops++
		return nil
	}
	i := t.views.New()
	h := t.At(i)
	h.Hop = Of(m, t.Points.Number(m.Point))
	if last == 0 {
		p.First, p.Origin = i, i
	} else {
		t.At(last).Next = i
	}
	return h
}

// TookPart reports whether both ends of m's hop have been seen on hops of p.
func (t *Table) TookPart(p *Path, m *sip.Message) bool {
	if !m.Flow.Src.IsValid() {
		return true
	}
	ends := 0
	for _, end := range [...][16]byte{m.Flow.Src.Addr().As16(), m.Flow.Dst.Addr().As16()} {
		for n := p.First; n != 0; n = t.At(n).Next {
			if h := &t.At(n).Hop; h.Src == end || h.Dst == end {
				ends++
				break
			}
		}
	}
	return ends == 2
}

// Tagless reports whether no hop of p has shown a tag of the callee's.
func (t *Table) Tagless(p *Path) bool {
	for n := p.First; n != 0; n = t.At(n).Next {
		if t.At(n).Forks > 0 {
			return false
		}
	}
	return true
}

// CallersHop returns the number of the caller's hop by the INVITEs with that CSeq: the hop that follows none, by its
// addresses; of several the one whose INVITE's branch stands in the Vias of the others; of several the earliest.
func (t *Table) CallersHop(p *Path, cseq uint32) uint32 {
	if t.At(p.First).Next == 0 {
		return p.First
	}
	var room [mostHops]uint32
	all, near, own := room[:0], t.At(p.First), false
	for n := p.First; n != 0; n = t.At(n).Next {
		h := t.At(n)
		if h.Invited == 0 || h.InvitedAs != cseq {
			continue
		}
		all = append(all, n)
		own = own || h.Hop.Src == near.Hop.Src || h.Hop.Precedes(&near.Hop) || near.InvitedAs == cseq
	}
	if !own { // the caller's own INVITE of this CSeq was not seen
		return p.First
	}
	all = t.unfollowed(all, func(x, y *View) bool { return x.Hop.Precedes(&y.Hop) })
	all = t.unfollowed(all, (*View).below)
	first := all[0]
	for _, n := range all[1:] {
		if t.At(n).Invited < t.At(first).Invited {
			first = n
		}
	}
	return first
}

// unfollowed returns the hops that follow no other, all if each does.
func (t *Table) unfollowed(hops []uint32, precedes func(x, y *View) bool) []uint32 {
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

// Lead puts hop number first, which is one of p, before the others: it is the caller's.
func (t *Table) Lead(p *Path, first uint32) {
	for n := p.First; n != 0; n = t.At(n).Next {
		if h := t.At(n); h.Next == first {
			h.Next = t.At(first).Next
			break
		}
	}
	t.At(first).Next, p.First = p.First, first
}

// LeftOn returns the hop on which the call left to whoever took it: the last that follows the origin, of several
// targets the one that answered with the tag callee, else the last one tried. It is nil if only the origin was seen.
func (t *Table) LeftOn(p *Path, callee uint64) *View {
	var room [mostHops]uint32
	for passed := append(room[:0], p.Origin); ; {
		at, next := passed[len(passed)-1], uint32(0)
		for n := p.First; n != 0; n = t.At(n).Next {
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
		case at == p.Origin:
			return nil
		}
		return t.At(at)
	}
}

// leadsOn reports whether p's INVITE went on from hop number x by y. A hop that follows none is taken to follow the
// origin.
func (t *Table) leadsOn(p *Path, x, y uint32) bool {
	from, to := t.At(x), t.At(y)
	if to.Invited == 0 {
		return false
	}
	return from.Hop.Precedes(&to.Hop) || from.below(to) || x == p.Origin && t.unlinked(p, to)
}

// unlinked reports whether y follows no hop of p that was seen.
func (t *Table) unlinked(p *Path, y *View) bool {
	for n := p.First; n != 0; n = t.At(n).Next {
		if x := t.At(n); x != y && x.Invited != 0 && (x.Hop.Precedes(&y.Hop) || x.below(y)) {
			return false
		}
	}
	return true
}

// FirstAnswer returns the view with the earliest 2xx to the INVITE, nil without one.
func (t *Table) FirstAnswer(p *Path) (best *View) {
	for i := p.First; i != 0; i = t.At(i).Next {
		if h := t.At(i); h.Final.Code/100 == 2 && (best == nil || h.Final.Time < best.Final.Time) {
			best = h
		}
	}
	return best
}

// LastFinal returns the view with the latest final response behind the caller's hop; nil if a further hop may go on, or
// without one.
func (t *Table) LastFinal(p *Path) (best *View) {
	for i := t.At(p.First).Next; i != 0; i = t.At(i).Next {
		h := t.At(i)
		switch {
		case h.Open > 0 || h.Invited == 0 && h.Forks > 0 && h.Final.Time == 0:
			return nil
		case best == nil || h.Final.Time > best.Final.Time:
			best = h
		}
	}
	return best
}

// NextAttempt takes note that the INVITE is sent again with a higher CSeq: what the hops have shown of the one before
// is past.
func (t *Table) NextAttempt(p *Path) {
	for n := p.First; n != 0; n = t.At(n).Next {
		h := t.At(n)
		h.Final = finalResponse{}
		for i := range min(int(h.Forks), MaxForks) {
			t.Fork(h, i).Past = true
		}
	}
}

// Unveil makes the ends of p's hops that are m's known again.
func (t *Table) Unveil(p *Path, k event.Keyer, m *sip.Message) {
	for n := p.First; n != 0; n = t.At(n).Next {
		t.At(n).Hop.unveil(k, m)
	}
}

// Retime gives the time to what has the time from.
func (t *Table) Retime(p *Path, from, to int64) {
	for n := p.First; n != 0; n = t.At(n).Next {
		h := t.At(n)
		Replace(from, to, &h.Invited, &h.Final.Time)
		t.EarlyByes(h.Tagless).retime(from, to)
		for i := range min(int(h.Forks), MaxForks) {
			f := t.Fork(h, i)
			Replace(from, to, &f.Progress, &f.Ring, &f.Answered)
			t.EarlyByes(f.Ends).retime(from, to)
		}
	}
}

// Replace changes each of times that equals the old value to the new one, and reports whether there was any.
func Replace(from, to int64, times ...*int64) (changed bool) {
	for _, t := range times {
		if *t == from {
			*t, changed = to, true
		}
	}
	return changed
}

// Forget frees what p stands for.
func (t *Table) Forget(p *Path) {
	for n := p.First; n != 0; {
		h := t.At(n)
		next := h.Next
		t.forgetEarlyByes(h)
		if h.forking != 0 {
			t.forkings.Free(h.forking)
		}
		*h = View{}
		t.views.Free(n)
		n = next
	}
	t.forgetPrints(p)
	*p = Path{}
}
