package hops

import (
	"net/netip"
	"slices"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// A Path is the hops of one call, as numbers of a Table. The zero Path is that of a call without messages.
type Path struct {
	First  uint32 // the caller's hop; the others follow in the order in which they were seen
	Origin uint32 // the hop whose addresses and texts are published with the call
	prints uint32 // of the messages that were seen
}

// mostHops limits the remembered hops of one call.
const mostHops = 8

// A Table holds the paths of many calls.
type Table struct {
	views mem.Slab[View]
	forks
	repeats repeats
	Points  Points

	TooManyHops uint64 // messages whose hop was not remembered, because its call has mostHops
}

// TooManyRepeats returns how many blocks of prints were dropped because a call had too many messages.
func (t *Table) TooManyRepeats() uint64 { return t.repeats.dropped }

// At returns the view with number n, which is not 0.
func (t *Table) At(n uint32) *View { return t.views.At(n) }

// Find returns the number of the view of the hop that m passed, 0 if p has none.
func (t *Table) Find(p *Path, m *sip.Message) uint32 {
	for n := p.First; n != 0; n = t.At(n).Next {
		if t.At(n).Hop.Joins(m) {
			return n
		}
	}
	return 0
}

// Passed returns the view of the hop that m passed, a new one for a new hop; nil if p has mostHops others.
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

// TookPart reports whether both addresses of m are ends of hops of p.
func (t *Table) TookPart(p *Path, m *sip.Message) bool {
	return t.HasEnd(p, m.Flow.Src) && t.HasEnd(p, m.Flow.Dst)
}

// HasEnd reports whether the address is an end of a hop of p, or none.
func (t *Table) HasEnd(p *Path, address netip.AddrPort) bool {
	if !address.IsValid() {
		return true
	}
	end := address.Addr().As16()
	for n := p.First; n != 0; n = t.At(n).Next {
		if h := &t.At(n).Hop; h.Src == end || h.Dst == end {
			return true
		}
	}
	return false
}

// Tagless reports whether no hop of p has shown a tag of the callee.
func (t *Table) Tagless(p *Path) bool {
	for n := p.First; n != 0; n = t.At(n).Next {
		if t.At(n).Forks > 0 {
			return false
		}
	}
	return true
}

// CallersHop returns the number of the caller's hop by the INVITEs with that CSeq: the hop that follows no other by its
// addresses; of several the one whose INVITE's branch is in the Vias of the others; of several the earliest.
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

// Lead makes hop number first of p the caller's hop.
func (t *Table) Lead(p *Path, first uint32) {
	for n := p.First; n != 0; n = t.At(n).Next {
		if h := t.At(n); h.Next == first {
			h.Next = t.At(first).Next
			break
		}
	}
	t.At(first).Next, p.First = p.First, first
}

// LeftOn returns the last hop behind the origin, on which the call left towards the callee: of several targets the one
// that answered with the tag callee, else the last one tried. It is nil if only the origin was seen.
func (t *Table) LeftOn(p *Path, callee uint64) *View {
	var room [mostHops]uint32
	for passed := append(room[:0], p.Origin); ; {
		last, next := passed[len(passed)-1], uint32(0)
		for n := p.First; n != 0; n = t.At(n).Next {
			if slices.Contains(passed, n) || !t.leadsOn(p, last, n) {
				continue
			}
			if next == 0 || t.At(n).preferred(t.At(next), callee) {
				next = n
			}
		}
		switch {
		case next != 0 && len(passed) < mostHops:
			passed = append(passed, next)
			continue
		case last == p.Origin:
			return nil
		}
		return t.At(last)
	}
}

// leadsOn reports whether the INVITE of p was forwarded from hop number x on hop y. A hop that follows no known hop is
// taken to follow the origin.
func (t *Table) leadsOn(p *Path, x, y uint32) bool {
	before, after := t.At(x), t.At(y)
	if after.Invited == 0 {
		return false
	}
	return before.Hop.Precedes(&after.Hop) || before.below(after) || x == p.Origin && t.unlinked(p, after)
}

// unlinked reports whether y follows no known hop of p.
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

// LastFinal returns the view with the latest final response behind the caller's hop. It returns nil if there is none,
// or if a hop still awaits one.
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

// NextAttempt begins an INVITE with a higher CSeq: final responses are forgotten, and forks are past.
func (t *Table) NextAttempt(p *Path) {
	for n := p.First; n != 0; n = t.At(n).Next {
		h := t.At(n)
		h.Final = finalResponse{}
		for i := range min(int(h.Forks), MaxForks) {
			t.Fork(h, i).Past = true
		}
	}
}

// Unhide replaces hidden ends of p's hops that are addresses of m by these.
func (t *Table) Unhide(p *Path, k event.Keyer, m *sip.Message) {
	for n := p.First; n != 0; n = t.At(n).Next {
		t.At(n).Hop.unhide(k, m)
	}
}

// Retime replaces the time late (nanoseconds) by early.
func (t *Table) Retime(p *Path, late, early int64) {
	for n := p.First; n != 0; n = t.At(n).Next {
		h := t.At(n)
		Replace(late, early, &h.Invited, &h.Final.Time)
		t.EarlyByes(h.Tagless).retime(late, early)
		for i := range min(int(h.Forks), MaxForks) {
			f := t.Fork(h, i)
			Replace(late, early, &f.Progress, &f.Ring, &f.Answered)
			t.EarlyByes(f.Ends).retime(late, early)
		}
	}
}

// Replace replaces each of times that equals old by now, and reports whether there was any.
func Replace(old, now int64, times ...*int64) (changed bool) {
	for _, t := range times {
		if *t == old {
			*t, changed = now, true
		}
	}
	return changed
}

// Forget frees the hops of p.
func (t *Table) Forget(p *Path) {
	for n := p.First; n != 0; {
		h := t.At(n)
		next := h.Next
		t.forgetEarlyByes(h)
		if h.more != 0 {
			t.more.Free(h.more)
		}
		*h = View{}
		t.views.Free(n)
		n = next
	}
	t.repeats.forget(&p.prints)
	*p = Path{}
}

// Repeated reports whether m repeats a message of its transaction that was seen before, and remembers m.
func (t *Table) Repeated(p *Path, m *sip.Message, k event.Keys) bool {
	return t.repeats.seen(&p.prints, Print(m, k))
}

// CountRepeat counts a repeated message with the keys k for its fork, if that is known.
func (t *Table) CountRepeat(p *Path, k event.Keys) {
	for n := p.First; n != 0; n = t.At(n).Next {
		h := t.At(n)
		for _, tag := range [...]event.Key{k.To, k.From} {
			if i, _ := t.KnownFork(h, tag); i >= 0 {
				t.Fork(h, i).Repeats++
				return
			}
		}
	}
}

// Apart reports whether tag and the tag with the half other are of two forks of p's INVITE, not of one whose tag is
// rewritten on its way: responses with both went to one address.
func (t *Table) Apart(p *Path, tag event.Key, other uint32) bool {
	for n := p.First; n != 0; n = t.At(n).Next {
		x := t.At(n)
		if _, known := t.KnownFork(x, tag); !known {
			continue
		}
		for n := p.First; n != 0; n = t.At(n).Next {
			if y := t.At(n); t.hasTag(y, other) && (x == y || x.startsWith(y)) {
				return true
			}
		}
	}
	return false
}

// EarlyEnd returns the accepted BYE by which the last fork of p's call ended before any answer, nil if a fork is left.
func (t *Table) EarlyEnd(p *Path) *Ending {
	h := t.At(p.First)
	if h.Forks > MaxForks {
		return nil
	}
	last := t.EarlyByes(h.Tagless).Accepted()
	for i := range int(h.Forks) {
		f := t.Fork(h, i)
		if f.Past {
			continue
		}
		e := t.EarlyByes(f.Ends).Accepted()
		if e == nil {
			return nil
		}
		if last == nil || e.Time > last.Time {
			last = e
		}
	}
	return last
}
