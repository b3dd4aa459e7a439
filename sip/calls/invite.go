// This file has methods of Table because a file is what one kind of message does to a call.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/hops"
)

// openInvite opens a call with its first INVITE.
func (t *Table) openInvite(m *sip.Message, k event.Keys) bool {
	h := hops.Of(m, 0)
	if why, ok := t.sources.admit(&h, t.Now, &t.limits); !ok {
		return t.refuse(why)
	}
	n := t.open(m, k)
	if n == 0 {
		return false
	}
	d := t.dialogs.At(n)
	d.Setup, d.CSeq = d.FirstSeen, m.CSeq
	t.firstMessage(d, m, k)
	t.inviteOnHop(n, d, m, k)
	d.AddBranch(k.ShortBranch())
	t.countCall(d)
	t.texts.invite(d, m)
	t.move(n, openClass)
	t.timers.Set(n, t.Now+int64(t.limits.Ring))
	t.evidence.invite(d, m)
	t.publish(d, event.Start, d.FirstSeen)
	return true
}

// firstMessage applies m, the first message of d.
func (t *Table) firstMessage(d *dialog.Dialog, m *sip.Message, k event.Keys) {
	t.hops.Repeated(&d.Path, m, k)
	t.hops.Passed(&d.Path, m)
	if d.Seen = dialog.SeenResponse; m.Request() {
		d.Seen = dialog.SeenRequest
	}
	if m.Flags&sip.Truncated != 0 {
		d.Faults |= truncation(m)
	}
}

// countCall counts d as an opened call.
func (t *Table) countCall(d *dialog.Dialog) {
	d.Counted = true
	t.counts.Opened++
	t.counts.Live++
}

// invite applies an INVITE without a To tag to a known call. It returns false if a limit refused m.
func (t *Table) invite(n uint32, m *sip.Message, k event.Keys) bool {
	d, repeated := t.countMessage(n, m, k, dialog.SeenRequest)
	at := m.Time.UnixNano()
	if repeated {
		if h := t.callersHop(d); at < d.Setup && m.CSeq == d.CSeq && h.Hop.Joins(m) {
			d.Setup, h.Invited = at, at
		}
		return true
	}
	switch {
	case d.Phase == dialog.Terminated && d.Reused(m, k, int64(t.limits.Ring)):
		return t.reuseCallID(n, m, k)
	case d.Answered() || m.CSeq < d.CSeq:
		if m.CSeq == d.CSeq {
			t.inviteOnHop(n, d, m, k)
		}
	case m.CSeq == d.CSeq:
		t.inviteOnHop(n, d, m, k)
		t.retargetedInvite(n, d, m, k)
	case t.isRejected(d) && !d.Followed(at):
		t.close(n, t.Now)
		return t.reuseCallID(n, m, k)
	default:
		t.nextAttempt(n, d, m, k)
	}
	return true
}

// nextAttempt applies m, an INVITE of the same call with a higher CSeq: after a challenge, a redirection or a refusal.
func (t *Table) nextAttempt(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) {
	if d.Phase == dialog.Terminated {
		t.reopen(n, d, dialog.Calling)
	}
	t.beginAttempt(d, m.CSeq)
	if t.callersHop(d).Hop.Carries(m) {
		d.AddBranch(k.ShortBranch())
	}
	t.inviteOnHop(n, d, m, k)
	t.move(n, openClass)
	t.timers.Set(n, t.Now+int64(t.limits.Ring))
	t.texts.credentials(d, m)
}

// beginAttempt resets d for an INVITE with a higher CSeq. Forks of the INVITE before it count as past.
func (t *Table) beginAttempt(d *dialog.Dialog, cseq uint32) {
	t.adoptDownstreamRefusal(d)
	if d.RefusedAt != 0 && d.Code/100 == 3 {
		d.Redirects++
	}
	d.Attempt(cseq)
	t.hops.NextAttempt(&d.Path)
}

// retargetedInvite applies an INVITE with the CSeq of one that was seen: on a further hop, or to a further target.
func (t *Table) retargetedInvite(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) {
	h := &t.callersHop(d).Hop
	l := k.ShortBranch()
	if d.BranchIndex(l) >= 0 {
		return
	}
	if m.Vias > d.Vias && h.Returns(m) {
		d.Flags |= event.Spiral
		return
	}
	if !h.Carries(m) {
		return
	}
	d.AddBranch(l)
	switch d.Phase {
	case dialog.Terminated:
		t.reopen(n, d, dialog.Calling)
	case dialog.Rejected, dialog.AwaitingRetry:
		d.Phase = dialog.Calling
	default:
		return
	}
	d.Cancelled = 0
	t.move(n, openClass)
	t.timers.Set(n, t.Now+int64(t.limits.Ring))
}
