// This file has methods of Table because a file is what one kind of message does to a call.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// inviteAccepted applies a 2xx on the caller's hop. It returns false if a limit refused a second fork.
func (t *Table) inviteAccepted(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) bool {
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
			return true // it was evicted or has ended
		}
		return t.secondFork(n, m, k)
	}
	if d.Phase == dialog.Terminated {
		t.reopen(n, d, dialog.Calling)
	}
	d.Acked, d.RefusedAt = 0, 0
	t.applyAnswer(n, d, m, k)
	t.answeredNow(n, d, at)
	return true
}

// answerAgain applies a 2xx to the INVITE of d, which is answered already: by other evidence than its 2xx, or by a 2xx
// that was read first and sent later.
func (t *Table) answerAgain(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) {
	if !d.ByAck && !d.Downstream && d.Answer != 0 && d.Answer <= m.Time.UnixNano() {
		return
	}
	d.ByAck, d.Downstream, d.Flags = false, false, d.Flags&^event.AnswerByAck
	over := d.Phase == dialog.Terminated
	t.applyAnswer(n, d, m, k)
	if over {
		d.Phase = dialog.Terminated
		t.amend(d)
	}
}

// applyAnswer sets the answer of d by the 2xx m.
func (t *Table) applyAnswer(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) {
	d.DropEarlyChanges()
	d.Answer, d.Code, d.Callee, d.Accepted = m.Time.UnixNano(), uint16(m.Status), k.To.Short(), true
	d.AnswerBranch = k.ShortBranch()
	d.FlagCancelRace()
	t.markAnswered(d, m, k)
	t.callersHop(d).Final = hops.FinalOf(m, k)
	t.texts.answer(d, m)
	t.refresh(n, d, m)
	t.recheckByes(n, d)
}

// answeredNow excludes n from eviction and publishes the answer. If a BYE came first, it ends n.
func (t *Table) answeredNow(n uint32, d *dialog.Dialog, now int64) {
	if d.Phase == dialog.Terminating {
		t.move(n, endedClass)
		if d.AcceptedBye.Time != 0 {
			t.close(n, t.Now)
		}
		return
	}
	t.move(n, noClass)
	t.beginInterims(n, t.Now)
	t.publish(d, event.Answer, now)
}

// downstreamFinal keeps a final response on another hop than the caller's, as fallback if the caller's hop shows none.
func (t *Table) downstreamFinal(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) {
	h := t.hops.Passed(&d.Path, m)
	if h == nil {
		return
	}
	f := hops.FinalOf(m, k)
	if m.Status < 300 {
		t.hops.AnswerFork(h, t.hops.AddFork(h, k.To), m.Time.UnixNano())
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
		t.texts.answer(d, m)
		d.Expires = facts.SessionExpires(m)
		if d.RefusedAt != 0 && t.adoptDownstreamAnswer(n, d) {
			return
		}
	}
	if d.Phase == dialog.Terminated && d.Undecided() {
		t.reopen(n, d, dialog.Calling)
	}
}

// adoptDownstreamAnswer answers d by a 2xx of another hop, since that of the caller's hop was not seen. It reports
// whether there is one.
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
	d.FlagCancelRace()
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
	t.timers.Set(n, t.Now+wait)
	t.recheckByes(n, d)
	t.answeredNow(n, d, t.Now)
	return true
}

// secondFork opens a dialog for another fork that answered (RFC 3261 section 13.2.2.4). It returns false if a limit
// refused it.
func (t *Table) secondFork(root uint32, m *sip.Message, k event.Keys) bool {
	if t.dialogs.At(root).Answers >= hops.MaxForks {
		return t.refuse(ForksBound)
	}
	index := t.dialogs.At(root).Index
	if !t.makeRoom() {
		return t.refuse(CallsBound)
	}
	r := t.dialogs.At(root)
	if r.Index != index || r.Root != root {
		t.giveBackRoom()
		return true // makeRoom evicted it
	}
	h := t.hops.At(r.Path.First)
	if h.Hop.Hidden != 0 {
		t.giveBackRoom()
		t.counts.Orphans++ // the texts that a record's id is made of are gone since the restart
		return true
	}
	n := t.dialogs.New()
	d := t.dialogs.At(n)
	r.Answers++
	*d = dialog.Dialog{Index: r.Index, Call: r.Call, Vias: r.Vias, FirstSeen: r.FirstSeen, Setup: r.Setup, Drift: r.Drift,
		Steps: r.Steps, CSeq: r.CSeq, Challenges: r.Challenges, Redirects: r.Redirects, Reuse: r.Reuse, Faults: r.Faults,
		Seen: r.Seen, EarlyMedia: r.EarlyMedia, Root: root, Next: r.Next, Ordinal: r.Answers,
		Flags: r.Flags&event.Spiral | event.SecondFork}
	r.Next = n
	for n := r.Path.First; n != 0; n = t.hops.At(n).Next {
		h := t.hops.At(n)
		if i, _ := t.hops.KnownFork(h, k.To); i >= 0 {
			d.AddFork(t.hops.Fork(h, i))
		}
	}
	t.countCall(d)
	d.Text = t.texts.arena.Put(mem.Text{}, t.texts.arena.Get(r.Text))
	t.markDirty(root)
	t.markDirty(n)
	t.applyAnswer(n, d, m, k)
	t.evidence.open(d, d.Answer)
	t.answeredNow(n, d, d.Answer)
	return true
}
