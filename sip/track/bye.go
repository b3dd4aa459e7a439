package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// bye takes note of a BYE. A BYE after the answer is the end until something later is accepted; before the answer it
// is the end of one fork, once it is accepted.
func (t *callTable) bye(p place, d *dialog, m *sip.Message) {
	at := m.Time.UnixNano()
	if p.is == earlyOne {
		t.earlyBye(p, d, m)
		return
	}
	b := &d.byes[p.side-event.Caller]
	switch {
	case b.at != 0 && b.cseq == m.CSeq && b.unseen:
		b.at, b.cause, b.unseen = at, facts.Cause(m), false
	case b.at != 0 && b.cseq == m.CSeq:
		b.at = min(b.at, at) // on another hop
	case b.at != 0 && challenges(int(b.status)) && m.CSeq > b.cseq && !b.unseen:
		b.cseq, b.status = m.CSeq, 0
	default:
		*b = bye{at: at, cseq: m.CSeq, cause: facts.Cause(m)}
	}
	e := ending{at: b.at, cseq: m.CSeq, cause: b.cause, side: p.side}
	e.answered = b.status >= 200 && !challenges(int(b.status))
	switch {
	case b.status/100 != 2:
		t.hangUp(p.n, d, e)
	case d.ended.side == e.side && d.ended.cseq == e.cseq && e.at >= d.answer && d.ended != e:
		d.ended = e
		t.amend(d)
	default:
		t.byeAccepted(p.n, d, e)
	}
}

// hangUp takes note that e may be the end of d, which answered.
func (t *callTable) hangUp(n uint32, d *dialog, e ending) {
	switch {
	case e.at < d.answer:
		return
	case d.ended.at != 0:
		return
	case d.unended.at == 0 || e.at < d.unended.at:
		d.unended = e
	case d.unended.side == e.side && d.unended.at == e.at:
		d.unended.cseq = e.cseq // with credentials
	}
	if d.phase == terminated {
		if !d.inferred {
			return
		}
		t.reopen(n, d, terminating)
	}
	d.phase = terminating
	t.move(n, endedRow)
	t.lapses.Set(n, t.Now+event.Timer64T1)
}

// earlyBye remembers a BYE to a fork that has not answered.
func (t *callTable) earlyBye(p place, d *dialog, m *sip.Message) {
	e := t.earlyEnding(p, d)
	at := m.Time.UnixNano()
	switch {
	case e == nil || e.answered && !e.unseen:
	case e.unseen && e.side == p.side && e.cseq == m.CSeq:
		e.at, e.cause, e.unseen = at, facts.Cause(m), false
		t.amend(d)
	case e.answered:
	case e.at != 0 && e.side == p.side && e.cseq == m.CSeq:
		e.at = min(e.at, at)
	case e.at != 0 && e.side == p.side && e.challenged:
		e.cseq, e.challenged = m.CSeq, false
	case e.at == 0 || e.refused:
		*e = ending{at: at, cseq: m.CSeq, cause: facts.Cause(m), side: p.side}
	}
}

// earlyEnding returns where the BYE to p's fork is remembered, nil if that fork is not known.
func (t *callTable) earlyEnding(p place, d *dialog) *ending {
	h := t.hops.At(d.path.first)
	if f := t.hops.fork(h, p.fork); f != nil {
		return &t.hops.early.Ensure(&f.ends)[p.side-event.Caller]
	}
	if h.forks == 0 || h.first.past && h.forks == 1 {
		return &t.hops.early.Ensure(&h.tagless)[p.side-event.Caller]
	}
	return nil
}

// byeResponse takes note of a response to BYE, whose BYE may not have been seen.
func (t *callTable) byeResponse(p place, d *dialog, m *sip.Message) {
	if m.Status < 200 {
		return
	}
	if p.is == earlyOne {
		t.earlyByeResponse(p, d, m)
		return
	}
	b := &d.byes[p.side-event.Caller]
	seen := b.at != 0 && (b.cseq == m.CSeq || challenges(int(b.status)) && m.CSeq > b.cseq) && !b.unseen
	if seen {
		b.cseq, b.status = m.CSeq, uint16(m.Status)
	} else if b.at == 0 || b.status != 0 {
		*b = bye{at: m.Time.UnixNano(), cseq: m.CSeq, status: uint16(m.Status), unseen: true}
	}
	switch {
	case m.Status >= 300 && d.phase == terminating && d.ended.at != 0: // the BYE that was waited for
		t.close(p.n, t.Now)
	case challenges(m.Status):
	case m.Status < 300:
		e := ending{at: b.at, cseq: m.CSeq, cause: b.cause, side: p.side, answered: true}
		if !seen {
			e.at, e.cause, e.unseen = m.Time.UnixNano(), 0, true
		}
		t.byeAccepted(p.n, d, e)
	case d.unended.at == b.at && d.unended.side == p.side:
		d.unended.answered = true
	}
}

// byeAccepted takes note that the BYE e was accepted: the earliest is the end. A BYE of the other side that is earlier
// and has no final response yet is waited for.
func (t *callTable) byeAccepted(n uint32, d *dialog, e ending) {
	first := d.unended.at == e.at && d.unended.side == e.side                // of two at one time
	again := d.ended.at == e.at && d.ended.side == e.side && !d.ended.unseen // its 2xx on another hop
	if again || e.at < d.answer || d.ended.at != 0 && (d.ended.at < e.at || d.ended.at == e.at && !d.ended.unseen && !first) {
		return
	}
	d.ended = e
	other := &d.byes[event.Callee-e.side]
	switch {
	case d.phase == terminated:
		t.reopen(n, d, terminating)
		t.close(n, t.Now)
	case other.at != 0 && other.at >= d.answer && other.at < e.at && other.status == 0 && !other.unseen &&
		t.Now-other.at < event.Timer64T1:
		d.phase = terminating
		t.move(n, endedRow)
		t.lapses.Set(n, t.Now+event.Timer64T1)
	default:
		t.close(n, t.Now)
	}
}

// earlyByeResponse takes note of a response to the BYE of a fork that has not answered.
func (t *callTable) earlyByeResponse(p place, d *dialog, m *sip.Message) {
	e := t.earlyEnding(p, d)
	if e == nil || e.answered || d.answered() {
		return
	}
	seen := e.at != 0 && e.side == p.side && (e.cseq == m.CSeq || e.challenged && m.CSeq > e.cseq)
	switch {
	case challenges(m.Status):
		e.challenged = seen
		return
	case m.Status >= 300:
		e.refused = e.refused || seen
		return
	case !seen:
		*e = ending{at: m.Time.UnixNano(), cseq: m.CSeq, side: p.side, unseen: true}
	}
	if d.refusedAt != 0 && e.at > d.refusedAt && d.settled() {
		return
	}
	e.answered = true
	switch {
	case t.hops.earlyEnd(&d.path) == nil:
	case d.phase == terminated && d.undecided():
		t.reopen(p.n, d, calling)
	case d.phase == calling:
		t.lapses.Set(p.n, t.Now+int64(t.limits.Ring))
	}
}

// reviewEnds looks at the BYEs that were seen again, now that d's answer is known or has another time.
func (t *callTable) reviewEnds(n uint32, d *dialog) {
	root := t.dialogs.At(d.root)
	h := t.hops.At(root.path.first)
	early := h.tagless
	for i := range min(int(h.forks), maxForks) {
		if f := t.hops.fork(h, i); f.tag == shortTag(d.callee) {
			early = f.ends
		}
	}
	if d.ended.at != 0 && d.ended.at < d.answer {
		d.ended = ending{}
	}
	if d.unended.at < d.answer {
		d.unended = ending{}
	}
	var byes endings
	if e := t.hops.earlyByes(early); e != nil {
		byes = *e
	}
	for _, e := range byes {
		switch {
		case e.at == 0 || e.at < d.answer:
			continue
		case e.answered && (d.ended.at == 0 || e.at < d.ended.at):
			d.ended = e
		case !e.answered && (d.unended.at == 0 || e.at < d.unended.at):
			d.unended = e
		}
		d.byes[e.side-event.Caller] = bye{at: e.at, cseq: e.cseq, cause: e.cause}
	}
	d.phase = confirmed
	if d.ended.at != 0 || d.unended.at != 0 {
		d.phase = terminating
		t.lapses.Set(n, t.Now+event.Timer64T1)
	}
}

// guessFor returns where a request like m, or like what m answers, of side's is remembered; nil if nothing is.
func (t *callTable) guessFor(d *dialog, m *sip.Message, side event.Party) *guess {
	if d.guesses == 0 {
		return nil
	}
	g := &t.guesses.At(d.guesses)[side-event.Caller]
	if m.Method == sip.Bye {
		return &g[0]
	}
	return &g[1]
}

// remember keeps a request of d's call whose dialog its 2xx must tell.
func (t *callTable) remember(d *dialog, m *sip.Message, side event.Party) {
	if m.Method != sip.Bye && m.Method != sip.Invite && m.Method != sip.Update {
		return
	}
	at := m.Time.UnixNano()
	byes := t.hops.earlyByes(t.hops.At(d.path.first).tagless)
	if e := byes.of(side); e != nil && m.Method == sip.Bye && e.unseen && e.cseq == m.CSeq {
		e.at, e.cause, e.unseen = at, facts.Cause(m), false // its 2xx was read first
		t.amend(d)
		return
	}
	if d.guesses == 0 {
		d.guesses = t.guesses.New()
	}
	g := t.guessFor(d, m, side)
	if g.of(m) { // on another hop
		g.at = min(g.at, at)
		return
	}
	*g = guess{at: at, cseq: m.CSeq, method: m.Method, cause: facts.Cause(m), hold: offer(m)}
}

// guessedResponse takes note of a response to a request inside a dialog of p's call whose tags do not say which.
func (t *callTable) guessedResponse(p place, m *sip.Message) {
	root := p.n
	r := t.dialogs.At(root)
	g := t.guessFor(r, m, p.side)
	seen := g.of(m)
	ends := m.Method == sip.Bye || m.Method == sip.Invite || m.Method == sip.Update
	if m.Status < 200 || challenges(m.Status) || !ends {
		return
	}
	var asked guess
	if seen {
		asked, *g = *g, guess{}
	}
	if m.Status >= 300 {
		if m.Method != sip.Bye {
			r.pending[p.side-event.Caller] = change{cseq: m.CSeq, method: m.Method}
		}
		t.counts.Orphans++
		return
	}
	p.is, p.n = dialogue, t.onlyAnswered(root)
	if p.n == 0 {
		if r.answered() || !t.hops.tagless(&t.dialogs.At(root).path) {
			t.counts.Orphans++
			return
		}
		p.is, p.n = earlyOne, root
	}
	if r.heard |= heardResponse; seen {
		r.heard |= heardRequest
	}
	d := t.dialogs.At(p.n)
	if seen {
		t.bring(p, d, asked)
	}
	if m.Method == sip.Bye {
		t.byeResponse(p, d, m)
	} else {
		t.changed(p, d, m)
	}
}

// bring takes note of the request that g is, now that its dialog is known.
func (t *callTable) bring(p place, d *dialog, g guess) {
	switch {
	case g.method != sip.Bye:
		d.pending[p.side-event.Caller] = change{at: g.at, cseq: g.cseq, hold: g.hold, method: g.method, open: true}
	case p.is == dialogue:
		b := &d.byes[p.side-event.Caller]
		if b.at == 0 || b.cseq != g.cseq || g.at < b.at {
			*b = bye{at: g.at, cseq: g.cseq, cause: g.cause}
		}
	default:
		if e := t.earlyEnding(p, d); e != nil && !e.answered {
			*e = ending{at: g.at, cseq: g.cseq, cause: g.cause, side: p.side}
		}
	}
}
