package track

import (
	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// request takes note of a request of side's, of root's call; root is 0 without a known call. It reports false if a limit kept m out.
func (t *callTable) request(root uint32, m *sip.Message, k event.Keys, side event.Party) bool {
	if root == 0 {
		return t.noDialog(m, k)
	}
	d := t.dialogs.At(root)
	t.unveil(d, m)
	switch {
	case d.phase == unconfirmed:
		t.requestUnconfirmed(root, m, k, side)
	case m.Method == sip.Invite && k.To == (event.Key{}):
		return t.invite(root, m, k)
	case m.Method == sip.Cancel:
		t.cancel(root, m, k, side)
	case m.Method == sip.Ack && side == event.Caller && m.CSeq == d.cseq:
		t.ack(root, m, k)
	case m.Method == sip.Ack && (k.To == (event.Key{}) || side == event.Caller && m.CSeq < d.cseq) || d.alone:
		t.note(root, m, k, heardRequest)
	default:
		t.requestInside(m, k, t.inside(root, m, k, side))
	}
	return true
}

// requestInside takes note of a request inside a dialog, which p says.
func (t *callTable) requestInside(m *sip.Message, k event.Keys, p place) {
	if p.is == foreign {
		t.counts.Orphans++
		return
	}
	if p.is == earlyOne && (m.Method == sip.Bye || m.Method == sip.Invite) &&
		t.adoptDownstreamAnswer(p.n, t.dialogs.At(p.n)) {
		p = t.inside(p.n, m, k, p.side)
	}
	if p.is == guessed {
		d := t.dialogs.At(p.n)
		if t.markDirty(p.n); t.hops.repeated(&d.path, m, k) {
			t.countRepeat(d, k)
		} else {
			t.remember(d, m, p.side)
		}
		return
	}
	d, again := t.note(p.n, m, k, heardRequest)
	if again {
		return
	}
	switch {
	case m.Method == sip.Bye:
		t.bye(p, d, m)
	case m.Method == sip.Invite || m.Method == sip.Update:
		d.propose(m, p.side)
	case m.Method == sip.Refer && p.is == dialogue:
		t.refer(d, m)
	}
}

// note counts m as one of dialog n's messages, and reports whether it was seen before.
func (t *callTable) note(n uint32, m *sip.Message, k event.Keys, heard uint8) (d *dialog, again bool) {
	d = t.dialogs.At(n)
	d.revision, d.owed = d.revision+uint32(d.owed), 0
	t.markDirty(n)
	if again = t.hops.repeated(&t.dialogs.At(d.root).path, m, k); again {
		t.countRepeat(d, k)
	}
	if m.Flags&sip.Truncated != 0 {
		d.faults |= cutOf(m)
	}
	d.heard |= heard
	if t.rows.Of(n) == claimRow && d.phase == confirmed && d.heard == heardRequest|heardResponse {
		t.move(n, nowhere)
	}
	if d.phase == confirmed && d.expires == 0 {
		t.lapses.Set(n, t.Now+int64(t.limits.Talk))
	}
	return d, again
}

// countRepeat counts a message of d, which has k, as sent again: for its call, and for its own fork.
func (t *callTable) countRepeat(d *dialog, k event.Keys) {
	t.counts.Retransmissions++
	d.repeats++
	root := t.dialogs.At(d.root)
	if root != d {
		root.repeats++
		return
	}
	t.hops.countRepeat(&root.path, k)
}

// cutOf says what became of the rest of a truncated m.
func cutOf(m *sip.Message) event.Missing {
	switch m.Flow.Transport {
	case capture.TCP, capture.TLS, capture.WebSocket, capture.SecureWebSocket:
		return event.StreamGap
	}
	return event.CutShort
}

// noDialog takes note of a request that no known call has.
func (t *callTable) noDialog(m *sip.Message, k event.Keys) bool {
	inside := k.From != (event.Key{}) && k.To != (event.Key{})
	switch {
	case m.Method == sip.Invite && k.To == (event.Key{}):
		return t.openInvite(m, k)
	case inside && t.index[k.Call.AnyTag()] != 0:
		p, known := t.byCallee(m, k)
		if known {
			t.requestInside(m, k, p)
			return true
		}
	}
	if inside && (m.Method == sip.Invite || m.Method == sip.Bye) {
		return t.openUnconfirmed(m, k)
	}
	if m.Method == sip.Invite || m.Method == sip.Bye || m.Method == sip.Cancel || m.Method == sip.Ack {
		t.counts.Orphans++
	}
	return true
}

// ack takes note of an ACK in the transaction of the INVITE that opened the call, which may be the proof of a final
// response that was not seen.
func (t *callTable) ack(root uint32, m *sip.Message, k event.Keys) {
	d := t.dialogs.At(root)
	t.revokeUpdate(root, d)
	known := t.hops.tookPart(&d.path, m)
	h, near := t.hops.passed(&d.path, m), t.callersHop(d)
	own := d.knowsLeg(k.ShortBranch()) >= 0 || h != nil && h.hasLeg(k.ShortBranch())
	switch {
	case !own && k.To == (event.Key{}):
		t.note(root, m, k, heardRequest)
	case !own && d.answered():
		t.ackOfAnswer(root, m, k)
	case own || d.phase == rejected || d.phase == awaitingRetry:
		if d, again := t.note(root, m, k, heardRequest); !again && near.hop.carries(m) {
			t.ackOfRefusal(root, d, m)
		}
	case h != nil && h.forks > 0:
		if _, shown := t.hops.knownFork(h, k.To); !shown {
			known = false
		}
		fallthrough
	default:
		d, again := t.note(root, m, k, heardRequest)
		if !known {
			t.counts.Orphans++
			return
		}
		if !again && (d.phase != terminated || d.undecided()) {
			t.answeredByACK(root, d, m, k)
		}
	}
}

// ackOfRefusal takes note of the ACK of a final response of 300 or more on the caller's hop.
func (t *callTable) ackOfRefusal(root uint32, d *dialog, m *sip.Message) {
	if d.phase == terminated && d.undecided() {
		t.reopen(root, d, calling)
	}
	at := m.Time.UnixNano()
	switch {
	case d.phase == terminated || d.answered():
	case d.phase == rejected || d.phase == awaitingRetry:
		if d.acked == 0 {
			d.acked = at
			if d.phase == rejected && d.settled() {
				t.lapses.Set(root, t.Now+forkRetryWait)
			}
		}
	case d.refusedAt != 0:
		d.acked = at
	default:
		d.refusedByAck, d.acked, d.phase = true, at, awaitingRetry
	}
}

// ackOfAnswer takes note of the ACK of a 2xx to the INVITE of root's call.
func (t *callTable) ackOfAnswer(root uint32, m *sip.Message, k event.Keys) {
	p := t.inside(root, m, k, event.Caller)
	d := t.dialogs.At(root)
	if near := t.hops.At(d.path.first); p.is == guessed && d.downstream && near.hop.carries(m) {
		d.callee = k.To.Short() // the caller's hop shows another tag of the same dialog
		t.answerOn(d, m, k)
		p.is = dialogue
	}
	if p.is != dialogue {
		t.counts.Orphans++
		return
	}
	at := m.Time.UnixNano()
	if d, again := t.note(p.n, m, k, heardRequest); !again && (d.acked == 0 || at < d.acked) {
		d.acked = at
		t.amend(d)
	}
}

// answeredByACK takes the call for answered by an ACK of its own transaction (RFC 3261 section 13.2.2.4).
func (t *callTable) answeredByACK(n uint32, d *dialog, m *sip.Message, k event.Keys) {
	at := m.Time.UnixNano()
	if d.phase == terminated {
		t.reopen(n, d, calling)
	}
	if t.adoptDownstreamAnswer(n, d) {
		if d.acked = at; t.callersHop(d).hop.carries(m) {
			d.callee = k.To.Short()
			t.answerOn(d, m, k)
		}
		return
	}
	t.answerOn(d, m, k)
	d.dropEarlyChanges()
	d.byAck = true
	d.flags |= event.AnswerByAck
	d.answer, d.acked, d.refreshed, d.callee = at, at, at, k.To.Short()
	d.phase, d.accepted = confirmed, true
	t.gatherTag(d, facts.CalleeTag, m.ToTag())
	t.lapses.Set(n, t.Now+int64(t.limits.Talk))
	t.reviewEnds(n, d)
	t.answeredNow(n, d, at)
}

// cancel takes note of a CANCEL. It is the caller's if it passed the caller's hop.
func (t *callTable) cancel(n uint32, m *sip.Message, k event.Keys, side event.Party) {
	d, again := t.note(n, m, k, heardRequest)
	t.hops.passed(&d.path, m)
	if !again && side == event.Caller && m.CSeq == d.cseq && t.callersHop(d).hop.carries(m) {
		t.revokeUpdate(n, d)
	}
	at := m.Time.UnixNano()
	switch {
	case again || side != event.Caller || m.CSeq != d.cseq || !t.callersHop(d).hop.carries(m):
	case d.answered():
		if d.cancelled == 0 {
			d.cancelled, d.cancelLeg = at, k.ShortBranch()
			if d.races(); d.flags&event.CancelRace != 0 {
				t.amend(d)
			}
		}
	case d.cancelled != 0 || d.phase == terminated && !d.undecided():
		d.cancelled = min(d.cancelled, at)
	default:
		if d.phase == terminated {
			t.reopen(n, d, calling)
		}
		d.cancelled, d.cancelLeg = at, k.ShortBranch()
		d.cancelCause = facts.Cause(m)
	}
}
