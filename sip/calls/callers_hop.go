// This file has methods of Table because which hop is the caller's is a subject of its own.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/hops"
)

// inviteOnHop records m, an INVITE that opens d, on its hop, and decides anew which hop is the caller's.
func (t *Table) inviteOnHop(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) {
	h := t.hops.Passed(&d.Path, m)
	if h == nil {
		return
	}
	at := m.Time.UnixNano()
	h.Invite(m, k)
	d.FirstSeen, d.Setup = min(d.FirstSeen, at), min(d.Setup, at)
	if d.Regathered = true; d.Phase == dialog.Terminated {
		return
	}
	if first := t.hops.CallersHop(&d.Path, d.CSeq); first != d.Path.First {
		t.changeCallersHop(n, d, first, m)
	}
}

// changeCallersHop makes hop number first the caller's hop of d's call. m is the INVITE that showed it. Addresses and
// texts of the call are published from the caller's hop of its first INVITE.
func (t *Table) changeCallersHop(n uint32, d *dialog.Dialog, first uint32, m *sip.Message) {
	row := t.classes.Of(n)
	if t.sources.charged(n) {
		t.move(n, noClass)
	}
	t.hops.Lead(&d.Path, first)
	t.move(n, row)
	h := t.hops.At(first)
	d.Vias = m.Vias
	d.NBranches, d.BranchesDone, d.Branches[0] = 1, 0, h.Legs[0]
	d.Cancelled, d.CancelCause = 0, 0
	if o := t.hops.At(d.Path.Origin); o.InvitedAs == h.InvitedAs || h.Hop.Precedes(&o.Hop) {
		if d.Path.Origin = first; h.Hop.Joins(m) {
			t.texts.callersInvite(d, m)
		}
	}
	t.adoptFinal(n, d, h)
}

// adoptFinal gives d the outcome that its new caller's hop h has shown.
func (t *Table) adoptFinal(n uint32, d *dialog.Dialog, h *hops.View) {
	switch {
	case d.Answered():
		if h.Final.Code/100 == 2 {
			d.Answer, d.Callee, d.Code = h.Final.Time, h.Final.Tag, h.Final.Code
		} else {
			d.Downstream = true
		}
	case h.Final.Code >= 300:
		d.Code, d.RefusedAt, d.FinalCause, d.BranchesDone = h.Final.Code, h.Final.Time, h.Final.Cause, 1
		d.Phase = dialog.Rejected
		t.timers.Set(n, t.Now+event.Timer64T1)
	case d.Phase == dialog.Rejected || d.Phase == dialog.AwaitingRetry:
		d.Code, d.RefusedAt, d.Acked, d.Phase = 0, 0, 0, dialog.Calling
		t.timers.Set(n, t.Now+int64(t.limits.Ring))
	}
}
