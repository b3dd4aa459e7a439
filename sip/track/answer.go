package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// acceptedBy takes note of a 2xx on the caller's hop. It reports false if a limit kept a second fork out.
func (t *callTable) acceptedBy(n uint32, d *dialog, m *sip.Message, k event.Keys) bool {
	at := m.Time.UnixNano()
	if of := t.ofAnswer(n, k); t.dialogs.At(of).answered() {
		x := t.dialogs.At(of)
		if shortTag(x.callee) == shortTag(k.To.Short()) {
			t.answerAgain(of, x, m, k)
			return true
		}
		near := t.callersHop(d)
		i, known := t.hops.knownFork(near, k.To)
		f := t.hops.fork(near, i)
		switch {
		case d.downstream || d.answer == 0: // the caller's hop shows another tag of the same dialog
			t.answerAgain(n, d, m, k)
			return true
		case known && f != nil && f.answer != 0:
			return true // its record is gone
		}
		return t.secondFork(n, m, k)
	}
	if d.phase == terminated {
		t.reopen(n, d, calling)
	}
	d.acked, d.refusedAt = 0, 0
	t.answer(n, d, m, k)
	t.answeredNow(n, d, at)
	return true
}

// answerAgain takes note of a 2xx to the INVITE of d, which is taken for answered: by something else than its 2xx, or
// by one that was seen first and sent later.
func (t *callTable) answerAgain(n uint32, d *dialog, m *sip.Message, k event.Keys) {
	if !d.byAck && !d.downstream && d.answer != 0 && d.answer <= m.Time.UnixNano() {
		return
	}
	d.byAck, d.downstream, d.flags = false, false, d.flags&^event.AnswerByAck
	over := d.phase == terminated
	t.answer(n, d, m, k)
	if over {
		d.phase = terminated
		t.amend(d)
	}
}

// answer takes m for the answer to d's INVITE.
func (t *callTable) answer(n uint32, d *dialog, m *sip.Message, k event.Keys) {
	d.dropEarlyChanges()
	d.answer, d.code, d.callee, d.accepted = m.Time.UnixNano(), uint16(m.Status), k.To.Short(), true
	d.answerLeg = k.ShortBranch()
	d.races()
	t.answerOn(d, m, k)
	t.callersHop(d).final = finalOf(m, k)
	t.gatherAnswer(d, m)
	t.refresh(n, d, m)
	t.reviewEnds(n, d)
}

// answerOn takes note of the callee's tag of m, which proves an answer, on m's hop. A fork that only an ACK shows is
// not counted.
func (t *callTable) answerOn(d *dialog, m *sip.Message, k event.Keys) {
	root := t.dialogs.At(d.root)
	h, near := t.hops.passed(&root.path, m), t.hops.At(root.path.first)
	add := t.hops.showFork
	if m.Request() {
		add = t.hops.proveFork
	}
	if h == near || near.hop.carries(m) {
		t.hops.answeredFork(near, add(near, k.To), m.Time.UnixNano())
	}
	if h != nil && h != near {
		t.hops.answeredFork(h, add(h, k.To), m.Time.UnixNano())
	}
}

// answeredNow puts n where no flood reaches it, and publishes. A BYE may have come first.
func (t *callTable) answeredNow(n uint32, d *dialog, at int64) {
	if d.phase == terminating {
		t.move(n, endedRow)
		if d.ended.at != 0 {
			t.close(n, t.Now)
		}
		return
	}
	t.move(n, nowhere)
	t.beginInterims(n, t.Now)
	t.tell(d, event.Answer, at)
}

// downstreamFinal keeps a final response on a hop that is not the caller's, in case that the caller's shows none.
func (t *callTable) downstreamFinal(n uint32, d *dialog, m *sip.Message, k event.Keys) {
	h := t.hops.passed(&d.path, m)
	if h == nil {
		return
	}
	f := finalOf(m, k)
	if m.Status < 300 {
		t.hops.answeredFork(h, t.hops.addFork(h, k.To), m.Time.UnixNano())
	}
	h.open -= min(h.open, 1)
	switch {
	case h.final.code/100 == 2 && m.Status >= 300, h.final.code/100 == 2 && f.at >= h.final.at:
		return
	case m.Status >= 300 && f.at < h.final.at:
		return
	}
	if h.final = f; d.answered() {
		return
	}
	if m.Status < 300 {
		t.gatherAnswer(d, m)
		d.expires = facts.SessionExpires(m)
		if d.refusedAt != 0 && t.adoptDownstreamAnswer(n, d) {
			return
		}
	}
	if d.phase == terminated && d.undecided() {
		t.reopen(n, d, calling)
	}
}

// adoptDownstreamAnswer takes a 2xx of another hop for the caller's, which was not seen. It reports whether there is
// one.
func (t *callTable) adoptDownstreamAnswer(n uint32, d *dialog) bool {
	if d.answered() {
		return false
	}
	best := t.hops.firstAnswer(&d.path)
	if best == nil {
		return false
	}
	if d.phase == terminated {
		t.reopen(n, d, confirmed)
	}
	f := best.final
	d.dropEarlyChanges()
	d.answer, d.refreshed, d.code, d.callee = f.at, f.at, f.code, f.tag
	d.accepted, d.downstream = true, true
	d.races()
	if d.refusedAt != 0 {
		d.refusedAt, d.acked = 0, 0
	}
	near := t.hops.At(d.path.first)
	if near.forks == 1 && near.first.tag != shortTag(f.tag) {
		d.callee = uint64(near.first.tag)
	}
	wait := int64(t.limits.Talk)
	if d.expires != 0 {
		wait = int64(d.expires)*1e9 + event.Timer64T1
	}
	t.lapses.Set(n, t.Now+wait)
	t.reviewEnds(n, d)
	t.answeredNow(n, d, t.Now)
	return true
}

// adoptDownstreamRefusal takes the last refusal of another hop for the caller's, which shows neither a final response
// nor a CANCEL, if no other hop goes on.
func (t *callTable) adoptDownstreamRefusal(d *dialog) {
	if d.answered() || d.refusedAt != 0 || d.cancelled != 0 {
		return
	}
	best := t.hops.lastFinal(&d.path)
	if best != nil && best.final.code >= 300 {
		d.code, d.refusedAt, d.finalCause = best.final.code, best.final.at, best.final.cause
		if challenges(int(d.code)) {
			d.challenges++
		}
	}
}
