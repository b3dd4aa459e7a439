package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
)

// callersHop returns what the caller's hop of d's call has shown.
func (t *callTable) callersHop(d *dialog) *hopFacts {
	return t.hops.At(t.dialogs.At(d.root).path.first)
}

// toldHop returns the hop that d's call is told from.
func (t *callTable) toldHop(d *dialog) *hop { return &t.hops.At(t.dialogs.At(d.root).path.origin).hop }

// invitedOn takes note of an INVITE that opens d's dialog, on m's hop, and of which hop is the caller's by that.
func (t *callTable) invitedOn(n uint32, d *dialog, m *sip.Message, k event.Keys) {
	h := t.hops.passed(&d.path, m)
	if h == nil {
		return
	}
	at := m.Time.UnixNano()
	h.invite(m, k)
	d.first, d.setup = min(d.first, at), min(d.setup, at)
	if d.regathered = true; d.phase == terminated {
		return
	}
	if first := t.hops.callersHop(&d.path, d.cseq); first != d.path.first {
		t.retell(n, d, first, m)
	}
}

// retell makes hop number first the caller's hop of d's call, whose INVITE there is m, if it is that. The call is told
// from the caller's hop of its first INVITE.
func (t *callTable) retell(n uint32, d *dialog, first uint32, m *sip.Message) {
	row := t.rows.Of(n)
	if t.sources.charged(n) {
		t.move(n, nowhere)
	}
	t.hops.lead(&d.path, first)
	t.move(n, row)
	h := t.hops.At(first)
	d.vias = m.Vias
	d.nlegs, d.legsDone, d.legs[0] = 1, 0, h.legs[0]
	d.cancelled, d.cancelCause = 0, 0
	if o := t.hops.At(d.path.origin); o.invitedAs == h.invitedAs || h.hop.precedes(&o.hop) {
		if d.path.origin = first; h.hop.joins(m) {
			t.regatherInvite(d, m)
		}
	}
	t.takeFinal(n, d, h)
}

// takeFinal makes d's outcome that of h, which turned out to be the caller's hop.
func (t *callTable) takeFinal(n uint32, d *dialog, h *hopFacts) {
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
		t.lapses.Set(n, t.Now+event.Timer64T1)
	case d.phase == rejected || d.phase == awaitingRetry:
		d.code, d.refusedAt, d.acked, d.phase = 0, 0, 0, calling
		t.lapses.Set(n, t.Now+int64(t.limits.Ring))
	}
}
