package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// changed takes note of a response to a re-INVITE or an UPDATE, whose request may not have been seen.
func (t *callTable) changed(p place, d *dialog, m *sip.Message) {
	if m.Status < 200 || challenges(m.Status) {
		return
	}
	c := &d.pending[p.side-event.Caller]
	if c.cseq != m.CSeq || c.method != m.Method { // its request was not seen: the answer says what was agreed
		*c = change{at: m.Time.UnixNano(), cseq: m.CSeq, method: m.Method, open: true, unseen: true,
			hold: offer(m)}
	} else if !c.open {
		return // on another hop
	}
	c.open, c.accepted = false, m.Status < 300
	switch {
	case m.Status < 300:
		t.refreshed(p, d, m, c)
	case p.is == dialogue && lost(m.Status):
		t.dialogLost(p.n, d, m.Time.UnixNano())
	}
}

// refreshed takes note of the 2xx m to c: the dialog is alive.
func (t *callTable) refreshed(p place, d *dialog, m *sip.Message, c *change) {
	at := m.Time.UnixNano()
	if p.is == earlyOne {
		if d.answered() || d.phase == terminated && !d.undecided() {
			return
		}
		if f := t.hops.fork(t.hops.At(d.path.first), p.fork); f != nil {
			d.callee = uint64(f.tag)
		} else {
			d.callee = p.tag.Short()
		}
		if d.updated = max(d.updated, at); c.method == sip.Invite || d.phase == terminated && d.provenByUpdate() {
			t.answeredUnseen(p, d)
		}
	}
	d.reinvites++
	if c.hold == holdUnknown && c.method == sip.Invite {
		c.hold = offer(m)
	}
	d.hold(at, p.side, c.hold)
	if c.hold == holdOff && offer(m) != holdUnknown { // what the other side answers (RFC 3264 section 6.1)
		d.hold(at, event.Callee+event.Caller-p.side, offer(m))
	}
	if !d.answered() {
		return
	}
	if c.at > d.ended.at {
		d.ended = ending{}
	}
	if c.at > d.unended.at {
		d.unended = ending{}
	}
	if c.at > d.lost {
		d.lost = 0
	}
	t.goOn(p.n, d, m)
}

// goOn makes d, which was refreshed by m, be up if it has no end.
func (t *callTable) goOn(n uint32, d *dialog, m *sip.Message) {
	if d.ended.at != 0 || d.unended.at != 0 || d.lost != 0 {
		d.refreshed, d.expires = m.Time.UnixNano(), facts.SessionExpires(m)
		return
	}
	if d.phase == terminated {
		t.reopen(n, d, confirmed)
		t.beginInterims(n, t.Now)
	}
	d.phase = confirmed
	if t.rows.Of(n) != claimRow {
		t.move(n, nowhere)
	}
	t.refresh(n, d, m)
}

// dialogLost takes note that a re-INVITE or an UPDATE found no dialog: a BYE within 32 s is the end all the same.
func (t *callTable) dialogLost(n uint32, d *dialog, at int64) {
	if d.lost == 0 || at < d.lost {
		d.lost = at
	}
	switch {
	case d.ended.at != 0 || d.unended.at != 0:
		return
	case d.phase == terminated && d.inferred:
		t.reopen(n, d, terminating)
	case d.phase == terminated:
		return
	}
	d.phase = terminating
	t.move(n, endedRow)
	t.lapses.Set(n, t.Now+event.Timer64T1)
}

// revokeUpdate takes n's call for not answered again, if an accepted UPDATE was all that proved it: it was one in the
// early dialog.
func (t *callTable) revokeUpdate(n uint32, d *dialog) {
	if !d.byUpdate {
		return
	}
	d.dropEarlyChanges()
	h := t.hops.At(d.path.first)
	p := place{n: n, tag: event.TagKey(d.callee)}
	p.fork, _ = t.hops.knownFork(h, p.tag)
	if f := t.hops.fork(h, p.fork); f != nil {
		f.answer, f.answered = 0, 0
	}
	for _, e := range [...]ending{d.unended, d.ended} {
		if p.side = e.side; e.at == 0 {
			continue
		}
		if early := t.earlyEnding(p, d); early != nil {
			*early = e
			early.answered = e.at == d.ended.at
		}
	}
	d.accepted, d.byUpdate, d.callee = false, false, 0
	d.ended, d.unended, d.lost = ending{}, ending{}, 0
	if d.phase != terminated {
		d.phase = calling
		t.lapses.Set(n, t.Now+int64(t.limits.Ring))
	}
}

// answeredUnseen takes the call for answered by a 2xx inside its dialog, though neither the answer nor its ACK was
// seen.
func (t *callTable) answeredUnseen(p place, d *dialog) {
	if d.phase == terminated {
		t.reopen(p.n, d, confirmed)
	}
	h := t.hops.At(d.path.first)
	if t.hops.fork(h, p.fork) == nil && p.tag != (event.Key{}) {
		p.fork = t.hops.proveFork(h, p.tag)
	}
	t.hops.answeredFork(h, p.fork, t.Now)
	d.accepted, d.code, d.phase = true, 0, confirmed
	d.byUpdate = d.pending[0].method == sip.Update || d.pending[1].method == sip.Update
	for _, c := range d.pending {
		d.byUpdate = d.byUpdate && !(c.accepted && c.method == sip.Invite)
	}
	if d.refreshed = d.updated; d.refreshed == 0 {
		d.refreshed = t.Now
	}
	t.lapses.Set(p.n, t.Now+int64(t.limits.Talk))
	t.reviewEnds(p.n, d)
	t.answeredNow(p.n, d, t.Now)
}

// refresh sets the session timer by a 2xx to INVITE or UPDATE (RFC 4028 section 7.2).
func (t *callTable) refresh(n uint32, d *dialog, m *sip.Message) {
	d.refreshed = m.Time.UnixNano()
	d.expires = facts.SessionExpires(m)
	if d.expires == 0 {
		t.lapses.Set(n, t.Now+int64(t.limits.Talk))
		return
	}
	t.lapses.Set(n, t.Now+int64(d.expires)*1e9+event.Timer64T1)
}
