package track

import (
	"sipsieve/capture"
	"sipsieve/sip"
)

// request takes note of a request other than REGISTER. It reports false if a limit kept m out.
func (t *Tracker) request(m *sip.Message, k Keys) bool {
	n, side := t.find(k)
	t.others.note(m, k, n != 0, t.now)
	if n == 0 {
		return t.stranger(m, k)
	}
	d, again := t.note(n, m, k, heardRequest)
	if again {
		return true
	}
	switch m.Method {
	case sip.Invite:
		return t.invite(n, d, m, k, side)
	case sip.Ack:
		t.ack(n, d, m, k)
	case sip.Cancel:
		t.cancel(n, d, m, k)
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
func (t *Tracker) note(n uint32, m *sip.Message, k Keys, heard uint8) (d *dialog, again bool) {
	d = t.dialogs.at(n)
	t.touch(n)
	if d.faults&RestartGap != 0 {
		t.resume(d, m)
	}
	if again = d.repeated(m, k); again {
		t.counts.Retransmissions++
	}
	if m.Flags&sip.Truncated != 0 {
		d.faults |= cutOf(m)
	}
	d.heard |= heard
	if d.row.in == claimRow && d.phase == up && d.heard == heardRequest|heardResponse {
		t.move(n, nowhere)
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
		return t.openInvite(m, k)
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
func (t *Tracker) openInvite(m *sip.Message, k Keys) bool {
	h := hopOf(m, 0)
	if why, ok := t.sources.admit(&h, m.Time.UnixNano(), &t.limits); !ok {
		return t.keepOut(why)
	}
	n := t.open(m, k)
	if n == 0 {
		return false
	}
	d := t.dialogs.at(n)
	d.setup, d.cseq = d.first, m.CSeq
	t.begin(d, m, k)
	d.addLeg(leg(k))
	t.count(d)
	t.gatherInvite(d, m)
	t.move(n, openRow)
	t.lapses.set(n, d.first+int64(t.limits.Ring))
	t.showInvite(d, m)
	t.tell(d, Start, d.first)
	return true
}

// begin takes note of the first message of d.
func (t *Tracker) begin(d *dialog, m *sip.Message, k Keys) {
	d.repeated(m, k)
	if d.heard = heardResponse; m.Request() {
		d.heard = heardRequest
	}
	if m.Flags&sip.Truncated != 0 {
		d.faults |= cutOf(m)
	}
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
	d.phase, d.accepted, d.callee, d.cseq = up, true, k.To.short(), m.CSeq
	d.refreshed = d.first
	t.begin(d, m, k)
	t.count(d)
	t.counts.MidCall++
	t.gatherInside(d, m)
	t.move(n, claimRow)
	t.showOpen(d, d.first)
	t.lapses.set(n, d.first+int64(t.limits.Talk))
	t.beginInterims(n, d.first)
	if m.Request() {
		d.cseq = 0
		d.propose(m, Caller)
		return true
	}
	d.answer, d.code = d.first, uint16(m.Status)
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
	d.phase, d.callee, d.cseq = byeOnly, k.To.short(), m.CSeq
	t.begin(d, m, k)
	d.bye = d.first
	d.byeCause = reason(m)
	t.gatherInside(d, m)
	t.move(n, claimRow)
	t.lapses.set(n, d.first+patience)
	return true
}

// invite takes note of an INVITE of a known call.
func (t *Tracker) invite(n uint32, d *dialog, m *sip.Message, k Keys, side Party) bool {
	switch {
	case k.To != (Key{}):
		d.propose(m, side)
	case d.phase == over && d.reused(m, k, int64(t.limits.Ring)):
		return t.again(n, d, m, k)
	case d.answered() || d.phase == byeOnly:
	case m.CSeq == d.cseq:
		t.another(n, d, m, k)
	case m.CSeq > d.cseq && (d.phase == waiting || d.hop.carries(m)):
		d.attempt(m.CSeq)
		d.addLeg(leg(k))
		t.move(n, openRow)
		t.lapses.set(n, m.Time.UnixNano()+int64(t.limits.Ring))
		t.gatherCredentials(d, m)
	}
	return true
}

// reused reports whether m begins another call under the Call-ID and tag of d, which is over: its CSeq is higher, or
// it is a new INVITE that comes later than the calls of one attempt do.
func (d *dialog) reused(m *sip.Message, k Keys, ring int64) bool {
	return m.CSeq > d.cseq || d.knowsLeg(leg(k)) < 0 && m.Time.UnixNano()-d.first > ring
}

// again opens a call under a Call-ID and tag that a call that is over had.
func (t *Tracker) again(n uint32, d *dialog, m *sip.Message, k Keys) bool {
	index := d.index
	t.forget(n)
	if t.index[index] != 0 {
		return true // another fork of the old call is still up
	}
	return t.openInvite(m, k)
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
	switch d.phase {
	case over:
		t.reopen(n, d, trying, m.Time.UnixNano())
	case refused, waiting:
		d.phase = trying
	default:
		return
	}
	d.cancelled = 0
	t.move(n, openRow)
	t.lapses.set(n, m.Time.UnixNano()+int64(t.limits.Ring))
}

// ack takes note of an ACK, which may be the proof of a final response that was not seen.
func (t *Tracker) ack(n uint32, d *dialog, m *sip.Message, k Keys) {
	at := m.Time.UnixNano()
	own := d.knowsLeg(leg(k)) >= 0
	switch {
	case d.phase == byeOnly || m.CSeq < d.cseq:
	case d.phase == over:
		t.lateAck(n, d, m, k)
	case d.answered():
		if d.acked == 0 && !own && (d.callee == k.To.short() || d.callee == k.From.short()) {
			d.acked = at
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
	d.answer, d.acked, d.refreshed, d.phase, d.callee = at, at, at, up, k.To.short()
	d.accepted = true
	t.gatherTag(d, CalleeTag, m.ToTag())
	t.answeredNow(n, d, at)
}

// cancel takes note of a CANCEL. It is the caller's if it passed the caller's hop.
func (t *Tracker) cancel(n uint32, d *dialog, m *sip.Message, k Keys) {
	switch {
	case m.CSeq != d.cseq || !d.hop.carries(m):
	case d.answered():
		if leg(k) == d.answerLeg && d.answerLeg != 0 && d.phase != over {
			d.flags |= CancelRace
		}
	case d.cancelled != 0 || d.phase == over && !d.unsettled():
	default:
		if d.phase == over {
			t.reopen(n, d, trying, m.Time.UnixNano())
		}
		d.cancelled, d.cancelLeg = m.Time.UnixNano(), leg(k)
		d.cancelCause = reason(m)
	}
}

// bye takes note of a BYE. The first is the end of the call, whoever carries it.
func (t *Tracker) bye(n uint32, d *dialog, m *sip.Message, side Party) {
	at := m.Time.UnixNano()
	if d.phase == byeOnly {
		t.lapses.set(n, at+patience)
		return
	}
	if d.phase == over && !t.lateBye(n, d, at) {
		return
	}
	if !d.answered() {
		t.promote(n, d, at)
	}
	if d.bye == 0 {
		d.bye, d.byeBy, d.byeCause, d.gone = at, side, reason(m), at
		d.endHold(at)
	}
	if d.byeAnswered {
		t.close(n, at)
		return
	}
	if d.answered() {
		d.phase = leaving
	}
	t.move(n, endedRow)
	t.lapses.set(n, at+patience)
}

// propose remembers a re-INVITE or an UPDATE until its final response comes.
func (d *dialog) propose(m *sip.Message, side Party) {
	if side == Unknown || d.phase != up && !(d.phase == over && d.inferred()) {
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
