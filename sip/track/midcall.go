package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// openUnconfirmed remembers a BYE or a re-INVITE of an unknown call until its 2xx comes.
func (t *callTable) openUnconfirmed(m *sip.Message, k event.Keys) bool {
	n := t.open(m, k)
	if n == 0 {
		return false
	}
	d := t.dialogs.At(n)
	d.phase, d.callee, d.heard = unconfirmed, k.To.Short(), heardRequest
	t.begin(d, m, k)
	t.gatherInside(d, m)
	t.move(n, claimRow)
	t.await2xx(n, d, m, event.Caller)
	return true
}

// await2xx remembers m of a call of which no 2xx was seen yet.
func (t *callTable) await2xx(n uint32, d *dialog, m *sip.Message, side event.Party) {
	wait := event.Timer64T1
	if m.Method == sip.Bye {
		d.byes[side-event.Caller] = bye{at: m.Time.UnixNano(), cseq: m.CSeq, cause: facts.Cause(m)}
	} else {
		d.pending[side-event.Caller] = newChange(m)
		wait = int64(t.limits.Ring)
	}
	t.lapses.Set(n, t.Now+wait)
}

// requestUnconfirmed takes note of a request of a call of which no 2xx was seen yet.
func (t *callTable) requestUnconfirmed(n uint32, m *sip.Message, k event.Keys, side event.Party) {
	d, again := t.note(n, m, k, heardRequest)
	t.hops.passed(&d.path, m)
	if k.To == (event.Key{}) || again {
		return
	}
	if b := &d.byes[side-event.Caller]; m.Method == sip.Bye && b.at != 0 && b.cseq == m.CSeq {
		b.at = min(b.at, m.Time.UnixNano()) // on another hop
	} else if m.Method == sip.Bye || m.Method == sip.Invite {
		t.await2xx(n, d, m, side)
	}
}

// responseUnconfirmed takes note of a response to a request of a call of which no 2xx was seen yet.
func (t *callTable) responseUnconfirmed(n uint32, m *sip.Message, k event.Keys, side event.Party) {
	d, again := t.note(n, m, k, heardResponse)
	b, c := &d.byes[side-event.Caller], &d.pending[side-event.Caller]
	switch {
	case again:
	case m.Method == sip.Bye && m.Status >= 200 && m.Status < 300 && b.at != 0 && b.cseq == m.CSeq:
		t.byeAlone(n, d, side)
	case m.Method == sip.Bye && final(m) && b.cseq == m.CSeq:
		b.at = 0
		if i := event.Callee - side; d.byes[i].status == 200 {
			t.byeAlone(n, d, event.Caller+i)
			return
		}
		t.refusedUnconfirmed(n, d)
	case m.Method == sip.Invite && m.Status < 200:
		t.lapses.Set(n, t.Now+int64(t.limits.Ring))
	case m.Method == sip.Invite && m.Status < 300:
		t.confirm(n, d, m, k, side)
	case m.Method == sip.Invite && final(m) && c.cseq == m.CSeq:
		c.open = false
		t.refusedUnconfirmed(n, d)
	}
}

// refusedUnconfirmed forgets d if nothing of it can be accepted any more.
func (t *callTable) refusedUnconfirmed(n uint32, d *dialog) {
	for i := range d.byes {
		if d.byes[i].at != 0 || d.pending[i].open {
			return
		}
	}
	t.counts.Orphans++
	t.forget(n)
}

// byeAlone publishes a call of which only a BYE was seen, side's, which was accepted.
func (t *callTable) byeAlone(n uint32, d *dialog, side event.Party) {
	b := &d.byes[side-event.Caller]
	other := &d.byes[event.Callee-side]
	if b.status = 200; other.at != 0 && other.at < b.at && other.status == 0 && t.Now-other.at < event.Timer64T1 {
		return // the earlier of two that cross is the end, if it is accepted
	}
	d.ended = ending{at: b.at, cseq: b.cseq, cause: b.cause, side: side, answered: true}
	if other.status == 200 && other.at < b.at {
		d.ended = ending{at: other.at, cseq: other.cseq, cause: other.cause, side: event.Callee + event.Caller - side,
			answered: true}
	}
	d.accepted, d.alone = true, true
	d.reuse = t.uses.next(d)
	t.count(d)
	t.counts.MidCall++
	t.close(n, t.Now)
}

// confirm opens a call with the 2xx to a re-INVITE.
func (t *callTable) confirm(n uint32, d *dialog, m *sip.Message, k event.Keys, side event.Party) {
	d.phase, d.accepted, d.refreshed = confirmed, true, d.first
	tag := k.From
	if side == event.Callee {
		tag = k.To
	}
	if index := k.Call.With(tag); t.index[index] == 0 {
		delete(t.index, d.index)
		d.index, t.index[index] = index, n
	}
	d.reuse = t.uses.next(d)
	if h := t.hops.passed(&d.path, m); h != nil {
		t.hops.proveFork(h, calleeTag(k, side))
	}
	t.count(d)
	t.counts.MidCall++
	t.move(n, claimRow)
	if d.heard == heardRequest|heardResponse {
		t.move(n, nowhere)
	}
	t.showOpen(d, d.first)
	t.beginInterims(n, t.Now)
	t.changed(place{is: dialogue, n: n, side: side}, d, m)
}

// calleeTag returns the callee's tag of a message of a request of side's.
func calleeTag(k event.Keys, side event.Party) event.Key {
	if side == event.Callee {
		return k.From
	}
	return k.To
}

// openAnswered opens a call with the 2xx to an INVITE that was not seen.
func (t *callTable) openAnswered(m *sip.Message, k event.Keys) bool {
	n := t.open(m, k)
	if n == 0 {
		return false
	}
	d := t.dialogs.At(n)
	d.phase, d.accepted, d.callee, d.cseq = confirmed, true, k.To.Short(), m.CSeq
	d.refreshed, d.answer, d.code, d.answerLeg = d.first, d.first, uint16(m.Status), k.ShortBranch()
	t.begin(d, m, k)
	t.answerOn(d, m, k)
	t.count(d)
	t.counts.MidCall++
	t.gatherInside(d, m)
	t.move(n, claimRow)
	t.showOpen(d, d.first)
	t.beginInterims(n, t.Now)
	t.refresh(n, d, m)
	return true
}
