// This file has methods of Table because a file is what one kind of message does to a call.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/hops"
)

// openUnconfirmed opens a dialog for a BYE or a re-INVITE of an unknown call. It is no call before a 2xx.
func (t *Table) openUnconfirmed(m *sip.Message, k event.Keys) bool {
	n := t.open(m, k)
	if n == 0 {
		return false
	}
	d := t.dialogs.At(n)
	d.Phase, d.Callee, d.Seen = dialog.Unconfirmed, k.To.Short(), dialog.SeenRequest
	t.firstMessage(d, m, k)
	t.texts.inside(d, m)
	t.move(n, oneSidedClass)
	t.await2xx(n, d, m, event.Caller)
	return true
}

// await2xx keeps the request m of an unconfirmed dialog until its 2xx.
func (t *Table) await2xx(n uint32, d *dialog.Dialog, m *sip.Message, side event.Party) {
	wait := event.Timer64T1
	if m.Method == sip.Bye {
		d.Byes[side-event.Caller] = dialog.Bye{Time: m.Time.UnixNano(), CSeq: m.CSeq, Cause: facts.Cause(m)}
	} else {
		d.Pending[side-event.Caller] = dialog.NewChange(m)
		wait = int64(t.limits.Ring)
	}
	t.timers.Set(n, t.Now+wait)
}

// requestUnconfirmed applies a request to an unconfirmed dialog.
func (t *Table) requestUnconfirmed(n uint32, m *sip.Message, k event.Keys, side event.Party) {
	d, repeated := t.countMessage(n, m, k, dialog.SeenRequest)
	t.hops.Passed(&d.Path, m)
	if k.To == (event.Key{}) || repeated {
		return
	}
	if b := &d.Byes[side-event.Caller]; m.Method == sip.Bye && b.Time != 0 && b.CSeq == m.CSeq {
		b.Time = min(b.Time, m.Time.UnixNano()) // on another hop
	} else if m.Method == sip.Bye || m.Method == sip.Invite {
		t.await2xx(n, d, m, side)
	}
}

// responseUnconfirmed applies a response to an unconfirmed dialog.
func (t *Table) responseUnconfirmed(n uint32, m *sip.Message, k event.Keys, side event.Party) {
	d, repeated := t.countMessage(n, m, k, dialog.SeenResponse)
	b, c := &d.Byes[side-event.Caller], &d.Pending[side-event.Caller]
	switch {
	case repeated:
	case m.Method == sip.Bye && m.Status >= 200 && m.Status < 300 && b.Time != 0 && b.CSeq == m.CSeq:
		t.closeByeAlone(n, d, side)
	case m.Method == sip.Bye && dialog.Final(m) && b.CSeq == m.CSeq:
		b.Time = 0
		if i := event.Callee - side; d.Byes[i].Status == 200 {
			t.closeByeAlone(n, d, event.Caller+i)
			return
		}
		t.refusedUnconfirmed(n, d)
	case m.Method == sip.Invite && m.Status < 200:
		t.timers.Set(n, t.Now+int64(t.limits.Ring))
	case m.Method == sip.Invite && m.Status < 300:
		t.confirmByReinvite(n, d, m, k, side)
	case m.Method == sip.Invite && dialog.Final(m) && c.CSeq == m.CSeq:
		c.Open = false
		t.refusedUnconfirmed(n, d)
	}
}

// refusedUnconfirmed forgets d if none of its requests still awaits a final response.
func (t *Table) refusedUnconfirmed(n uint32, d *dialog.Dialog) {
	for i := range d.Byes {
		if d.Byes[i].Time != 0 || d.Pending[i].Open {
			return
		}
	}
	t.counts.Orphans++
	t.forget(n)
}

// closeByeAlone publishes a call of which only a BYE of side and its 2xx were seen.
func (t *Table) closeByeAlone(n uint32, d *dialog.Dialog, side event.Party) {
	b := &d.Byes[side-event.Caller]
	other := &d.Byes[event.Callee-side]
	if b.Status = 200; other.Time != 0 && other.Time < b.Time && other.Status == 0 && t.Now-other.Time < event.Timer64T1 {
		return // the earlier of two that cross is the end, if it is accepted
	}
	d.AcceptedBye = hops.Ending{Time: b.Time, CSeq: b.CSeq, Cause: b.Cause, Side: side, Answered: true}
	if other.Status == 200 && other.Time < b.Time {
		d.AcceptedBye = hops.Ending{Time: other.Time, CSeq: other.CSeq, Cause: other.Cause,
			Side:     event.Callee + event.Caller - side,
			Answered: true}
	}
	d.Accepted, d.ByeAlone = true, true
	d.Reuse = t.reuse.next(d)
	t.countCall(d)
	t.counts.MidCall++
	t.close(n, t.Now)
}

// confirmByReinvite opens a call by m, the 2xx to a re-INVITE.
func (t *Table) confirmByReinvite(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys, side event.Party) {
	d.Phase, d.Accepted, d.Refreshed = dialog.Confirmed, true, d.FirstSeen
	tag := k.From
	if side == event.Callee {
		tag = k.To
	}
	if index := k.Call.With(tag); t.index[index] == 0 {
		delete(t.index, d.Index)
		d.Index, t.index[index] = index, n
	}
	d.Reuse = t.reuse.next(d)
	if h := t.hops.Passed(&d.Path, m); h != nil {
		t.hops.ProveFork(h, calleeTag(k, side))
	}
	t.countCall(d)
	t.counts.MidCall++
	t.move(n, oneSidedClass)
	if d.Seen == dialog.SeenRequest|dialog.SeenResponse {
		t.move(n, noClass)
	}
	t.evidence.open(d, d.FirstSeen)
	t.beginInterims(n, t.Now)
	t.changeResponse(place{kind: ofAnswered, n: n, side: side}, d, m)
}

// calleeTag returns the callee's tag in the keys of a request that side sent, or of its response.
func calleeTag(k event.Keys, side event.Party) event.Key {
	if side == event.Callee {
		return k.From
	}
	return k.To
}

// openAnswered opens a call by m, the 2xx to an INVITE that was not seen.
func (t *Table) openAnswered(m *sip.Message, k event.Keys) bool {
	n := t.open(m, k)
	if n == 0 {
		return false
	}
	d := t.dialogs.At(n)
	d.Phase, d.Accepted, d.Callee, d.CSeq = dialog.Confirmed, true, k.To.Short(), m.CSeq
	d.Refreshed, d.Answer, d.Code, d.AnswerBranch = d.FirstSeen, d.FirstSeen, uint16(m.Status), k.ShortBranch()
	t.firstMessage(d, m, k)
	t.markAnswered(d, m, k)
	t.countCall(d)
	t.counts.MidCall++
	t.texts.inside(d, m)
	t.move(n, oneSidedClass)
	t.evidence.open(d, d.FirstSeen)
	t.beginInterims(n, t.Now)
	t.refresh(n, d, m)
	return true
}
