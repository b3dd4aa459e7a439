package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
)

// openInvite opens a call with its first INVITE.
func (t *callTable) openInvite(m *sip.Message, k event.Keys) bool {
	h := hopOf(m, 0)
	if why, ok := t.sources.admit(&h, t.Now, &t.limits); !ok {
		return t.keepOut(why)
	}
	n := t.open(m, k)
	if n == 0 {
		return false
	}
	d := t.dialogs.At(n)
	d.setup, d.cseq = d.first, m.CSeq
	t.begin(d, m, k)
	t.invitedOn(n, d, m, k)
	d.addLeg(k.ShortBranch())
	t.count(d)
	t.gatherInvite(d, m)
	t.move(n, openRow)
	t.lapses.Set(n, t.Now+int64(t.limits.Ring))
	t.showInvite(d, m)
	t.tell(d, event.Start, d.first)
	return true
}

// begin takes note of the first message of d.
func (t *callTable) begin(d *dialog, m *sip.Message, k event.Keys) {
	t.hops.repeated(&d.path, m, k)
	t.hops.passed(&d.path, m)
	if d.heard = heardResponse; m.Request() {
		d.heard = heardRequest
	}
	if m.Flags&sip.Truncated != 0 {
		d.faults |= cutOf(m)
	}
}

// count counts d as a call.
func (t *callTable) count(d *dialog) {
	d.counted = true
	t.counts.Opened++
	t.counts.Live++
}

// invite takes note of an INVITE without a To tag, of a known call.
func (t *callTable) invite(n uint32, m *sip.Message, k event.Keys) bool {
	d, again := t.note(n, m, k, heardRequest)
	at := m.Time.UnixNano()
	if again {
		if h := t.callersHop(d); at < d.setup && m.CSeq == d.cseq && h.hop.joins(m) {
			d.setup, h.invited = at, at
		}
		return true
	}
	switch {
	case d.phase == terminated && d.reused(m, k, int64(t.limits.Ring)):
		return t.reuseCallID(n, m, k)
	case d.answered() || m.CSeq < d.cseq:
		if m.CSeq == d.cseq {
			t.invitedOn(n, d, m, k)
		}
	case m.CSeq == d.cseq:
		t.invitedOn(n, d, m, k)
		t.retargetedInvite(n, d, m, k)
	case t.isRejected(d) && !d.followed(at):
		t.close(n, t.Now)
		return t.reuseCallID(n, m, k)
	default:
		t.nextAttempt(n, d, m, k)
	}
	return true
}

// isRejected reports whether d was refused for good, by the caller's hop or, if that shows nothing, by another.
func (t *callTable) isRejected(d *dialog) bool {
	if d.phase != calling && d.phase != awaitingRetry {
		return d.phase == rejected
	}
	t.adoptDownstreamRefusal(d)
	return d.code >= 400 && d.refusedAt != 0 && !challenges(int(d.code))
}

// nextAttempt takes m for the next INVITE of the same call.
func (t *callTable) nextAttempt(n uint32, d *dialog, m *sip.Message, k event.Keys) {
	if d.phase == terminated {
		t.reopen(n, d, calling)
	}
	t.beginAttempt(d, m.CSeq)
	if t.callersHop(d).hop.carries(m) {
		d.addLeg(k.ShortBranch())
	}
	t.invitedOn(n, d, m, k)
	t.move(n, openRow)
	t.lapses.Set(n, t.Now+int64(t.limits.Ring))
	t.gatherCredentials(d, m)
}

// beginAttempt makes d await the answer to an INVITE with a higher CSeq; what its hops have shown of the one before
// is past.
func (t *callTable) beginAttempt(d *dialog, cseq uint32) {
	t.adoptDownstreamRefusal(d)
	if d.refusedAt != 0 && d.code/100 == 3 {
		d.redirects++
	}
	d.attempt(cseq)
	t.hops.nextAttempt(&d.path)
}

// retargetedInvite takes note of an INVITE that was seen before: on a further hop, to a further target, or once more.
func (t *callTable) retargetedInvite(n uint32, d *dialog, m *sip.Message, k event.Keys) {
	h := &t.callersHop(d).hop
	l := k.ShortBranch()
	if d.knowsLeg(l) >= 0 {
		return
	}
	if m.Vias > d.vias && h.returns(m) {
		d.flags |= event.Spiral
		return
	}
	if !h.carries(m) {
		return
	}
	d.addLeg(l)
	switch d.phase {
	case terminated:
		t.reopen(n, d, calling)
	case rejected, awaitingRetry:
		d.phase = calling
	default:
		return
	}
	d.cancelled = 0
	t.move(n, openRow)
	t.lapses.Set(n, t.Now+int64(t.limits.Ring))
}
