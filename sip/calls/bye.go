// This file has methods of Table because a file is what one kind of message does to a call.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
	"sipsieve/sip/hops"
)

// bye applies a BYE. After the answer it ends the dialog, unless a later re-INVITE or UPDATE is accepted; before the
// answer it ends one fork, once it is accepted.
func (t *Table) bye(p place, d *dialog.Dialog, m *sip.Message) {
	at := m.Time.UnixNano()
	if p.kind == ofEarly {
		t.earlyBye(p, d, m)
		return
	}
	b := &d.Byes[p.side-event.Caller]
	switch {
	case b.Time != 0 && b.CSeq == m.CSeq && b.Unseen:
		b.Time, b.Cause, b.Unseen = at, facts.Cause(m), false
	case b.Time != 0 && b.CSeq == m.CSeq:
		b.Time = min(b.Time, at) // on another hop
	case b.Time != 0 && dialog.Challenges(int(b.Status)) && m.CSeq > b.CSeq && !b.Unseen:
		b.CSeq, b.Status = m.CSeq, 0
	default:
		*b = dialog.Bye{Time: at, CSeq: m.CSeq, Cause: facts.Cause(m)}
	}
	e := hops.Ending{Time: b.Time, CSeq: m.CSeq, Cause: b.Cause, Side: p.side}
	e.Answered = b.Status >= 200 && !dialog.Challenges(int(b.Status))
	switch {
	case b.Status/100 != 2:
		t.considerBye(p.n, d, e)
	case d.AcceptedBye.Side == e.Side && d.AcceptedBye.CSeq == e.CSeq && e.Time >= d.Answer && d.AcceptedBye != e:
		d.AcceptedBye = e
		t.amend(d)
	default:
		t.byeAccepted(p.n, d, e)
	}
}

// considerBye takes e, a BYE that was not accepted yet, for the end of d if it is the earliest after the answer.
func (t *Table) considerBye(n uint32, d *dialog.Dialog, e hops.Ending) {
	switch {
	case e.Time < d.Answer:
		return
	case d.AcceptedBye.Time != 0:
		return
	case d.OtherBye.Time == 0 || e.Time < d.OtherBye.Time:
		d.OtherBye = e
	case d.OtherBye.Side == e.Side && d.OtherBye.Time == e.Time:
		d.OtherBye.CSeq = e.CSeq // with credentials
	}
	if d.Phase == dialog.Terminated {
		if !d.Inferred {
			return
		}
		t.reopen(n, d, dialog.Terminating)
	}
	d.Phase = dialog.Terminating
	t.move(n, endedClass)
	t.timers.Set(n, t.Now+event.Timer64T1)
}

// earlyBye keeps a BYE to a fork that has not answered.
func (t *Table) earlyBye(p place, d *dialog.Dialog, m *sip.Message) {
	e := t.earlyEnding(p, d)
	at := m.Time.UnixNano()
	switch {
	case e == nil || e.Answered && !e.Unseen:
	case e.Unseen && e.Side == p.side && e.CSeq == m.CSeq:
		e.Time, e.Cause, e.Unseen = at, facts.Cause(m), false
		t.amend(d)
	case e.Answered:
	case e.Time != 0 && e.Side == p.side && e.CSeq == m.CSeq:
		e.Time = min(e.Time, at)
	case e.Time != 0 && e.Side == p.side && e.Challenged:
		e.CSeq, e.Challenged = m.CSeq, false
	case e.Time == 0 || e.Refused:
		*e = hops.Ending{Time: at, CSeq: m.CSeq, Cause: facts.Cause(m), Side: p.side}
	}
}

// byeResponse applies a response to a BYE, which may not have been seen.
func (t *Table) byeResponse(p place, d *dialog.Dialog, m *sip.Message) {
	if m.Status < 200 {
		return
	}
	if p.kind == ofEarly {
		t.earlyByeResponse(p, d, m)
		return
	}
	b := &d.Byes[p.side-event.Caller]
	seen := b.Time != 0 && (b.CSeq == m.CSeq || dialog.Challenges(int(b.Status)) && m.CSeq > b.CSeq) && !b.Unseen
	if seen {
		b.CSeq, b.Status = m.CSeq, uint16(m.Status)
	} else if b.Time == 0 || b.Status != 0 {
		*b = dialog.Bye{Time: m.Time.UnixNano(), CSeq: m.CSeq, Status: uint16(m.Status), Unseen: true}
	}
	switch {
	case m.Status >= 300 && d.Phase == dialog.Terminating && d.AcceptedBye.Time != 0: // the BYE that was waited for
		t.close(p.n, t.Now)
	case dialog.Challenges(m.Status):
	case m.Status < 300:
		e := hops.Ending{Time: b.Time, CSeq: m.CSeq, Cause: b.Cause, Side: p.side, Answered: true}
		if !seen {
			e.Time, e.Cause, e.Unseen = m.Time.UnixNano(), 0, true
		}
		t.byeAccepted(p.n, d, e)
	case d.OtherBye.Time == b.Time && d.OtherBye.Side == p.side:
		d.OtherBye.Answered = true
	}
}

// byeAccepted ends d by e, a BYE that got a 2xx; of several the earliest. If an earlier BYE of the other side has no
// final response yet, d waits for that.
func (t *Table) byeAccepted(n uint32, d *dialog.Dialog, e hops.Ending) {
	first := d.OtherBye.Time == e.Time && d.OtherBye.Side == e.Side                                   // of two at one time
	repeated := d.AcceptedBye.Time == e.Time && d.AcceptedBye.Side == e.Side && !d.AcceptedBye.Unseen // its 2xx on another hop
	if repeated || e.Time < d.Answer || d.AcceptedBye.Time != 0 &&
		(d.AcceptedBye.Time < e.Time || d.AcceptedBye.Time == e.Time && !d.AcceptedBye.Unseen && !first) {
		return
	}
	d.AcceptedBye = e
	other := &d.Byes[event.Callee-e.Side]
	switch {
	case d.Phase == dialog.Terminated:
		t.reopen(n, d, dialog.Terminating)
		t.close(n, t.Now)
	case other.Time != 0 && other.Time >= d.Answer && other.Time < e.Time && other.Status == 0 && !other.Unseen &&
		t.Now-other.Time < event.Timer64T1:
		d.Phase = dialog.Terminating
		t.move(n, endedClass)
		t.timers.Set(n, t.Now+event.Timer64T1)
	default:
		t.close(n, t.Now)
	}
}

// earlyByeResponse applies a response to the BYE of a fork that has not answered.
func (t *Table) earlyByeResponse(p place, d *dialog.Dialog, m *sip.Message) {
	e := t.earlyEnding(p, d)
	if e == nil || e.Answered || d.Answered() {
		return
	}
	seen := e.Time != 0 && e.Side == p.side && (e.CSeq == m.CSeq || e.Challenged && m.CSeq > e.CSeq)
	switch {
	case dialog.Challenges(m.Status):
		e.Challenged = seen
		return
	case m.Status >= 300:
		e.Refused = e.Refused || seen
		return
	case !seen:
		*e = hops.Ending{Time: m.Time.UnixNano(), CSeq: m.CSeq, Side: p.side, Unseen: true}
	}
	if d.RefusedAt != 0 && e.Time > d.RefusedAt && d.Settled() {
		return
	}
	e.Answered = true
	switch {
	case t.hops.EarlyEnd(&d.Path) == nil:
	case d.Phase == dialog.Terminated && d.Undecided():
		t.reopen(p.n, d, dialog.Calling)
	case d.Phase == dialog.Calling:
		t.timers.Set(p.n, t.Now+int64(t.limits.Ring))
	}
}

// recheckByes sets the end of d anew from the BYEs that were seen, since the time of its answer was set or changed.
func (t *Table) recheckByes(n uint32, d *dialog.Dialog) {
	root := t.dialogs.At(d.Root)
	h := t.hops.At(root.Path.First)
	early := h.Tagless
	for i := range min(int(h.Forks), hops.MaxForks) {
		if f := t.hops.Fork(h, i); f.Tag == hops.ShortTag(d.Callee) {
			early = f.Ends
		}
	}
	if d.AcceptedBye.Time != 0 && d.AcceptedBye.Time < d.Answer {
		d.AcceptedBye = hops.Ending{}
	}
	if d.OtherBye.Time < d.Answer {
		d.OtherBye = hops.Ending{}
	}
	var byes hops.Endings
	if e := t.hops.EarlyByes(early); e != nil {
		byes = *e
	}
	for _, e := range byes {
		switch {
		case e.Time == 0 || e.Time < d.Answer:
			continue
		case e.Answered && (d.AcceptedBye.Time == 0 || e.Time < d.AcceptedBye.Time):
			d.AcceptedBye = e
		case !e.Answered && (d.OtherBye.Time == 0 || e.Time < d.OtherBye.Time):
			d.OtherBye = e
		}
		d.Byes[e.Side-event.Caller] = dialog.Bye{Time: e.Time, CSeq: e.CSeq, Cause: e.Cause}
	}
	d.Phase = dialog.Confirmed
	if d.AcceptedBye.Time != 0 || d.OtherBye.Time != 0 {
		d.Phase = dialog.Terminating
		t.timers.Set(n, t.Now+event.Timer64T1)
	}
}

// keepGuess keeps a request of d's call whose dialog is not known before its 2xx.
func (t *Table) keepGuess(d *dialog.Dialog, m *sip.Message, side event.Party) {
	if m.Method != sip.Bye && m.Method != sip.Invite && m.Method != sip.Update {
		return
	}
	at := m.Time.UnixNano()
	byes := t.hops.EarlyByes(t.hops.At(d.Path.First).Tagless)
	if e := byes.Of(side); e != nil && m.Method == sip.Bye && e.Unseen && e.CSeq == m.CSeq {
		e.Time, e.Cause, e.Unseen = at, facts.Cause(m), false // its 2xx was read first
		t.amend(d)
		return
	}
	if d.Guesses == 0 {
		d.Guesses = t.guesses.New()
	}
	g := t.guessFor(d, m, side)
	if g.Fits(m) { // on another hop
		g.Time = min(g.Time, at)
		return
	}
	*g = dialog.Guess{Time: at, CSeq: m.CSeq, Method: m.Method, Cause: facts.Cause(m), Hold: dialog.OfferOf(m)}
}

// guessedResponse applies a response whose tags do not identify a dialog of p's call: a 2xx is taken for one of the
// only answered dialog, or of the only fork.
func (t *Table) guessedResponse(p place, m *sip.Message) {
	root := p.n
	r := t.dialogs.At(root)
	g := t.guessFor(r, m, p.side)
	seen := g.Fits(m)
	ends := m.Method == sip.Bye || m.Method == sip.Invite || m.Method == sip.Update
	if m.Status < 200 || dialog.Challenges(m.Status) || !ends {
		return
	}
	var request dialog.Guess
	if seen {
		request, *g = *g, dialog.Guess{}
	}
	if m.Status >= 300 {
		if m.Method != sip.Bye {
			r.Pending[p.side-event.Caller] = dialog.Change{CSeq: m.CSeq, Method: m.Method}
		}
		t.counts.Orphans++
		return
	}
	p.kind, p.n = ofAnswered, t.onlyAnswered(root)
	if p.n == 0 {
		if r.Answered() || !t.hops.Tagless(&t.dialogs.At(root).Path) {
			t.counts.Orphans++
			return
		}
		p.kind, p.n = ofEarly, root
	}
	if r.Seen |= dialog.SeenResponse; seen {
		r.Seen |= dialog.SeenRequest
	}
	d := t.dialogs.At(p.n)
	if seen {
		t.applyGuess(p, d, request)
	}
	if m.Method == sip.Bye {
		t.byeResponse(p, d, m)
	} else {
		t.changeResponse(p, d, m)
	}
}

// applyGuess applies the request g to d, which its 2xx showed to be its dialog.
func (t *Table) applyGuess(p place, d *dialog.Dialog, g dialog.Guess) {
	switch {
	case g.Method != sip.Bye:
		d.Pending[p.side-event.Caller] = dialog.Change{Time: g.Time, CSeq: g.CSeq, Hold: g.Hold, Method: g.Method, Open: true}
	case p.kind == ofAnswered:
		b := &d.Byes[p.side-event.Caller]
		if b.Time == 0 || b.CSeq != g.CSeq || g.Time < b.Time {
			*b = dialog.Bye{Time: g.Time, CSeq: g.CSeq, Cause: g.Cause}
		}
	default:
		if e := t.earlyEnding(p, d); e != nil && !e.Answered {
			*e = hops.Ending{Time: g.Time, CSeq: g.CSeq, Cause: g.Cause, Side: p.side}
		}
	}
}
