package track

import "sipsieve/sip"

// What comes late for a call that was told as over proves another end in these cases; the call goes on as if it had
// not been told, and its end is told as a correction:
//
//	told as                        what comes late
//	without a final response       a final response, an ACK that proves one, a CANCEL, a BYE
//	refused                        a 2xx, an INVITE to a further target
//	answered, the end inferred     a BYE or its 2xx, the final response to a re-INVITE or UPDATE
//	answered, the BYE not seen     the BYE
//	within a loss said later       (Missed) nothing more: it is told with LossWindow
//
// Everything else is a repeat, or what was missing and changes nothing.

// reopen makes dialog n go on in phase p.
func (t *Tracker) reopen(n uint32, d *dialog, p phase, at int64) {
	d.phase, d.cause, d.known, d.gone = p, 0, 0, 0
	t.move(n, endedRow)
	t.lapses.set(n, at+patience)
}

// inferred reports whether d was told with an end that nobody saw.
func (d *dialog) inferred() bool { return d.known == SessionTimer || d.known == MaxDuration }

// unsettled reports whether d was told as not answered, and no final response said so.
func (d *dialog) unsettled() bool {
	return !d.answered() && d.refusedAt == 0 && d.setup != 0 && d.bye == 0
}

// lateAck takes an ACK for the proof of an answer that was not seen.
func (t *Tracker) lateAck(n uint32, d *dialog, m *sip.Message, k Keys) {
	if d.unsettled() && k.To != (Key{}) && d.knowsLeg(leg(k)) < 0 && d.hop.carries(m) {
		t.reopen(n, d, trying, m.Time.UnixNano())
		t.proven(n, d, m, k)
	}
}

// lateBye makes d go on if a BYE may end it otherwise than it was told. It reports whether it does.
func (t *Tracker) lateBye(n uint32, d *dialog, at int64) bool {
	switch {
	case d.answered() && d.bye == 0 && d.cause != EndDialogLost:
		t.reopen(n, d, leaving, at)
	case d.unsettled():
		t.reopen(n, d, trying, at)
	default:
		return false
	}
	return true
}

// lateResponse makes d go on if m proves another end than was told. It reports whether m is to be followed.
func (t *Tracker) lateResponse(n uint32, d *dialog, m *sip.Message, k Keys, side Party) bool {
	at := m.Time.UnixNano()
	invite := m.Method == sip.Invite && m.CSeq >= d.cseq
	switch {
	case m.Status < 200 || side == Unknown:
		return false
	case invite && (d.unsettled() || m.Status < 300 && !d.answered() && d.setup != 0 && d.bye == 0):
		t.reopen(n, d, trying, at)
	case invite && m.Status < 300 && side == Caller && m.CSeq == d.cseq && d.callee != k.To.short():
		return true // a second fork, whose first is over
	case d.inferred() && d.proposed(m, side) && (m.Status < 300 || lost(m.Status)):
		t.reopen(n, d, up, at)
		t.move(n, nowhere)
		t.beginInterims(n, at)
	case d.inferred() && m.Method == sip.Bye && d.bye == 0 && final(m):
		t.reopen(n, d, leaving, at)
	default:
		return false
	}
	return true
}
