package track

import (
	"slices"

	"sipsieve/sip"
)

const (
	mostHops  = 8 // hops of one call that are told apart
	hopLegs   = 4 // INVITEs on one hop that ACKs of refusals are known by
	lowerVias = 4 // Vias below the topmost by which one hop is known to follow another
)

// hopFacts is what one hop of a call, an unordered pair of addresses, has shown.
type hopFacts struct {
	next      uint32
	hop       hop               // as its first INVITE went; without one as the first message went
	invited   int64             // its first INVITE of the last CSeq, 0 without one
	cseq      uint32            // of the last INVITE or response to one
	invitedAs uint32            // of the last INVITE
	legs      [hopLegs]uint32   // branches of the INVITEs with that CSeq
	vias      [lowerVias]uint32 // the branches below them
	final     finalResponse
	open      uint8  // INVITEs with that CSeq that have no final response
	forks     uint16 // To tags
	proved    uint16 // of them, those that no response to the INVITE has shown
	first     fork
	tagless   uint32 // BYEs before the answer to no fork that is known, 0 without any
	forking   uint32 // the other forks, once there are two
}

// A finalResponse is the last final response on a hop to an INVITE that opens a dialog; a 2xx stays.
type finalResponse struct {
	at    int64
	tag   uint64
	code  uint16
	cause uint8
}

// hopOfMessage returns the number of root's hop that m passed, 0 if it has shown nothing yet.
func (t *Tracker) hopOfMessage(root *dialog, m *sip.Message) uint32 {
	for n := root.hops; n != 0; n = t.hops.At(n).next {
		if t.hops.At(n).hop.joins(m) {
			return n
		}
	}
	return 0
}

// passed returns what the hop that m passed has shown, nil if the call has too many.
func (t *Tracker) passed(root *dialog, m *sip.Message) *hopFacts {
	last, n := uint32(0), 0
	for i := root.hops; i != 0; i = t.hops.At(i).next {
		h := t.hops.At(i)
		if h.hop.joins(m) {
			return h
		}
		last, n = i, n+1
	}
	if n == mostHops {
		t.counts.Bounds[HopsBound]++
		return nil
	}
	i := t.hops.New()
	h := t.hops.At(i)
	h.hop = hopOf(m, t.point(m.Point))
	if last == 0 {
		root.hops, root.origin = i, i
	} else {
		t.hops.At(last).next = i
	}
	return h
}

// callersHop returns what the caller's hop of d's call has shown.
func (t *Tracker) callersHop(d *dialog) *hopFacts { return t.hops.At(t.dialogs.At(d.root).hops) }

// toldHop returns the hop that d's call is told from.
func (t *Tracker) toldHop(d *dialog) *hop { return &t.hops.At(t.dialogs.At(d.root).origin).hop }

// tookPart reports whether both ends of m's hop have been seen in root's call.
func (t *Tracker) tookPart(root *dialog, m *sip.Message) bool {
	if !m.Flow.Src.IsValid() {
		return true
	}
	ends := 0
	for _, end := range [...][16]byte{m.Flow.Src.Addr().As16(), m.Flow.Dst.Addr().As16()} {
		for n := root.hops; n != 0; n = t.hops.At(n).next {
			if h := &t.hops.At(n).hop; h.src == end || h.dst == end {
				ends++
				break
			}
		}
	}
	return ends == 2
}

// forgetEarlyByes frees what BYEs before the answer h has shown.
func (t *Tracker) forgetEarlyByes(h *hopFacts) {
	t.early.Clear(&h.tagless)
	for i := range min(int(h.forks), maxForks) {
		t.early.Clear(&t.fork(h, i).ends)
	}
}

// forgetHops frees what root's hops have shown.
func (t *Tracker) forgetHops(root *dialog) {
	for n := root.hops; n != 0; {
		h := t.hops.At(n)
		next := h.next
		t.forgetEarlyByes(h)
		if h.forking != 0 {
			t.forkings.Free(h.forking)
		}
		*h = hopFacts{}
		t.hops.Free(n)
		n = next
	}
	root.hops, root.origin = 0, 0
}

// invitedOn takes note of an INVITE that opens d's dialog, on m's hop, and of which hop is the caller's by that.
func (t *Tracker) invitedOn(n uint32, d *dialog, m *sip.Message, k Keys) {
	h := t.passed(d, m)
	if h == nil {
		return
	}
	at := m.Time.UnixNano()
	switch {
	case h.invited == 0:
		h.hop, h.invited = hopOf(m, h.hop.point), at
	case at < h.invited, m.CSeq > h.invitedAs:
		h.invited = at
	}
	h.invitedAs = max(h.invitedAs, m.CSeq)
	d.first, d.setup = min(d.first, at), min(d.setup, at)
	if h.addLeg(m.CSeq, leg(k)); m.CSeq == h.cseq {
		h.vias = k.Vias
		h.open = min(h.open+1, 100)
	}
	if d.regathered = true; d.phase == terminated {
		return
	}
	if first := t.firstHop(d); first != d.hops {
		t.retell(n, d, first, m)
	}
}

// firstHop returns the number of the caller's hop: the one that follows none, by its addresses; of several the one
// whose INVITE's branch stands in the Vias of the others; of several the earliest.
func (t *Tracker) firstHop(d *dialog) uint32 {
	if t.hops.At(d.hops).next == 0 {
		return d.hops
	}
	var room [mostHops]uint32
	all, near, own := room[:0], t.hops.At(d.hops), false
	for n := d.hops; n != 0; n = t.hops.At(n).next {
		h := t.hops.At(n)
		if h.invited == 0 || h.invitedAs != d.cseq {
			continue
		}
		all = append(all, n)
		own = own || h.hop.src == near.hop.src || h.hop.precedes(&near.hop) || near.invitedAs == d.cseq
	}
	if !own { // the caller's own INVITE of this CSeq was not seen
		return d.hops
	}
	all = t.unfollowed(all, func(x, y *hopFacts) bool { return x.hop.precedes(&y.hop) })
	all = t.unfollowed(all, (*hopFacts).below)
	first := all[0]
	for _, n := range all[1:] {
		if t.hops.At(n).invited < t.hops.At(first).invited {
			first = n
		}
	}
	return first
}

// unfollowed returns the hops that follow no other, all if each does.
func (t *Tracker) unfollowed(hops []uint32, precedes func(x, y *hopFacts) bool) []uint32 {
	var room [mostHops]uint32
	left := append(room[:0], hops...)[:0]
	for _, y := range hops {
		follows := false
		for _, x := range hops {
			follows = follows || x != y && precedes(t.hops.At(x), t.hops.At(y))
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

// below reports whether x's INVITE was sent on as y's: its branch stands in y's Vias below the topmost.
func (x *hopFacts) below(y *hopFacts) bool {
	if x.cseq != y.cseq {
		return false
	}
	for _, v := range y.vias {
		if v != 0 && x.hasLeg(v) {
			return true
		}
	}
	return false
}

// addLeg remembers the branch of an INVITE on h.
func (h *hopFacts) addLeg(cseq, l uint32) {
	if cseq > h.cseq {
		h.cseq, h.legs, h.open = cseq, [hopLegs]uint32{}, 0
	}
	if cseq == h.cseq && !h.hasLeg(l) {
		copy(h.legs[1:], h.legs[:])
		h.legs[0] = l
	}
}

// hasLeg reports whether l is the branch of an INVITE on h.
func (h *hopFacts) hasLeg(l uint32) bool { return slices.Contains(h.legs[:], l) }

// leftOn returns the hop on which d's call left to whoever took it: the last that follows the caller's hop, of several
// targets the one that answered d, else the last one tried. It is nil if only the caller's hop was seen.
func (t *Tracker) leftOn(d *dialog) *hopFacts {
	root := t.dialogs.At(d.root)
	var room [mostHops]uint32
	for passed := append(room[:0], root.origin); ; {
		at, next := passed[len(passed)-1], uint32(0)
		for n := root.hops; n != 0; n = t.hops.At(n).next {
			if slices.Contains(passed, n) || !t.leadsOn(root, at, n) {
				continue
			}
			if next == 0 || d.prefers(t.hops.At(n), t.hops.At(next)) {
				next = n
			}
		}
		switch {
		case next != 0 && len(passed) < mostHops:
			passed = append(passed, next)
			continue
		case at == root.origin:
			return nil
		}
		return t.hops.At(at)
	}
}

// leadsOn reports whether the INVITE of root's call went on from hop number x by y. A hop that follows none is taken to
// follow the one that the call is told from.
func (t *Tracker) leadsOn(root *dialog, x, y uint32) bool {
	from, to := t.hops.At(x), t.hops.At(y)
	if to.invited == 0 {
		return false
	}
	return from.hop.precedes(&to.hop) || from.below(to) || x == root.origin && t.unlinked(root, to)
}

// unlinked reports whether y follows no hop of root's that was seen: then it is taken to follow the caller's.
func (t *Tracker) unlinked(root *dialog, y *hopFacts) bool {
	for n := root.hops; n != 0; n = t.hops.At(n).next {
		if x := t.hops.At(n); x != y && x.invited != 0 && (x.hop.precedes(&y.hop) || x.below(y)) {
			return false
		}
	}
	return true
}

// prefers reports whether d's call rather went on by y than by x: the one that answered first, else the later one.
func (d *dialog) prefers(y, x *hopFacts) bool {
	ya, xa := y.final.code/100 == 2, x.final.code/100 == 2
	switch {
	case ya && xa && (y.final.tag == d.callee) != (x.final.tag == d.callee):
		return y.final.tag == d.callee
	case ya && xa:
		return y.final.at < x.final.at
	case ya != xa:
		return ya
	}
	return y.invited > x.invited
}

// retell makes hop number first the caller's hop of d's call, whose INVITE there is m, if it is that. The call is told
// from the caller's hop of its first INVITE.
func (t *Tracker) retell(n uint32, d *dialog, first uint32, m *sip.Message) {
	row := t.rows.Of(n)
	if t.sources.charged(n) {
		t.move(n, nowhere)
	}
	for p := d.hops; p != 0; p = t.hops.At(p).next {
		if h := t.hops.At(p); h.next == first {
			h.next = t.hops.At(first).next
			break
		}
	}
	t.hops.At(first).next, d.hops = d.hops, first
	t.move(n, row)
	h := t.hops.At(first)
	d.vias = m.Vias
	d.nlegs, d.legsDone, d.legs[0] = 1, 0, h.legs[0]
	d.cancelled, d.cancelCause = 0, 0
	if o := t.hops.At(d.origin); o.invitedAs == h.invitedAs || h.hop.precedes(&o.hop) {
		if d.origin = first; h.hop.joins(m) {
			t.regatherInvite(d, m)
		}
	}
	t.takeFinal(n, d, h)
}

// takeFinal makes d's outcome that of h, which turned out to be the caller's hop.
func (t *Tracker) takeFinal(n uint32, d *dialog, h *hopFacts) {
	switch {
	case d.answered():
		if h.final.code/100 == 2 {
			d.answer, d.callee, d.code = h.final.at, h.final.tag, h.final.code
		} else {
			d.downstream = true
		}
	case h.final.code >= 300:
		d.code, d.refusedAt, d.finalCause, d.legsDone = h.final.code, h.final.at, h.final.cause, 1
		d.phase = rejected
		t.lapses.Set(n, t.now+timer64T1)
	case d.phase == rejected || d.phase == awaitingRetry:
		d.code, d.refusedAt, d.acked, d.phase = 0, 0, 0, calling
		t.lapses.Set(n, t.now+int64(t.limits.Ring))
	}
}
