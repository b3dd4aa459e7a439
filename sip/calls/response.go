// This file has methods of Table because a file is what one kind of message does to a call.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/hops"
)

// response applies m, a response to a request that side sent, to root's call; root is 0 if no call is known. It returns
// false if a limit refused m.
func (t *Table) response(root uint32, m *sip.Message, k event.Keys, side event.Party) bool {
	if root == 0 {
		return t.strayResponse(m, k)
	}
	d := t.dialogs.At(root)
	t.unhide(d, m)
	switch {
	case d.Phase == dialog.Unconfirmed:
		t.responseUnconfirmed(root, m, k, side)
	case d.ByeAlone || m.Method == sip.Cancel:
		t.countMessage(root, m, k, dialog.SeenResponse)
	case m.Method == sip.Invite && side == event.Caller && t.opens(d, m, k):
		return t.inviteResponse(root, m, k)
	default:
		p := t.inside(root, m, k, side)
		if p.kind == ofNoDialog && m.Method == sip.Invite {
			t.hops.Repeated(&d.Path, m, k) // its late copy answers no other INVITE either
		}
		t.responseInside(m, k, p)
	}
	return true
}

// responseInside applies a response to a request inside the dialog of p.
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
	d, repeated := t.countMessage(p.n, m, k, dialog.SeenResponse)
	if repeated {
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

// strayResponse applies a response of no known call.
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

// inviteResponse applies a response to an INVITE that opens a dialog.
func (t *Table) inviteResponse(n uint32, m *sip.Message, k event.Keys) bool {
	to := n
	if m.Status/100 == 2 {
		to = t.ofAnswer(n, k)
	}
	_, repeated := t.countMessage(to, m, k, dialog.SeenResponse)
	d := t.dialogs.At(n)
	provisional := m.Status > 100 && m.Status < 200
	if m.CSeq < d.CSeq && !repeated && t.callersHop(d).Hop.Carries(m) {
		d.CountLateFinal(m)
	}
	if m.CSeq < d.CSeq || repeated && !provisional || m.CSeq > d.CSeq && (repeated || !t.unseenAttempt(n, d, m)) {
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

// unseenAttempt begins the next attempt of d's call by m, a response to an INVITE that was not seen. It returns false
// if m changes nothing.
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

// provisional applies a provisional response but 100, which may be a repeat.
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
		if f := t.hops.Fork(h, t.hops.AddFork(h, k.To)); f != nil {
			f.Provisional(m)
			f.Past = false
		}
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
	f.Provisional(m)
	if !x.Answered() || x.Answer == 0 || at < x.Answer {
		t.applyRinging(n, x, m)
	}
}

// applyRinging sets the times and the early media that the provisional response m shows of d. It may come late.
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

// refusal applies a final response of 300 or more on the caller's hop.
func (t *Table) refusal(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) {
	if d.Phase == dialog.Terminated {
		if !d.Undecided() {
			return
		}
		t.reopen(n, d, dialog.Calling)
	}
	at, l := m.Time.UnixNano(), k.ShortBranch()
	repeated := int(d.Code) == m.Status
	i := d.BranchIndex(l)
	if i >= 0 {
		repeated = repeated && d.BranchesDone&(1<<i) != 0
		d.BranchesDone |= 1 << i
	}
	if repeated || d.Code >= 600 {
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

// awaitRetry waits Limits.Ring for a new INVITE of the caller.
func (t *Table) awaitRetry(n uint32, d *dialog.Dialog) {
	d.Phase = dialog.AwaitingRetry
	t.move(n, endedClass)
	t.timers.Set(n, t.Now+int64(t.limits.Ring))
}
