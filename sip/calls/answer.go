// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/hops"
)

// acceptedBy takes note of a 2xx on the caller's hop. It reports false if a limit kept a second fork out.
func (t *Table) acceptedBy(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) bool {
	at := m.Time.UnixNano()
	if of := t.ofAnswer(n, k); t.dialogs.At(of).Answered() {
		x := t.dialogs.At(of)
		if hops.ShortTag(x.Callee) == hops.ShortTag(k.To.Short()) {
			t.answerAgain(of, x, m, k)
			return true
		}
		near := t.callersHop(d)
		i, known := t.hops.KnownFork(near, k.To)
		f := t.hops.Fork(near, i)
		switch {
		case d.Downstream || d.Answer == 0: // the caller's hop shows another tag of the same dialog
			t.answerAgain(n, d, m, k)
			return true
		case known && f != nil && f.Answer != 0:
			return true // its record is gone
		}
		return t.secondFork(n, m, k)
	}
	if d.Phase == dialog.Terminated {
		t.reopen(n, d, dialog.Calling)
	}
	d.Acked, d.RefusedAt = 0, 0
	t.answer(n, d, m, k)
	t.answeredNow(n, d, at)
	return true
}

// answerAgain takes note of a 2xx to the INVITE of d, which is taken for answered: by something else than its 2xx, or
// by one that was seen first and sent later.
func (t *Table) answerAgain(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) {
	if !d.ByAck && !d.Downstream && d.Answer != 0 && d.Answer <= m.Time.UnixNano() {
		return
	}
	d.ByAck, d.Downstream, d.Flags = false, false, d.Flags&^event.AnswerByAck
	over := d.Phase == dialog.Terminated
	t.answer(n, d, m, k)
	if over {
		d.Phase = dialog.Terminated
		t.amend(d)
	}
}

// answer takes m for the answer to d's INVITE.
func (t *Table) answer(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) {
	d.DropEarlyChanges()
	d.Answer, d.Code, d.Callee, d.Accepted = m.Time.UnixNano(), uint16(m.Status), k.To.Short(), true
	d.AnswerBranch = k.ShortBranch()
	d.NoteCancelRace()
	t.answerOn(d, m, k)
	t.callersHop(d).Final = hops.FinalOf(m, k)
	t.gatherAnswer(d, m)
	t.refresh(n, d, m)
	t.reviewEnds(n, d)
}

// answerOn takes note of the callee's tag of m, which proves an answer, on m's hop. A fork that only an ACK shows is
// not counted.
func (t *Table) answerOn(d *dialog.Dialog, m *sip.Message, k event.Keys) {
	root := t.dialogs.At(d.Root)
	h, near := t.hops.Passed(&root.Path, m), t.hops.At(root.Path.First)
	add := t.hops.ShowFork
	if m.Request() {
		add = t.hops.ProveFork
	}
	if h == near || near.Hop.Carries(m) {
		t.hops.AnsweredFork(near, add(near, k.To), m.Time.UnixNano())
	}
	if h != nil && h != near {
		t.hops.AnsweredFork(h, add(h, k.To), m.Time.UnixNano())
	}
}

// answeredNow puts n where no flood reaches it, and publishes. A BYE may have come first.
func (t *Table) answeredNow(n uint32, d *dialog.Dialog, at int64) {
	if d.Phase == dialog.Terminating {
		t.move(n, endedRow)
		if d.AcceptedBye.Time != 0 {
			t.close(n, t.Now)
		}
		return
	}
	t.move(n, nowhere)
	t.beginInterims(n, t.Now)
	t.tell(d, event.Answer, at)
}

// downstreamFinal keeps a final response on a hop that is not the caller's, in case that the caller's shows none.
func (t *Table) downstreamFinal(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) {
	h := t.hops.Passed(&d.Path, m)
	if h == nil {
		return
	}
	f := hops.FinalOf(m, k)
	if m.Status < 300 {
		t.hops.AnsweredFork(h, t.hops.AddFork(h, k.To), m.Time.UnixNano())
	}
	h.Open -= min(h.Open, 1)
	switch {
	case h.Final.Code/100 == 2 && m.Status >= 300, h.Final.Code/100 == 2 && f.Time >= h.Final.Time:
		return
	case m.Status >= 300 && f.Time < h.Final.Time:
		return
	}
	if h.Final = f; d.Answered() {
		return
	}
	if m.Status < 300 {
		t.gatherAnswer(d, m)
		d.Expires = facts.SessionExpires(m)
		if d.RefusedAt != 0 && t.adoptDownstreamAnswer(n, d) {
			return
		}
	}
	if d.Phase == dialog.Terminated && d.Undecided() {
		t.reopen(n, d, dialog.Calling)
	}
}

// adoptDownstreamAnswer takes a 2xx of another hop for the caller's, which was not seen. It reports whether there is
// one.
func (t *Table) adoptDownstreamAnswer(n uint32, d *dialog.Dialog) bool {
	if d.Answered() {
		return false
	}
	best := t.hops.FirstAnswer(&d.Path)
	if best == nil {
		return false
	}
	if d.Phase == dialog.Terminated {
		t.reopen(n, d, dialog.Confirmed)
	}
	f := best.Final
	d.DropEarlyChanges()
	d.Answer, d.Refreshed, d.Code, d.Callee = f.Time, f.Time, f.Code, f.Tag
	d.Accepted, d.Downstream = true, true
	d.NoteCancelRace()
	if d.RefusedAt != 0 {
		d.RefusedAt, d.Acked = 0, 0
	}
	near := t.hops.At(d.Path.First)
	if near.Forks == 1 && near.First.Tag != hops.ShortTag(f.Tag) {
		d.Callee = uint64(near.First.Tag)
	}
	wait := int64(t.limits.Talk)
	if d.Expires != 0 {
		wait = int64(d.Expires)*1e9 + event.Timer64T1
	}
	t.lapses.Set(n, t.Now+wait)
	t.reviewEnds(n, d)
	t.answeredNow(n, d, t.Now)
	return true
}

// adoptDownstreamRefusal takes the last refusal of another hop for the caller's, which shows neither a final response
// nor a CANCEL, if no other hop goes on.
func (t *Table) adoptDownstreamRefusal(d *dialog.Dialog) {
	if d.Answered() || d.RefusedAt != 0 || d.Cancelled != 0 {
		return
	}
	best := t.hops.LastFinal(&d.Path)
	if best != nil && best.Final.Code >= 300 {
		d.Code, d.RefusedAt, d.FinalCause = best.Final.Code, best.Final.Time, best.Final.Cause
		if dialog.Challenges(int(d.Code)) {
			d.Challenges++
		}
	}
}
