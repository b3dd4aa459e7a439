package track

import (
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
)

// request takes note of a request other than REGISTER. It reports false if a limit kept m out.
func (t *Tracker) request(m *sip.Message, k Keys) bool {
	n, side := t.find(k)
	if n == 0 {
		return t.stranger(m, k)
	}
	d, again := t.note(n, m, k)
	d.requests++
	if again && k.To != (Key{}) && (m.Method == sip.Invite || m.Method == sip.Update) {
		return true // its response may have been seen
	}
	switch m.Method {
	case sip.Invite:
		return t.invite(n, d, m, k)
	case sip.Ack:
		t.ack(n, d, m, k)
	case sip.Cancel:
		t.cancel(d, m, k)
	case sip.Bye:
		t.bye(n, d, m, side)
	case sip.Update:
		d.propose(m, side)
	case sip.Refer:
		t.refer(d, m)
	}
	return true
}

// note counts m as one of dialog n's messages, and reports whether it was seen before.
func (t *Tracker) note(n uint32, m *sip.Message, k Keys) (d *dialog, again bool) {
	d = t.dialogs.at(n)
	if again = d.repeated(m, k); again {
		t.counts.Retransmissions++
	}
	if m.Flags&sip.Truncated != 0 {
		d.missing |= cutOf(m)
	}
	if d.phase == up && d.expires == 0 {
		t.lapses.set(n, m.Time.UnixNano()+int64(t.limits.Talk))
	}
	return d, again
}

// cutOf says what became of the rest of a truncated m.
func cutOf(m *sip.Message) Missing {
	switch m.Flow.Transport {
	case capture.TCP, capture.TLS, capture.WebSocket, capture.SecureWebSocket:
		return StreamGap
	}
	return CutShort
}

// stranger takes note of a request that no known call has.
func (t *Tracker) stranger(m *sip.Message, k Keys) bool {
	inside := k.From != (Key{}) && k.To != (Key{})
	switch {
	case m.Method == sip.Invite && k.To == (Key{}):
		return t.openInvite(m, k, 0)
	case m.Method == sip.Invite && inside:
		return t.openInside(m, k)
	case m.Method == sip.Bye && inside:
		return t.openBye(m, k)
	case m.Method == sip.Invite || m.Method == sip.Bye || m.Method == sip.Cancel || m.Method == sip.Ack:
		t.counts.Orphans++
	}
	return true
}

// openInvite opens a call with its first INVITE.
func (t *Tracker) openInvite(m *sip.Message, k Keys, reuse uint16) bool {
	n := t.open(m, k)
	if n == 0 {
		return false
	}
	d := t.dialogs.at(n)
	d.reuse = reuse
	d.setup, d.cseq, d.requests = d.first, m.CSeq, 1
	d.repeated(m, k)
	d.addLeg(leg(k))
	if m.Flags&sip.Truncated != 0 {
		d.missing |= cutOf(m)
	}
	t.count(d)
	t.gatherInvite(d, m)
	t.rows.move(&t.dialogs, n, openRow)
	t.lapses.set(n, d.first+int64(t.limits.Ring))
	t.showInvite(d, m)
	t.tell(d, Start, d.first)
	return true
}

// count counts d as a call.
func (t *Tracker) count(d *dialog) {
	d.counted = true
	t.counts.Opened++
	t.counts.Live++
}

// openInside opens a call with a message inside its dialog: a re-INVITE, or a 2xx to an INVITE that was not seen.
func (t *Tracker) openInside(m *sip.Message, k Keys) bool {
	n := t.open(m, k)
	if n == 0 {
		return false
	}
	d := t.dialogs.at(n)
	d.phase, d.callee, d.cseq = up, k.To.short(), m.CSeq
	d.refreshed = d.first
	d.repeated(m, k)
	d.missing |= NoInvite
	if m.Flags&sip.Truncated != 0 {
		d.missing |= cutOf(m)
	}
	t.count(d)
	t.counts.MidCall++
	t.gatherInside(d, m)
	t.showOpen(d, d.first)
	t.lapses.set(n, d.first+int64(t.limits.Talk))
	if m.Request() {
		d.requests = 1
		d.missing |= NoFinal
		d.cseq = 0
		d.propose(m, Caller)
		return true
	}
	d.responses, d.answer, d.code = 1, d.first, uint16(m.Status)
	d.answerLeg = leg(k)
	t.refresh(n, d, m)
	return true
}

// openBye remembers a BYE of an unknown call until its 2xx comes.
func (t *Tracker) openBye(m *sip.Message, k Keys) bool {
	n := t.open(m, k)
	if n == 0 {
		return false
	}
	d := t.dialogs.at(n)
	d.phase, d.callee, d.cseq, d.requests = byeOnly, k.To.short(), m.CSeq, 1
	d.repeated(m, k)
	d.bye = d.first
	d.byeCause = reason(m)
	d.missing |= NoInvite | NoFinal | NoAck
	t.gatherInside(d, m)
	t.rows.move(&t.dialogs, n, openRow)
	t.lapses.set(n, d.first+patience)
	return true
}

// invite takes note of an INVITE of a known call.
func (t *Tracker) invite(n uint32, d *dialog, m *sip.Message, k Keys) bool {
	switch {
	case k.To != (Key{}):
		if d.phase == up {
			side := Caller
			if k.From.short() == d.callee {
				side = Callee
			}
			d.propose(m, side)
		}
	case d.phase == over && m.CSeq > d.cseq:
		return t.again(n, d, m, k)
	case d.phase == over || d.answered() || d.phase == byeOnly:
	case m.CSeq == d.cseq:
		t.another(n, d, m, k)
	case m.CSeq > d.cseq && (d.phase == waiting || d.hop.carries(m)):
		d.attempt(m.CSeq)
		d.addLeg(leg(k))
		t.rows.move(&t.dialogs, n, openRow)
		t.lapses.set(n, m.Time.UnixNano()+int64(t.limits.Ring))
		t.gatherCredentials(d, m)
	}
	return true
}

// again opens a call under a Call-ID and tag that a call that is over had.
func (t *Tracker) again(n uint32, d *dialog, m *sip.Message, k Keys) bool {
	reuse := uint16(0)
	if day := int64(24 * time.Hour); d.first/day == m.Time.UnixNano()/day {
		reuse = d.reuse + 1
	}
	index := d.index
	t.forget(n)
	if t.index[index] != 0 {
		return true // another fork of the old call is still up
	}
	return t.openInvite(m, k, reuse)
}

// another takes note of an INVITE that was seen before: on a further hop, to a further target, or once more.
func (t *Tracker) another(n uint32, d *dialog, m *sip.Message, k Keys) {
	l := leg(k)
	if d.knowsLeg(l) >= 0 {
		return
	}
	if m.Vias > d.vias && d.hop.returns(m) {
		d.flags |= Spiral
		return
	}
	if !d.hop.carries(m) {
		return
	}
	d.addLeg(l)
	if d.phase == refused || d.phase == waiting {
		d.phase, d.cancelled = trying, 0
		t.rows.move(&t.dialogs, n, openRow)
		t.lapses.set(n, m.Time.UnixNano()+int64(t.limits.Ring))
	}
}

// ack takes note of an ACK, which may be the proof of a final response that was not seen.
func (t *Tracker) ack(n uint32, d *dialog, m *sip.Message, k Keys) {
	at := m.Time.UnixNano()
	own := d.knowsLeg(leg(k)) >= 0
	switch {
	case d.phase == over || d.phase == byeOnly || m.CSeq < d.cseq:
	case d.answered():
		if d.acked == 0 && !own && (d.callee == k.To.short() || d.callee == k.From.short()) {
			d.acked = at
			if d.answer != 0 && at-d.answer >= patience {
				d.flags |= NoAckFlag
			}
		}
	case !d.hop.carries(m):
	case d.phase == refused || d.phase == waiting:
		if d.acked == 0 {
			d.acked = at
			if d.phase == refused && d.settled() {
				t.lapses.set(n, at+settling)
			}
		}
	case d.refusedAt != 0:
		d.acked = at
	case own:
		d.refusedByAck, d.acked, d.phase = true, at, waiting
		t.lapses.set(n, at+int64(t.limits.Ring))
	case k.To != (Key{}):
		t.proven(n, d, m, k)
	}
}

// proven takes the call for answered by an ACK of its own transaction (RFC 3261 section 13.2.2.4).
func (t *Tracker) proven(n uint32, d *dialog, m *sip.Message, k Keys) {
	at := m.Time.UnixNano()
	if t.promote(n, d, at) {
		d.acked = at
		return
	}
	d.byAck = true
	d.flags |= AnswerByAck
	d.missing |= NoFinal
	d.answer, d.acked, d.refreshed, d.phase, d.callee = at, at, at, up, k.To.short()
	t.gatherTag(d, CalleeTag, m.ToTag())
	t.answeredNow(n, d, at)
}

// cancel takes note of a CANCEL. It is the caller's if it passed the caller's hop.
func (t *Tracker) cancel(d *dialog, m *sip.Message, k Keys) {
	if d.phase == over || m.CSeq != d.cseq || !d.hop.carries(m) {
		return
	}
	if d.answered() {
		if leg(k) == d.answerLeg && d.answerLeg != 0 {
			d.flags |= CancelRace
		}
		return
	}
	if d.cancelled == 0 {
		d.cancelled, d.cancelLeg = m.Time.UnixNano(), leg(k)
		d.cancelCause = reason(m)
	}
}

// bye takes note of a BYE. The first is the end of the call, whoever carries it.
func (t *Tracker) bye(n uint32, d *dialog, m *sip.Message, side Party) {
	if d.phase == over {
		return
	}
	if d.phase == byeOnly {
		t.lapses.set(n, m.Time.UnixNano()+patience)
		return
	}
	if !d.answered() {
		t.promote(n, d, m.Time.UnixNano())
	}
	if d.bye == 0 {
		d.bye, d.byeBy, d.byeCause = m.Time.UnixNano(), side, reason(m)
		d.endHold(d.bye)
		if d.gone == 0 {
			d.gone = d.bye
		}
	}
	if d.answered() {
		d.phase = leaving
	}
	t.rows.move(&t.dialogs, n, endedRow)
	t.lapses.set(n, m.Time.UnixNano()+patience)
}

// refer remembers that a transfer was asked for.
func (t *Tracker) refer(d *dialog, m *sip.Message) {
	if d.phase != up {
		return
	}
	if d.offered = Blind; replaced(m.Value(sip.ReferTo)) != nil {
		d.offered = Attended
	}
	t.gatherTransfer(d, m)
}

// propose remembers a re-INVITE or an UPDATE until its final response comes.
func (d *dialog) propose(m *sip.Message, side Party) {
	if d.phase != up || side == Unknown {
		return
	}
	c := change{cseq: m.CSeq, method: m.Method, open: true}
	c.hold = offer(m)
	d.pending[side-Caller] = c
}

// offer says what the session description of m means for a hold (RFC 3264 section 8.4).
func offer(m *sip.Message) uint8 {
	v := m.Value(sip.Media)
	if len(v) == 0 {
		return holdUnknown
	}
	s := sip.ReadSession(v)
	switch {
	case s.Hold():
		return holdOn
	case s.NTypes > 0:
		return holdOff
	}
	return holdUnknown
}
