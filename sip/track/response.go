package track

import "sipsieve/sip"

// response takes note of a response to anything but REGISTER. It reports false if a limit kept m out.
func (t *Tracker) response(m *sip.Message, k Keys) bool {
	n, side := t.find(k)
	t.others.note(m, k, n != 0, t.now)
	if n == 0 {
		return t.strayResponse(m, k)
	}
	d, again := t.note(n, m, k, heardResponse)
	if again || d.phase == over && !t.lateResponse(n, d, m, k, side) {
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
		t.referred(d, m)
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

// proposed reports whether m, a response to side's request, answers d's re-INVITE or UPDATE.
func (d *dialog) proposed(m *sip.Message, side Party) bool {
	c := &d.pending[side-Caller]
	return c.open && c.cseq == m.CSeq && c.method == m.Method
}

// lost reports whether status, to a request inside a dialog, ends the dialog (RFC 3261 section 12.2.1.2).
func lost(status int) bool { return status == 481 || status == 408 }

// changed takes note of the final response to a re-INVITE or an UPDATE. It reports whether m is one's response.
func (t *Tracker) changed(n uint32, d *dialog, m *sip.Message, k Keys, side Party) bool {
	if !d.proposed(m, side) || d.knowsLeg(leg(k)) >= 0 {
		return m.Method == sip.Invite && (side == Callee || d.answered() && m.CSeq != d.cseq)
	}
	if m.Status < 200 {
		return true
	}
	c := &d.pending[side-Caller]
	c.open = false
	switch at := m.Time.UnixNano(); {
	case m.Status < 300:
		d.reinvites++
		if c.hold == holdUnknown && c.method == sip.Invite {
			c.hold = offer(m)
		}
		d.hold(at, side, c.hold)
		t.refresh(n, d, m)
	case lost(m.Status):
		d.gone, d.cause, d.known = at, EndDialogLost, Observed
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
		t.move(n, openRow)
		t.lapses.set(n, m.Time.UnixNano()+int64(t.limits.Ring))
	}
	near := d.hop.carries(m)
	switch {
	case m.Status == 100:
	case m.Status < 200:
		t.ringing(n)
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
	i := t.forkOf(t.dialogs.at(d.root), k.To)
	if d.answered() {
		return
	}
	at := m.Time.UnixNano()
	if d.progress == 0 {
		d.progress = at
	}
	ringing := m.Status == 180 || m.Status == 183
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
	if m.Status/10 == 18 && len(m.Value(sip.Media)) > 0 {
		d.early = true
		t.gatherEarly(d, m)
	}
}

// accepted takes note of a 2xx on the caller's hop. It reports false if a limit kept a second fork out.
func (t *Tracker) accepted(n uint32, d *dialog, m *sip.Message, k Keys) bool {
	at := m.Time.UnixNano()
	switch {
	case d.answered() && d.callee == k.To.short():
		if d.byAck || d.answer != 0 && d.answer == d.farAt { // what was taken for it comes after all
			d.byAck, d.flags = false, d.flags&^AnswerByAck
			t.answer(n, d, m, k)
		}
	case d.answered() && d.answer != 0:
		return t.secondFork(m, k)
	default:
		d.acked, d.refusedAt = 0, 0
		t.answer(n, d, m, k)
		t.answeredNow(n, d, at)
	}
	return true
}

// answer takes m for the answer to d's INVITE.
func (t *Tracker) answer(n uint32, d *dialog, m *sip.Message, k Keys) {
	d.answer, d.code, d.callee, d.accepted = m.Time.UnixNano(), uint16(m.Status), k.To.short(), true
	d.answerLeg = leg(k)
	if d.cancelled != 0 && d.cancelLeg == d.answerLeg {
		d.flags |= CancelRace
	}
	t.gatherAnswer(d, m)
	if d.bye == 0 {
		d.phase = up
		t.refresh(n, d, m)
	}
}

// answeredNow puts n where no flood reaches it, and tells. A BYE may have come first.
func (t *Tracker) answeredNow(n uint32, d *dialog, at int64) {
	if d.bye != 0 {
		d.phase = leaving
		return
	}
	t.move(n, nowhere)
	if d.byAck {
		t.lapses.set(n, at+int64(t.limits.Talk))
	}
	t.beginInterims(n, at)
	t.tell(d, Answer, at)
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
	if !d.refusedByAck {
		d.acked = 0
	}
	switch {
	case m.Status == 401 || m.Status == 407:
		d.challenges++
		t.await(n, d, at)
	case m.Status < 400:
		d.redirects++
		t.await(n, d, at)
	case d.settled():
		d.phase = refused
		t.move(n, endedRow)
		wait := patience
		if d.acked != 0 {
			wait = settling
		}
		t.lapses.set(n, at+wait)
	}
	d.refusedByAck = false
}

// await gives the caller Ring to send its INVITE again.
func (t *Tracker) await(n uint32, d *dialog, at int64) {
	d.phase = waiting
	t.move(n, endedRow)
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
	d.answer, d.refreshed, d.phase, d.accepted = d.farAt, d.farAt, up, true
	wait := int64(t.limits.Talk)
	if d.expires != 0 {
		wait = int64(d.expires)*1e9 + patience
	}
	t.lapses.set(n, d.farAt+wait)
	t.answeredNow(n, d, at)
	return true
}

// final reports whether m is the last word on its request: a challenge is not, for the request comes again.
func final(m *sip.Message) bool { return m.Status >= 200 && m.Status != 401 && m.Status != 407 }

// byeResponse takes note of a response to BYE, whose BYE may not have been seen.
func (t *Tracker) byeResponse(n uint32, d *dialog, m *sip.Message, side Party) {
	at := m.Time.UnixNano()
	if !final(m) {
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
	d.gone, d.byeAnswered, d.accepted, d.alone = d.bye, true, true, true
	t.close(n, m.Time.UnixNano())
}
