// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/hops"
)

// response takes note of a response to a request of side's, of root's call; root is 0 without a known
// call. It reports false if a limit kept m out.
func (t *Table) response(root uint32, m *sip.Message, k event.Keys, side event.Party) bool {
	if root == 0 {
		return t.strayResponse(m, k)
	}
	d := t.dialogs.At(root)
	t.unveil(d, m)
	switch {
	case d.Phase == dialog.Unconfirmed:
		t.responseUnconfirmed(root, m, k, side)
	case d.ByeAlone || m.Method == sip.Cancel:
		t.countMessage(root, m, k, dialog.SeenResponse)
	case m.Method == sip.Invite && side == event.Caller && t.opens(d, m, k):
		return t.inviteResponse(root, m, k)
	default:
		t.responseInside(m, k, t.inside(root, m, k, side))
	}
	return true
}

// responseInside takes note of a response to a request inside a dialog, which p says.
func (t *Table) responseInside(m *sip.Message, k event.Keys, p place) {
	switch p.kind {
	case ofNoDialog:
		return
	case ifAccepted:
		d := t.dialogs.At(p.n)
		if t.markDirty(p.n); t.hops.Repeated(&d.Path, m, k) {
			t.countRepeat(d, k)
		} else {
			t.guessedResponse(p, m)
		}
		return
	}
	d, again := t.countMessage(p.n, m, k, dialog.SeenResponse)
	if again {
		return
	}
	if g := t.guessFor(t.dialogs.At(d.Root), m, p.side); g.Fits(m) {
		t.applyGuess(p, d, *g)
		*g = dialog.Guess{}
	}
	switch m.Method {
	case sip.Invite, sip.Update:
		t.changeResponse(p, d, m)
	case sip.Bye:
		t.byeResponse(p, d, m)
	case sip.Refer:
		t.referResponse(d, m)
	}
}

// strayResponse takes note of a response that no known call has.
func (t *Table) strayResponse(m *sip.Message, k event.Keys) bool {
	inside := k.From != (event.Key{}) && k.To != (event.Key{})
	if inside && t.index[k.Call.AnyTag()] != 0 && m.Method != sip.Cancel {
		if p, known := t.byCallee(m, k); known {
			t.responseInside(m, k, p)
			return true
		}
	}
	switch m.Method {
	case sip.Invite:
		if m.Status/100 == 2 && inside {
			return t.openAnswered(m, k)
		}
		t.counts.Orphans++
	case sip.Bye, sip.Cancel, sip.Prack, sip.Update:
		t.counts.Orphans++
	}
	return true
}

// inviteResponse takes note of a response to an INVITE that opens a dialog.
func (t *Table) inviteResponse(n uint32, m *sip.Message, k event.Keys) bool {
	to := n
	if m.Status/100 == 2 {
		to = t.ofAnswer(n, k)
	}
	_, again := t.countMessage(to, m, k, dialog.SeenResponse)
	d := t.dialogs.At(n)
	provisional := m.Status > 100 && m.Status < 200
	if m.CSeq < d.CSeq && !again && t.callersHop(d).Hop.Carries(m) {
		d.NoteLateFinal(m)
	}
	if m.CSeq < d.CSeq || again && !provisional || m.CSeq > d.CSeq && !t.unseenAttempt(n, d, m) {
		return true
	}
	near := t.callersHop(d).Hop.Carries(m)
	if m.Status > 100 && (near || m.Status < 300) {
		t.revokeUpdate(n, d)
	}
	if h := t.hops.Passed(&d.Path, m); h != nil && m.Status/100 != 2 {
		h.AddLeg(m.CSeq, k.ShortBranch())
	}
	switch {
	case m.Status == 100:
	case provisional:
		t.provisional(n, m, k)
	case m.Status < 300 && near:
		return t.inviteAccepted(n, d, m, k)
	case !near:
		t.downstreamFinal(n, d, m, k)
	case !d.Answered():
		t.refusal(n, d, m, k)
	}
	return true
}

// unseenAttempt takes m for a response to a further INVITE of d's call, which was not seen. It reports false if m
// changes nothing.
func (t *Table) unseenAttempt(n uint32, d *dialog.Dialog, m *sip.Message) bool {
	if d.Phase == dialog.Terminated {
		if m.Status < 200 || m.Status >= 300 && !d.Undecided() {
			return false
		}
		t.reopen(n, d, dialog.Calling)
	}
	t.beginAttempt(d, m.CSeq)
	t.move(n, openClass)
	t.timers.Set(n, t.Now+int64(t.limits.Ring))
	return true
}

// provisional takes note of a provisional response but 100, which may have been seen before.
func (t *Table) provisional(n uint32, m *sip.Message, k event.Keys) {
	d := t.dialogs.At(n)
	at := m.Time.UnixNano()
	near := t.callersHop(d)
	h := t.hops.Passed(&d.Path, m)
	var f *hops.Fork
	if h == near || near.Hop.Carries(m) {
		f = t.hops.Fork(near, t.hops.AddFork(near, k.To))
	}
	if h != nil && h != near {
		f := t.hops.Fork(h, t.hops.AddFork(h, k.To))
		f.Happened(m)
	}
	if f != nil {
		f.Past = false
	}
	t.markRinging(n)
	if d.Provisioned = max(d.Provisioned, at); d.Phase == dialog.Calling && t.hops.EarlyEnd(&d.Path) == nil {
		t.timers.Set(n, t.Now+int64(t.limits.Ring))
	}
	x := d
	if of := t.ofAnswer(n, k); of != n && t.dialogs.At(of).Answered() {
		x = t.dialogs.At(of)
	}
	f.Happened(m)
	if !x.Answered() || x.Answer == 0 || at < x.Answer {
		t.applyRinging(n, x, m)
	}
}

// applyRinging takes note of the provisional response m of d, which may come late.
func (t *Table) applyRinging(n uint32, d *dialog.Dialog, m *sip.Message) {
	changed := hops.Earliest(&d.Progress, &d.Ring, m)
	if m.Status/10 == 18 && len(m.Value(sip.Media)) > 0 {
		changed = changed || !d.EarlyMedia
		if d.EarlyMedia = true; !d.Answered() {
			t.texts.earlyMedia(d, m)
		}
	}
	if changed && d.Phase == dialog.Terminated {
		t.amend(d)
	}
}

// refusal takes note of a final response of 300 or more on the caller's hop.
func (t *Table) refusal(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) {
	if d.Phase == dialog.Terminated {
		if !d.Undecided() {
			return
		}
		t.reopen(n, d, dialog.Calling)
	}
	at, l := m.Time.UnixNano(), k.ShortBranch()
	again := int(d.Code) == m.Status
	i := d.BranchIndex(l)
	if i >= 0 {
		again = again && d.BranchesDone&(1<<i) != 0
		d.BranchesDone |= 1 << i
	}
	if again || d.Code >= 600 {
		return
	}
	d.Code, d.RefusedAt, d.FinalCause = uint16(m.Status), at, facts.Cause(m)
	t.callersHop(d).Final = hops.FinalOf(m, k)
	if t.adoptDownstreamAnswer(n, d) {
		return
	}
	if !d.RefusedByAck {
		d.Acked = 0
	}
	switch {
	case dialog.Challenges(m.Status):
		d.Challenges++
		t.awaitRetry(n, d)
	case m.Status < 400:
		t.awaitRetry(n, d)
	case d.Settled():
		d.Phase = dialog.Rejected
		t.move(n, endedClass)
		wait := event.Timer64T1
		if d.Acked != 0 {
			wait = dialog.ForkRetryWait
		}
		t.timers.Set(n, t.Now+wait)
	}
	d.RefusedByAck = false
}

// awaitRetry gives the caller Ring to send its INVITE again.
func (t *Table) awaitRetry(n uint32, d *dialog.Dialog) {
	d.Phase = dialog.AwaitingRetry
	t.move(n, endedClass)
	t.timers.Set(n, t.Now+int64(t.limits.Ring))
}
