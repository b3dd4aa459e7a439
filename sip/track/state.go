package track

import "fmt"

// stateVersion is raised with every change of what is written below, or of what a number in it means.
const stateVersion = 2

// headAt is where the state of a dialog says whether it is the first of its INVITE's forks: behind the version, the
// Call-ID's Key and the index.
const headAt = 1 + 2*len(Key{})

// A restored is a dialog as its state says it is, with what stands beside a dialog in a Tracker.
type restored struct {
	dialog
	hops         savedPath
	asked        guesses
	row          uint8
	due, interim int64
	head         bool
}

// dialogState returns dialog n as Restore reads it. A fork has what it would inherit as the head.
func (t *callTable) dialogState(n uint32, d *dialog) []byte {
	r := restored{dialog: *d, row: uint8(t.rows.Of(n)), due: t.lapses.When(n), interim: t.interims.When(n), head: d.root == n}
	root := t.dialogs.At(d.root)
	r.answers = root.answers
	if root.guesses != 0 {
		r.asked = *t.guesses.At(root.guesses)
	}
	r.hops = t.hops.saved(&root.path, t.saving.keyer)
	c := coder{b: make([]byte, 0, 480)}
	c.state(&r)
	return c.b
}

// restoreHead gives d, which is the head of its forks, what they share.
func (t *callTable) restoreHead(d *dialog, r *restored) {
	t.hops.restore(&d.path, &r.hops)
	if r.asked != (guesses{}) {
		d.guesses = t.guesses.New()
		*t.guesses.At(d.guesses) = r.asked
	}
}

func readDialog(state []byte) (r restored, err error) {
	c := coder{b: state, reading: true}
	c.state(&r)
	if c.wrong || len(c.b) != 0 || !r.sane() {
		return r, fmt.Errorf("%w: of a call", ErrState)
	}
	return r, nil
}

// sane reports whether what is read can be that of a call that goes on.
func (r *restored) sane() bool {
	phased := r.phase < unconfirmed || r.phase == terminated && r.told
	return phased && uint32(r.row) <= ringRow && r.due != 0 && r.first != 0 &&
		r.nlegs <= branches && r.cause <= EndCapture && r.known <= CaptureEnd && r.transfer <= Attended &&
		r.offered <= Attended && r.hops.sane()
}

// clockState appends the clock and the losses of t as Restore reads them.
func (t *callTable) clockState(b []byte) []byte {
	c := coder{b: b}
	codeClock(&c, &t.clock, &t.losses)
	return c.b
}

func (t *callTable) restoreClock(state []byte) error {
	var saved clock
	var lost losses
	c := coder{b: state, reading: true}
	codeClock(&c, &saved, &lost)
	if c.wrong || len(c.b) != 0 {
		return fmt.Errorf("%w: of a clock", ErrState)
	}
	t.drift, t.steps = saved.drift, saved.steps
	for _, w := range lost {
		t.losses = t.losses.with(w)
	}
	return nil
}

// codeClock writes what of a clock and of losses a restart must keep, or reads it.
func codeClock(b *coder, c *clock, l *losses) {
	b.version()
	c.code(b)
	l.code(b)
}

func (c *coder) state(r *restored) {
	c.version()
	c.fixed(r.call[:])
	c.fixed(r.index[:])
	c.flags(&r.head)
	number(c, &r.callee)
	c.signed(&r.first)
	c.since = r.first
	for _, t := range []*int64{&r.due, &r.interim, &r.setup, &r.progress, &r.ring, &r.answer, &r.acked, &r.cancelled,
		&r.refusedAt, &r.refreshed, &r.lost, &r.gone, &r.updated, &r.provisioned, &r.transferred, &r.holdSince,
		&r.closed} {
		c.instant(t)
	}
	c.signed(&r.held)
	c.signed(&r.drift)
	c.counts(&r.dialog)
	c.marks(&r.dialog)
	c.changes(&r.dialog)
	r.hops.code(c)
	for i := range r.asked {
		c.guess(&r.asked[i][0])
		c.guess(&r.asked[i][1])
	}
	number(c, &r.row)
}

func (c *coder) counts(d *dialog) {
	for _, n := range []*uint32{&d.cseq, &d.expires, &d.repeats, &d.revision, &d.cancelLeg, &d.answerLeg} {
		number(c, n)
	}
	number(c, &d.published)
	for _, n := range []*uint16{&d.reinvites, &d.holds, &d.challenges, &d.redirects, &d.code, &d.reuse, &d.steps} {
		number(c, n)
	}
	for _, n := range []*uint8{&d.owed, &d.heard, &d.ordinal, &d.cancelCause, &d.finalCause, &d.nlegs, &d.legsDone,
		&d.holding, &d.vias, &d.answers} {
		number(c, n)
	}
}

func (c *coder) marks(d *dialog) {
	number(c, &d.faults)
	number(c, &d.flags)
	number(c, &d.phase)
	number(c, &d.cause)
	number(c, &d.known)
	number(c, &d.transfer)
	number(c, &d.offered)
	c.flags(&d.earlyMedia, &d.byAck, &d.refusedByAck, &d.retryable, &d.downstream, &d.accepted, &d.alone, &d.inferred)
	c.flags(&d.counted, &d.told, &d.byUpdate)
	for i := range min(d.nlegs, branches) {
		c.hash(&d.legs[i])
	}
}

func (c *coder) guess(g *guess) {
	c.instant(&g.at)
	number(c, &g.cseq)
	number(c, &g.method)
	number(c, &g.cause)
	number(c, &g.hold)
}

// changes writes what is under way inside a dialog.
func (c *coder) changes(d *dialog) {
	for i := range d.pending {
		p, b := &d.pending[i], &d.byes[i]
		c.instant(&p.at)
		number(c, &p.cseq)
		number(c, &p.hold)
		number(c, &p.method)
		c.flags(&p.open, &p.unseen, &p.accepted)
		c.instant(&b.at)
		number(c, &b.cseq)
		number(c, &b.status)
		number(c, &b.cause)
		c.flags(&b.unseen)
	}
	d.ended.code(c)
	d.unended.code(c)
	d.early.code(c)
}
