// This file has methods of Table because a file is what one kind of message does to a call.

package calls

import (
	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// request applies the request m, which side sent, to root's call; root is 0 if no call is known. It returns false if a
// limit refused m.
func (t *Table) request(root uint32, m *sip.Message, k event.Keys, side event.Party) bool {
	if root == 0 {
		return t.noDialog(m, k)
	}
	d := t.dialogs.At(root)
	t.unhide(d, m)
	switch {
	case d.Phase == dialog.Unconfirmed:
		t.requestUnconfirmed(root, m, k, side)
	case m.Method == sip.Invite && k.To == (event.Key{}):
		return t.invite(root, m, k)
	case m.Method == sip.Cancel:
		t.cancel(root, m, k, side)
	case m.Method == sip.Ack && side == event.Caller && m.CSeq == d.CSeq:
		t.ack(root, m, k)
	case m.Method == sip.Ack && (k.To == (event.Key{}) || side == event.Caller && m.CSeq < d.CSeq) || d.ByeAlone:
		t.countMessage(root, m, k, dialog.SeenRequest)
	default:
		t.requestInside(m, k, t.inside(root, m, k, side))
	}
	return true
}

// requestInside applies a request inside the dialog of p.
func (t *Table) requestInside(m *sip.Message, k event.Keys, p place) {
	if p.kind == ofNoDialog {
		t.counts.Orphans++
		return
	}
	if p.kind == ofEarly && (m.Method == sip.Bye || m.Method == sip.Invite) &&
		t.adoptDownstreamAnswer(p.n, t.dialogs.At(p.n)) {
		p = t.inside(p.n, m, k, p.side)
	}
	if p.kind == ifAccepted {
		d := t.dialogs.At(p.n)
		if t.markDirty(p.n); t.hops.Repeated(&d.Path, m, k) {
			t.countRepeat(d, k)
		} else {
			t.keepGuess(d, m, p.side)
		}
		return
	}
	d, repeated := t.countMessage(p.n, m, k, dialog.SeenRequest)
	if repeated {
		return
	}
	switch {
	case m.Method == sip.Bye:
		t.bye(p, d, m)
	case m.Method == sip.Invite || m.Method == sip.Update:
		d.Propose(m, p.side)
	case m.Method == sip.Refer && p.kind == ofAnswered:
		t.referRequest(d, m)
	}
}

// countMessage counts m as a message of dialog n, a request or a response by kind (dialog.SeenRequest, SeenResponse).
// It reports whether m repeats a message that was seen before.
func (t *Table) countMessage(n uint32, m *sip.Message, k event.Keys, kind uint8) (d *dialog.Dialog, repeated bool) {
	d = t.dialogs.At(n)
	d.Revision, d.Reserved = d.Revision+uint32(d.Reserved), 0
	t.markDirty(n)
	if repeated = t.hops.Repeated(&t.dialogs.At(d.Root).Path, m, k); repeated {
		t.countRepeat(d, k)
	}
	if m.Flags&sip.Truncated != 0 {
		d.Faults |= truncation(m)
	}
	d.Seen |= kind
	if t.classes.Of(n) == oneSidedClass && d.Phase == dialog.Confirmed && d.Seen == dialog.SeenRequest|dialog.SeenResponse {
		t.move(n, noClass)
	}
	if d.Phase == dialog.Confirmed && d.Expires == 0 {
		t.timers.Set(n, t.Now+int64(t.limits.Talk))
	}
	return d, repeated
}

// countRepeat counts a repeated message, whose keys are k: for the call of d, and for its fork.
func (t *Table) countRepeat(d *dialog.Dialog, k event.Keys) {
	t.counts.Retransmissions++
	d.Repeats++
	root := t.dialogs.At(d.Root)
	if root != d {
		root.Repeats++
		return
	}
	t.hops.CountRepeat(&root.Path, k)
}

// truncation returns why m is truncated: a gap in its stream, or a datagram that was captured in part.
func truncation(m *sip.Message) event.Missing {
	switch m.Flow.Transport {
	case capture.TCP, capture.TLS, capture.WebSocket, capture.SecureWebSocket:
		return event.StreamGap
	}
	return event.CutShort
}

// noDialog applies a request of no known call.
func (t *Table) noDialog(m *sip.Message, k event.Keys) bool {
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

// ack applies an ACK with the CSeq of the INVITE that opened the call. It may prove a final response that was not seen.
func (t *Table) ack(root uint32, m *sip.Message, k event.Keys) {
	d := t.dialogs.At(root)
	t.revokeUpdate(root, d)
	known := t.hops.TookPart(&d.Path, m)
	h, near := t.hops.Passed(&d.Path, m), t.callersHop(d)
	own := d.BranchIndex(k.ShortBranch()) >= 0 || h != nil && h.HasLeg(k.ShortBranch())
	switch {
	case !own && k.To == (event.Key{}):
		t.countMessage(root, m, k, dialog.SeenRequest)
	case !own && d.Answered():
		t.ackOfAnswer(root, m, k)
	case own || d.Phase == dialog.Rejected || d.Phase == dialog.AwaitingRetry:
		switch d, repeated := t.countMessage(root, m, k, dialog.SeenRequest); {
		case repeated:
		case near.Hop.Carries(m):
			t.ackOfRefusal(root, d, m)
		case h != nil && h.Final.Code >= 300:
			h.Final.Acked = m.Time.UnixNano()
		}
	case h != nil && h.Forks > 0:
		if _, shown := t.hops.KnownFork(h, k.To); !shown {
			known = false
		}
		fallthrough
	default:
		d, repeated := t.countMessage(root, m, k, dialog.SeenRequest)
		if !known {
			t.counts.Orphans++
			return
		}
		if !repeated && (d.Phase != dialog.Terminated || d.Undecided()) {
			t.answeredByACK(root, d, m, k)
		}
	}
}

// ackOfRefusal applies the ACK of a final response of 300 or more on the caller's hop.
func (t *Table) ackOfRefusal(root uint32, d *dialog.Dialog, m *sip.Message) {
	if d.Phase == dialog.Terminated && d.Undecided() {
		t.reopen(root, d, dialog.Calling)
	}
	at := m.Time.UnixNano()
	switch {
	case d.Phase == dialog.Terminated || d.Answered():
	case d.Phase == dialog.Rejected || d.Phase == dialog.AwaitingRetry:
		if d.Acked == 0 {
			d.Acked = at
			if d.Phase == dialog.Rejected && d.Settled() {
				t.timers.Set(root, t.Now+dialog.ForkRetryWait)
			}
		}
	case d.RefusedAt != 0:
		d.Acked = at
	default:
		d.RefusedByAck, d.Acked, d.Phase = true, at, dialog.AwaitingRetry
	}
}

// ackOfAnswer applies the ACK of a 2xx to the INVITE of root's call.
func (t *Table) ackOfAnswer(root uint32, m *sip.Message, k event.Keys) {
	p := t.inside(root, m, k, event.Caller)
	d := t.dialogs.At(root)
	if near := t.hops.At(d.Path.First); p.kind == ifAccepted && d.Downstream && near.Hop.Carries(m) {
		d.Callee = k.To.Short() // the caller's hop shows another tag of the same dialog
		t.markAnswered(d, m, k)
		p.kind = ofAnswered
	}
	if p.kind != ofAnswered {
		t.counts.Orphans++
		return
	}
	at := m.Time.UnixNano()
	if d, repeated := t.countMessage(p.n, m, k, dialog.SeenRequest); !repeated && (d.Acked == 0 || at < d.Acked) {
		d.Acked = at
		t.amend(d)
	}
}

// answeredByACK answers the call by m, an ACK outside the INVITE's transaction, which proves a 2xx that was not seen
// (RFC 3261 section 13.2.2.4).
func (t *Table) answeredByACK(n uint32, d *dialog.Dialog, m *sip.Message, k event.Keys) {
	at := m.Time.UnixNano()
	if d.Phase == dialog.Terminated {
		t.reopen(n, d, dialog.Calling)
	}
	if t.adoptDownstreamAnswer(n, d) {
		if d.Acked = at; t.callersHop(d).Hop.Carries(m) {
			d.Callee = k.To.Short()
			t.markAnswered(d, m, k)
		}
		return
	}
	t.markAnswered(d, m, k)
	d.DropEarlyChanges()
	d.ByAck = true
	d.Flags |= event.AnswerByAck
	d.Answer, d.Acked, d.Refreshed, d.Callee = at, at, at, k.To.Short()
	d.Phase, d.Accepted = dialog.Confirmed, true
	t.texts.replace(d, facts.CalleeTag, m.ToTag())
	t.timers.Set(n, t.Now+int64(t.limits.Talk))
	t.recheckByes(n, d)
	t.answeredNow(n, d, at)
}

// cancel applies a CANCEL. It cancels the call if it passed the caller's hop; a proxy's own CANCEL of a fork did not.
func (t *Table) cancel(n uint32, m *sip.Message, k event.Keys, side event.Party) {
	d, repeated := t.countMessage(n, m, k, dialog.SeenRequest)
	t.hops.Passed(&d.Path, m)
	if !repeated && side == event.Caller && m.CSeq == d.CSeq && t.callersHop(d).Hop.Carries(m) {
		t.revokeUpdate(n, d)
	}
	at := m.Time.UnixNano()
	switch {
	case repeated || side != event.Caller || m.CSeq != d.CSeq || !t.callersHop(d).Hop.Carries(m):
	case d.Answered():
		if d.Cancelled == 0 {
			d.Cancelled, d.CancelBranch = at, k.ShortBranch()
			if d.FlagCancelRace(); d.Flags&event.CancelRace != 0 {
				t.amend(d)
			}
		}
	case d.Cancelled != 0 || d.Phase == dialog.Terminated && !d.Undecided():
		d.Cancelled = min(d.Cancelled, at)
	default:
		if d.Phase == dialog.Terminated {
			t.reopen(n, d, dialog.Calling)
		}
		d.Cancelled, d.CancelBranch = at, k.ShortBranch()
		d.CancelCause = facts.Cause(m)
	}
}
