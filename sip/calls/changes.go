// This file has methods of Table because a file is what one kind of message does to a call.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/hops"
)

// changeResponse applies a response to a re-INVITE or an UPDATE, which may not have been seen.
func (t *Table) changeResponse(p place, d *dialog.Dialog, m *sip.Message) {
	if m.Status < 200 || dialog.Challenges(m.Status) {
		return
	}
	c := &d.Pending[p.side-event.Caller]
	if c.CSeq != m.CSeq || c.Method != m.Method { // its request was not seen: the SDP of the response counts
		*c = dialog.Change{Time: m.Time.UnixNano(), CSeq: m.CSeq, Method: m.Method, Open: true, Unseen: true,
			Hold: dialog.OfferOf(m)}
	} else if !c.Open {
		return // on another hop
	}
	c.Open, c.Accepted = false, m.Status < 300
	switch {
	case m.Status < 300:
		t.changeAccepted(p, d, m, c)
	case p.kind == ofAnswered && dialog.NoDialog(m.Status):
		t.dialogLost(p.n, d, m.Time.UnixNano())
	}
}

// changeAccepted applies the 2xx m to c, which proves that the dialog exists.
func (t *Table) changeAccepted(p place, d *dialog.Dialog, m *sip.Message, c *dialog.Change) {
	at := m.Time.UnixNano()
	if p.kind == ofEarly {
		if d.Answered() || d.Phase == dialog.Terminated && !d.Undecided() {
			return
		}
		if f := t.hops.Fork(t.hops.At(d.Path.First), p.fork); f != nil {
			d.Callee = uint64(f.Tag)
		} else {
			d.Callee = p.tag.Short()
		}
		if d.Updated = max(d.Updated, at); c.Method == sip.Invite || d.Phase == dialog.Terminated && d.ProvenByUpdate() {
			t.answeredUnseen(p, d)
		}
	}
	d.Reinvites++
	if c.Hold == dialog.NoOffer && c.Method == sip.Invite {
		c.Hold = dialog.OfferOf(m)
	}
	d.Holds.Set(at, p.side, c.Hold)
	if c.Hold == dialog.Resume && dialog.OfferOf(m) != dialog.NoOffer { // the SDP answer of the other side (RFC 3264 section 6.1)
		d.Holds.Set(at, event.Callee+event.Caller-p.side, dialog.OfferOf(m))
	}
	if !d.Answered() {
		return
	}
	if c.Time > d.AcceptedBye.Time {
		d.AcceptedBye = hops.Ending{}
	}
	if c.Time > d.OtherBye.Time {
		d.OtherBye = hops.Ending{}
	}
	if c.Time > d.Lost {
		d.Lost = 0
	}
	t.resume(p.n, d, m)
}

// resume confirms d, which m refreshed, unless its end was seen.
func (t *Table) resume(n uint32, d *dialog.Dialog, m *sip.Message) {
	if d.AcceptedBye.Time != 0 || d.OtherBye.Time != 0 || d.Lost != 0 {
		d.Refreshed, d.Expires = m.Time.UnixNano(), facts.SessionExpires(m)
		return
	}
	if d.Phase == dialog.Terminated {
		t.reopen(n, d, dialog.Confirmed)
		t.beginInterims(n, t.Now)
	}
	d.Phase = dialog.Confirmed
	if t.classes.Of(n) != oneSidedClass {
		t.move(n, noClass)
	}
	t.refresh(n, d, m)
}

// dialogLost records that a re-INVITE or an UPDATE at sent (nanoseconds) got 481 or 408. A BYE within 32 s still ends
// d.
func (t *Table) dialogLost(n uint32, d *dialog.Dialog, sent int64) {
	if d.Lost == 0 || sent < d.Lost {
		d.Lost = sent
	}
	switch {
	case d.AcceptedBye.Time != 0 || d.OtherBye.Time != 0:
		return
	case d.Phase == dialog.Terminated && d.Inferred:
		t.reopen(n, d, dialog.Terminating)
	case d.Phase == dialog.Terminated:
		return
	}
	d.Phase = dialog.Terminating
	t.move(n, endedClass)
	t.timers.Set(n, t.Now+event.Timer64T1)
}

// revokeUpdate makes n's call unanswered again if an accepted UPDATE was the only proof of its answer: that UPDATE was
// one of the early dialog.
func (t *Table) revokeUpdate(n uint32, d *dialog.Dialog) {
	if !d.ByUpdate {
		return
	}
	d.DropEarlyChanges()
	h := t.hops.At(d.Path.First)
	p := place{n: n, tag: event.TagKey(d.Callee)}
	p.fork, _ = t.hops.KnownFork(h, p.tag)
	if f := t.hops.Fork(h, p.fork); f != nil {
		f.Answer, f.Answered = 0, 0
	}
	for _, e := range [...]hops.Ending{d.OtherBye, d.AcceptedBye} {
		if p.side = e.Side; e.Time == 0 {
			continue
		}
		if early := t.earlyEnding(p, d); early != nil {
			*early = e
			early.Answered = e.Time == d.AcceptedBye.Time
		}
	}
	d.Accepted, d.ByUpdate, d.Callee = false, false, 0
	d.AcceptedBye, d.OtherBye, d.Lost = hops.Ending{}, hops.Ending{}, 0
	if d.Phase != dialog.Terminated {
		d.Phase = dialog.Calling
		t.timers.Set(n, t.Now+int64(t.limits.Ring))
	}
}

// answeredUnseen answers the call by a 2xx inside its dialog, since neither its answer nor the ACK was seen.
func (t *Table) answeredUnseen(p place, d *dialog.Dialog) {
	if d.Phase == dialog.Terminated {
		t.reopen(p.n, d, dialog.Confirmed)
	}
	h := t.hops.At(d.Path.First)
	if t.hops.Fork(h, p.fork) == nil && p.tag != (event.Key{}) {
		p.fork = t.hops.ProveFork(h, p.tag)
	}
	t.hops.AnswerFork(h, p.fork, t.Now)
	d.Accepted, d.Code, d.Phase = true, 0, dialog.Confirmed
	d.ByUpdate = d.Pending[0].Method == sip.Update || d.Pending[1].Method == sip.Update
	for _, c := range d.Pending {
		d.ByUpdate = d.ByUpdate && !(c.Accepted && c.Method == sip.Invite)
	}
	if d.Refreshed = d.Updated; d.Refreshed == 0 {
		d.Refreshed = t.Now
	}
	t.timers.Set(p.n, t.Now+int64(t.limits.Talk))
	t.recheckByes(p.n, d)
	t.answeredNow(p.n, d, t.Now)
}

// refresh restarts the session timer of d by m, a 2xx to INVITE or UPDATE (RFC 4028 section 7.2).
func (t *Table) refresh(n uint32, d *dialog.Dialog, m *sip.Message) {
	d.Refreshed = m.Time.UnixNano()
	d.Expires = facts.SessionExpires(m)
	if d.Expires == 0 {
		t.timers.Set(n, t.Now+int64(t.limits.Talk))
		return
	}
	t.timers.Set(n, t.Now+int64(d.Expires)*1e9+event.Timer64T1)
}

// referRequest keeps the target of a REFER.
func (t *Table) referRequest(d *dialog.Dialog, m *sip.Message) {
	if !d.Answered() || d.AcceptedBye.Time != 0 {
		return
	}
	if d.Offered = event.Blind; facts.Replaced(m.Value(sip.ReferTo)) != nil {
		d.Offered = event.Attended
	}
	t.texts.transfer(d, m)
}

// referResponse applies a response to REFER. The target of a refused REFER is forgotten.
func (t *Table) referResponse(d *dialog.Dialog, m *sip.Message) {
	switch {
	case !dialog.Final(m):
	case d.Offered == event.NoTransfer && m.Status < 300 && d.Answered() && d.AcceptedBye.Time == 0: // the REFER was not seen
		d.Offered, d.Transfer, d.Transferred = event.Blind, event.Blind, m.Time.UnixNano()
		t.amend(d)
	case d.Offered == event.NoTransfer:
	case m.Status < 300:
		d.Transfer = d.Offered
		if d.Transferred == 0 {
			d.Transferred = m.Time.UnixNano()
		}
		t.evidence.transfer(d, m, t.texts.of(d))
		t.amend(d)
	case d.Transfer == event.NoTransfer:
		d.Offered = event.NoTransfer
		t.texts.noTransfer(d)
	}
}
