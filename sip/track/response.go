package track

import "sipsieve/sip"

// response takes note of a response to anything but REGISTER. It reports false if a limit kept m out.
func (t *Tracker) response(m *sip.Message, k Keys) bool {
	n, side := t.find(k)
	if n == 0 {
		return t.strayResponse(m, k)
	}
	d, _ := t.note(n, m, k)
	d.responses++
	if d.phase == over {
		return true
	}
	switch m.Method {
	case sip.Invite:
		if t.changed(n, d, m, k, side) {
			return true
		}
		return t.inviteResponse(n, d, m, k)
	case sip.Update:
		t.changed(n, d, m, k, side)
	case sip.Bye:
		t.byeResponse(n, d, m, side)
	case sip.Refer:
		if m.Status/100 == 2 && d.offered != NoTransfer {
			d.transfer = d.offered
			t.showTransfer(d, m)
		}
	}
	return true
}

// strayResponse takes note of a response that no known call has.
func (t *Tracker) strayResponse(m *sip.Message, k Keys) bool {
	switch m.Method {
	case sip.Invite:
		if m.Status/100 == 2 && k.From != (Key{}) && k.To != (Key{}) {
			return t.openInside(m, k)
		}
		t.counts.Orphans++
	case sip.Bye, sip.Cancel, sip.Prack, sip.Update:
		t.counts.Orphans++
	}
	return true
}

// changed takes note of the final response to a re-INVITE or an UPDATE. It reports whether m is one's response.
func (t *Tracker) changed(n uint32, d *dialog, m *sip.Message, k Keys, side Party) bool {
	c := &d.pending[side-Caller]
	if !c.open || c.cseq != m.CSeq || c.method != m.Method || d.knowsLeg(leg(k)) >= 0 {
		return m.Method == sip.Invite && (side == Callee || d.answered() && m.CSeq != d.cseq)
	}
	if m.Status < 200 {
		return true
	}
	c.open = false
	switch at := m.Time.UnixNano(); {
	case m.Status < 300:
		d.reinvites++
		if d.setup == 0 {
			d.missing &^= NoFinal
		}
		if c.hold == holdUnknown && c.method == sip.Invite {
			c.hold = offer(m)
		}
		d.hold(at, side, c.hold)
		t.refresh(n, d, m)
	case m.Status == 481 || m.Status == 408:
		d.gone, d.cause, d.source = at, EndDialogLost, Observed
		d.endHold(at)
		t.close(n, at)
	}
	return true
}

// hold starts or ends a hold by side at at.
func (d *dialog) hold(at int64, side Party, what uint8) {
	before := d.holding
	switch what {
	case holdOn:
		d.holding |= 1 << side
	case holdOff:
		d.holding &^= 1 << side
	}
	switch {
	case before == 0 && d.holding != 0:
		d.holds++
		d.holdSince = at
	case before != 0 && d.holding == 0:
		d.holding = before
		d.endHold(at)
	}
}

// endHold ends a hold that is on at at.
func (d *dialog) endHold(at int64) {
	if d.holding != 0 {
		d.held += max(at-d.holdSince, 0)
		d.holding = 0
	}
}

// refresh sets the session timer by a 2xx to INVITE or UPDATE (RFC 4028 section 7.2).
func (t *Tracker) refresh(n uint32, d *dialog, m *sip.Message) {
	at := m.Time.UnixNano()
	d.refreshed = at
	d.expires = seconds(m.Value(sip.SessionExpires))
	if d.expires == 0 {
		t.lapses.set(n, at+int64(t.limits.Talk))
		return
	}
	t.lapses.set(n, at+int64(d.expires)*1e9+patience)
}

// seconds reads the digits at the beginning of v; more than a week counts as a week.
func seconds(v []byte) uint32 {
	i := 0
	for i < len(v) && i < 9 && '0' <= v[i] && v[i] <= '9' {
		i++
	}
	n := uint32(0)
	for _, c := range v[:i] {
		n = n*10 + uint32(c-'0')
	}
	return min(n, 7*24*3600)
}

// inviteResponse takes note of a response to the INVITE that opened the call.
func (t *Tracker) inviteResponse(n uint32, d *dialog, m *sip.Message, k Keys) bool {
	if m.CSeq < d.cseq || d.phase == byeOnly {
		return true
	}
	if m.CSeq > d.cseq && !d.answered() {
		d.attempt(m.CSeq)
		t.lapses.set(n, m.Time.UnixNano()+int64(t.limits.Ring))
	}
	near := d.hop.carries(m)
	switch {
	case m.Status == 100:
	case m.Status < 200:
		t.provisional(d, m, k)
	case m.Status < 300:
		t.forkOf(t.dialogs.at(d.root), k.To)
		if near {
			return t.accepted(n, d, m, k)
		}
		t.far(n, d, m, k)
	case d.answered():
	case near:
		t.refusal(n, d, m, k)
	default:
		t.far(n, d, m, k)
	}
	return true
}

func (t *Tracker) provisional(d *dialog, m *sip.Message, k Keys) {
	if d.answered() {
		return
	}
	at := m.Time.UnixNano()
	if d.progress == 0 {
		d.progress = at
	}
	ringing := m.Status == 180 || m.Status == 183
	i := t.forkOf(d, k.To)
	if ringing && d.ring == 0 {
		d.ring = at
	}
	if d.forking != 0 && i >= 0 && i < maxForks {
		f := t.forkings.at(d.forking)
		if f.progress[i] == 0 {
			f.progress[i] = at
		}
		if ringing && f.ring[i] == 0 {
			f.ring[i] = at
		}
	}
	if m.Status == 183 && len(m.Value(sip.Media)) > 0 {
		d.early = true
	}
}

// forkOf returns the number of tag among d's forks, -1 without one, and remembers it. A second one needs memory
// of its own; those past 64 are told apart no more.
func (t *Tracker) forkOf(d *dialog, tag Key) int {
	if tag == (Key{}) {
		return -1
	}
	short := uint32(tag.short()) | 1
	if d.forks == 0 {
		d.forks = 1
		d.firstFork = short
		return 0
	}
	if d.forking == 0 {
		if d.firstFork == short {
			return 0
		}
		d.forking = t.forkings.take()
		f := t.forkings.at(d.forking)
		f.n, f.tags[0], f.progress[0], f.ring[0] = 1, d.firstFork, d.progress, d.ring
	}
	f := t.forkings.at(d.forking)
	for i := range f.n {
		if f.tags[i] == short {
			return i
		}
	}
	d.forks++
	if f.n == len(f.tags) {
		return -1
	}
	f.tags[f.n] = short
	f.n++
	return f.n - 1
}

// accepted takes note of a 2xx on the caller's hop. It reports false if a limit kept a second fork out.
func (t *Tracker) accepted(n uint32, d *dialog, m *sip.Message, k Keys) bool {
	at := m.Time.UnixNano()
	switch {
	case d.answered() && d.callee == k.To.short():
		if d.byAck && d.code == 0 {
			d.code = uint16(m.Status)
		}
	case d.answered() && d.answer != 0:
		return t.secondFork(m, k)
	case d.bye != 0:
		d.answer, d.code, d.callee, d.phase = at, uint16(m.Status), k.To.short(), leaving
	default:
		d.answer, d.code, d.callee, d.phase = at, uint16(m.Status), k.To.short(), up
		d.answerLeg, d.acked, d.refusedAt = leg(k), 0, 0
		if d.cancelled != 0 && d.cancelLeg == d.answerLeg {
			d.flags |= CancelRace
		}
		t.gatherAnswer(d, m)
		t.refresh(n, d, m)
		t.answeredNow(n, d, at)
	}
	return true
}

// answeredNow puts n where no flood reaches it, and tells.
func (t *Tracker) answeredNow(n uint32, d *dialog, at int64) {
	t.rows.move(&t.dialogs, n, nowhere)
	if d.byAck {
		t.lapses.set(n, at+int64(t.limits.Talk))
	}
	t.tell(d, Answer, at)
}

// secondFork opens the record of another fork that answered (RFC 3261 section 13.2.2.4).
func (t *Tracker) secondFork(m *sip.Message, k Keys) bool {
	if t.dialogs.len() >= t.limits.Calls && !t.evict() {
		return false
	}
	root := t.index[k.Call.with(k.From)]
	if root == 0 {
		return true // it had to make room itself
	}
	n := t.dialogs.take()
	r, d := t.dialogs.at(root), t.dialogs.at(n)
	*d = *r
	d.root, d.next, d.row, d.forking, d.text = root, r.next, link{}, 0, text{}
	r.next = n
	d.flags = r.flags&^(CancelRace|NoAckFlag|AnswerByAck) | SecondFork
	d.acked, d.bye, d.gone, d.held, d.holding = 0, 0, 0, 0, 0
	d.reinvites, d.holds, d.revision, d.repeats = 0, 0, 0, 0
	d.phase, d.byAck, d.pending, d.transfer = up, false, [2]change{}, NoTransfer
	d.missing &^= NoFinal
	d.progress, d.ring = 0, 0
	if i := t.forkOf(r, k.To); r.forking != 0 && i >= 0 && i < maxForks {
		f := t.forkings.at(r.forking)
		d.progress, d.ring = f.progress[i], f.ring[i]
	}
	d.answer, d.code, d.callee = m.Time.UnixNano(), uint16(m.Status), k.To.short()
	d.ordinal = uint32(r.forks) << 8
	t.count(d)
	d.text = t.texts.put(text{}, t.texts.get(r.text))
	t.gatherTag(d, CalleeTag, m.ToTag())
	t.showOpen(d, d.answer)
	t.refresh(n, d, m)
	t.answeredNow(n, d, d.answer)
	return true
}

// refusal takes note of a final response of 300 or more on the caller's hop.
func (t *Tracker) refusal(n uint32, d *dialog, m *sip.Message, k Keys) {
	at, l := m.Time.UnixNano(), leg(k)
	again := int(d.code) == m.Status
	i := d.knowsLeg(l)
	if i >= 0 {
		again = again && d.legsDone&(1<<i) != 0
		d.legsDone |= 1 << i
	}
	if again || d.code >= 600 {
		return
	}
	d.code, d.refusedAt, d.finalCause = uint16(m.Status), at, reason(m)
	d.acked = 0
	switch {
	case m.Status == 401 || m.Status == 407:
		d.challenges++
		t.await(n, d, at)
	case m.Status < 400:
		d.redirects++
		t.await(n, d, at)
	case d.settled():
		d.phase = refused
		t.rows.move(&t.dialogs, n, endedRow)
		t.lapses.set(n, at+patience)
	}
}

// await gives the caller Ring to send its INVITE again.
func (t *Tracker) await(n uint32, d *dialog, at int64) {
	d.phase = waiting
	t.rows.move(&t.dialogs, n, endedRow)
	t.lapses.set(n, at+int64(t.limits.Ring))
}

// far remembers a final response on a hop that is not the caller's, in case that the caller's shows none.
func (t *Tracker) far(n uint32, d *dialog, m *sip.Message, k Keys) {
	if d.answered() || d.farCode == uint16(m.Status) || d.farCode/100 == 2 {
		return
	}
	d.farAt, d.farCode = m.Time.UnixNano(), uint16(m.Status)
	if m.Status < 300 {
		d.callee, d.answerLeg = k.To.short(), leg(k)
		t.gatherAnswer(d, m)
		d.expires = seconds(m.Value(sip.SessionExpires))
	}
	if d.phase == trying {
		t.lapses.set(n, d.farAt+int64(t.limits.Ring))
	}
}

// promote takes the final response of another hop for the caller's, at at. It reports whether that was a 2xx.
func (t *Tracker) promote(n uint32, d *dialog, at int64) bool {
	if d.farCode == 0 || d.refusedAt != 0 || d.answered() {
		return false
	}
	d.code = d.farCode
	if d.farCode >= 300 {
		d.refusedAt, d.phase = d.farAt, refused
		return false
	}
	d.answer, d.refreshed, d.phase = d.farAt, d.farAt, up
	wait := int64(t.limits.Talk)
	if d.expires != 0 {
		wait = int64(d.expires)*1e9 + patience
	}
	t.lapses.set(n, d.farAt+wait)
	t.answeredNow(n, d, at)
	return true
}

// byeResponse takes note of a response to BYE, whose BYE may not have been seen.
func (t *Tracker) byeResponse(n uint32, d *dialog, m *sip.Message, side Party) {
	at := m.Time.UnixNano()
	if m.Status < 200 || m.Status == 401 || m.Status == 407 {
		return
	}
	if d.phase == byeOnly {
		t.endByeOnly(n, d, m)
		return
	}
	if !d.answered() {
		t.promote(n, d, at)
	}
	d.byeAnswered = true
	if d.bye == 0 {
		d.gone, d.byeBy = at, side
		d.endHold(at)
	}
	if d.answered() {
		t.close(n, at)
		return
	}
	t.lapses.set(n, at+settling)
}

// endByeOnly tells of a call of which only the BYE was seen, if that was accepted.
func (t *Tracker) endByeOnly(n uint32, d *dialog, m *sip.Message) {
	if m.Status >= 300 {
		t.counts.Orphans++
		t.forget(n)
		return
	}
	t.count(d)
	t.counts.MidCall++
	d.gone, d.byeAnswered = d.bye, true
	t.close(n, m.Time.UnixNano())
}
