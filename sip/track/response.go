package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// response takes note of a response to a request of side's, of root's call; root is 0 without a known call. It reports false if a limit kept m out.
func (t *callTable) response(root uint32, m *sip.Message, k event.Keys, side event.Party) bool {
	if root == 0 {
		return t.strayResponse(m, k)
	}
	d := t.dialogs.At(root)
	t.unveil(d, m)
	switch {
	case d.phase == unconfirmed:
		t.responseUnconfirmed(root, m, k, side)
	case d.alone || m.Method == sip.Cancel:
		t.note(root, m, k, heardResponse)
	case m.Method == sip.Invite && side == event.Caller && t.opens(d, m, k):
		return t.inviteResponse(root, m, k)
	default:
		t.responseInside(m, k, t.inside(root, m, k, side))
	}
	return true
}

// opens reports whether m, a response to an INVITE of the caller's, is to one that opens a dialog. A re-INVITE may have
// the CSeq of the first INVITE if its sender is broken.
func (t *callTable) opens(d *dialog, m *sip.Message, k event.Keys) bool {
	if c := &d.pending[0]; c.cseq == m.CSeq && c.method == sip.Invite && d.knowsLeg(k.ShortBranch()) < 0 {
		return false
	}
	switch {
	case m.CSeq <= d.cseq:
		return true
	case d.answered() || t.guessFor(d, m, event.Caller).of(m):
		return false
	}
	return d.phase == awaitingRetry || d.phase == rejected || d.phase == terminated && !d.undecided() ||
		d.phase == calling && m.Status > 100 && m.Status < 200
}

// responseInside takes note of a response to a request inside a dialog, which p says.
func (t *callTable) responseInside(m *sip.Message, k event.Keys, p place) {
	switch p.is {
	case foreign:
		return
	case guessed:
		d := t.dialogs.At(p.n)
		if t.markDirty(p.n); t.hops.repeated(&d.path, m, k) {
			t.countRepeat(d, k)
		} else {
			t.guessedResponse(p, m)
		}
		return
	}
	d, again := t.note(p.n, m, k, heardResponse)
	if again {
		return
	}
	if g := t.guessFor(t.dialogs.At(d.root), m, p.side); g.of(m) {
		t.bring(p, d, *g)
		*g = guess{}
	}
	switch m.Method {
	case sip.Invite, sip.Update:
		t.changed(p, d, m)
	case sip.Bye:
		t.byeResponse(p, d, m)
	case sip.Refer:
		t.referred(d, m)
	}
}

// strayResponse takes note of a response that no known call has.
func (t *callTable) strayResponse(m *sip.Message, k event.Keys) bool {
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
func (t *callTable) inviteResponse(n uint32, m *sip.Message, k event.Keys) bool {
	to := n
	if m.Status/100 == 2 {
		to = t.ofAnswer(n, k)
	}
	_, again := t.note(to, m, k, heardResponse)
	d := t.dialogs.At(n)
	provisional := m.Status > 100 && m.Status < 200
	if m.CSeq < d.cseq && !again && t.callersHop(d).hop.carries(m) {
		d.lateFinal(m)
	}
	if m.CSeq < d.cseq || again && !provisional || m.CSeq > d.cseq && !t.unseenAttempt(n, d, m) {
		return true
	}
	near := t.callersHop(d).hop.carries(m)
	if m.Status > 100 && (near || m.Status < 300) {
		t.revokeUpdate(n, d)
	}
	if h := t.hops.passed(&d.path, m); h != nil && m.Status/100 != 2 {
		h.addLeg(m.CSeq, k.ShortBranch())
	}
	switch {
	case m.Status == 100:
	case provisional:
		t.provisional(n, m, k)
	case m.Status < 300 && near:
		return t.acceptedBy(n, d, m, k)
	case !near:
		t.downstreamFinal(n, d, m, k)
	case !d.answered():
		t.refusal(n, d, m, k)
	}
	return true
}

// unseenAttempt takes m for a response to a further INVITE of d's call, which was not seen. It reports false if m
// changes nothing.
func (t *callTable) unseenAttempt(n uint32, d *dialog, m *sip.Message) bool {
	if d.phase == terminated {
		if m.Status < 200 || m.Status >= 300 && !d.undecided() {
			return false
		}
		t.reopen(n, d, calling)
	}
	t.beginAttempt(d, m.CSeq)
	t.move(n, openRow)
	t.lapses.Set(n, t.Now+int64(t.limits.Ring))
	return true
}

// ofAnswer returns root's dialog with the callee's tag of k, root itself without one.
func (t *callTable) ofAnswer(root uint32, k event.Keys) uint32 {
	for d := root; d != 0; d = t.dialogs.At(d).next {
		if shortTag(t.dialogs.At(d).callee) == shortTag(k.To.Short()) {
			return d
		}
	}
	return root
}

// provisional takes note of a provisional response but 100, which may have been seen before.
func (t *callTable) provisional(n uint32, m *sip.Message, k event.Keys) {
	d := t.dialogs.At(n)
	at := m.Time.UnixNano()
	near := t.callersHop(d)
	h := t.hops.passed(&d.path, m)
	var f *fork
	if h == near || near.hop.carries(m) {
		f = t.hops.fork(near, t.hops.addFork(near, k.To))
	}
	if h != nil && h != near {
		f := t.hops.fork(h, t.hops.addFork(h, k.To))
		f.happened(m)
	}
	if f != nil {
		f.past = false
	}
	t.ringing(n)
	if d.provisioned = max(d.provisioned, at); d.phase == calling && t.hops.earlyEnd(&d.path) == nil {
		t.lapses.Set(n, t.Now+int64(t.limits.Ring))
	}
	x := d
	if of := t.ofAnswer(n, k); of != n && t.dialogs.At(of).answered() {
		x = t.dialogs.At(of)
	}
	f.happened(m)
	if !x.answered() || x.answer == 0 || at < x.answer {
		t.rang(n, x, m)
	}
}

// rang takes note of the provisional response m of d, which may come late.
func (t *callTable) rang(n uint32, d *dialog, m *sip.Message) {
	changed := earliest(&d.progress, &d.ring, m)
	if m.Status/10 == 18 && len(m.Value(sip.Media)) > 0 {
		changed = changed || !d.earlyMedia
		if d.earlyMedia = true; !d.answered() {
			t.gatherEarly(d, m)
		}
	}
	if changed && d.phase == terminated {
		t.amend(d)
	}
}

// refusal takes note of a final response of 300 or more on the caller's hop.
func (t *callTable) refusal(n uint32, d *dialog, m *sip.Message, k event.Keys) {
	if d.phase == terminated {
		if !d.undecided() {
			return
		}
		t.reopen(n, d, calling)
	}
	at, l := m.Time.UnixNano(), k.ShortBranch()
	again := int(d.code) == m.Status
	i := d.knowsLeg(l)
	if i >= 0 {
		again = again && d.legsDone&(1<<i) != 0
		d.legsDone |= 1 << i
	}
	if again || d.code >= 600 {
		return
	}
	d.code, d.refusedAt, d.finalCause = uint16(m.Status), at, facts.Cause(m)
	t.callersHop(d).final = finalOf(m, k)
	if t.adoptDownstreamAnswer(n, d) {
		return
	}
	if !d.refusedByAck {
		d.acked = 0
	}
	switch {
	case challenges(m.Status):
		d.challenges++
		t.awaitRetry(n, d)
	case m.Status < 400:
		t.awaitRetry(n, d)
	case d.settled():
		d.phase = rejected
		t.move(n, endedRow)
		wait := event.Timer64T1
		if d.acked != 0 {
			wait = forkRetryWait
		}
		t.lapses.Set(n, t.Now+wait)
	}
	d.refusedByAck = false
}

// awaitRetry gives the caller Ring to send its INVITE again.
func (t *callTable) awaitRetry(n uint32, d *dialog) {
	d.phase = awaitingRetry
	t.move(n, endedRow)
	t.lapses.Set(n, t.Now+int64(t.limits.Ring))
}
