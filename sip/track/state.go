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
	passed       []restoredHop
	seen         []uint32 // prints of the last messages
	asked        guesses
	row          uint8
	due, interim int64
	head         bool
}

// A restoredHop is what a hop has shown, with what stands beside it.
type restoredHop struct {
	hopFacts
	others   forking
	ends     [maxForks]endings // BYEs before the answer, by fork
	untagged endings           // those of no fork
	origin   bool
}

// mostSeen bounds the messages that a state knows repeats by.
const mostSeen = 64

// dialogState returns dialog n as Restore reads it. A fork has what it would inherit as the head.
func (t *Tracker) dialogState(n uint32, d *dialog) []byte {
	r := restored{dialog: *d, row: uint8(t.rows.Of(n)), due: t.lapses.When(n), interim: t.interims.When(n), head: d.root == n}
	root := t.dialogs.At(d.root)
	r.answers = root.answers
	if root.guesses != 0 {
		r.asked = *t.guesses.At(root.guesses)
	}
	for i := root.hops; i != 0; i = t.hops.At(i).next {
		h := restoredHop{hopFacts: *t.hops.At(i), origin: i == root.origin}
		h.hop = t.saving.keyer.veil(h.hop)
		if h.forking != 0 {
			h.others = *t.forkings.At(h.forking)
		}
		for i := range min(int(h.forks), maxForks) {
			if e := t.earlyByes(t.fork(&h.hopFacts, i).ends); e != nil {
				h.ends[i] = *e
			}
		}
		if e := t.earlyByes(h.tagless); e != nil {
			h.untagged = *e
		}
		r.passed = append(r.passed, h)
	}
	for i := root.repeatSet; i != 0 && len(r.seen) < mostSeen; i = t.prints.At(i).next {
		b := t.prints.At(i)
		r.seen = append(r.seen, b.prints[:b.n]...)
	}
	c := coder{b: make([]byte, 0, 480)}
	c.state(&r)
	return c.b
}

// restoreHops gives d, which is the head of its forks, what its hops have shown, and the messages that were seen.
func (t *Tracker) restoreHops(d *dialog, r *restored) {
	at := &d.hops
	for i := range r.passed {
		n := t.hops.New()
		h := t.hops.At(n)
		*h = r.passed[i].hopFacts
		h.hop.point, h.next, h.forking = t.point(""), 0, 0
		if h.forks > 1 {
			h.forking = t.forkings.New()
			*t.forkings.At(h.forking) = r.passed[i].others
		}
		t.restoreEarlyByes(h, &r.passed[i])
		*at, at = n, &h.next
		if r.passed[i].origin || i == 0 {
			d.origin = n
		}
	}
	if r.asked != (guesses{}) {
		d.guesses = t.guesses.New()
		*t.guesses.At(d.guesses) = r.asked
	}
	for i := len(r.seen) - 1; i >= 0; i-- {
		t.addPrint(d, r.seen[i], 0)
	}
}

// restoreEarlyByes gives h the BYEs before the answer that r has.
func (t *Tracker) restoreEarlyByes(h *hopFacts, r *restoredHop) {
	h.tagless, h.first.ends = 0, 0
	if r.untagged != (endings{}) {
		*t.early.Ensure(&h.tagless) = r.untagged
	}
	for i := range min(int(h.forks), maxForks) {
		f := t.fork(h, i)
		if f.ends = 0; r.ends[i] != (endings{}) {
			*t.early.Ensure(&f.ends) = r.ends[i]
		}
	}
}

func readDialog(state []byte) (r restored, err error) {
	c := coder{b: state, reading: true}
	c.state(&r)
	if c.wrong || len(c.b) != 0 || !r.sane() {
		return r, fmt.Errorf("%w: of a call", ErrState)
	}
	for i := range r.passed {
		r.passed[i].hop.veil = srcVeiled | dstVeiled | wasRestored
	}
	return r, nil
}

// sane reports whether what is read can be that of a call that goes on.
func (r *restored) sane() bool {
	for i := range r.passed {
		if h := &r.passed[i]; h.forks > 1 && (h.others.n < 1 || h.others.n > len(h.others.tags)) ||
			int(h.forks) < h.others.n {
			return false
		}
	}
	phased := r.phase < unconfirmed || r.phase == terminated && r.told
	return phased && uint32(r.row) <= ringRow && r.due != 0 && r.first != 0 &&
		r.nlegs <= branches && r.cause <= EndCapture && r.known <= CaptureEnd && r.transfer <= Attended &&
		r.offered <= Attended && len(r.passed) > 0 && len(r.passed) <= mostHops
}

// clockState appends the clock and the losses of t as Restore reads them.
func (t *Tracker) clockState(b []byte) []byte {
	c := coder{b: b}
	c.clock(&t.drift, &t.steps, &t.losses)
	return c.b
}

func (t *Tracker) restoreClock(state []byte) error {
	var drift int64
	var steps uint16
	var lost losses
	c := coder{b: state, reading: true}
	c.clock(&drift, &steps, &lost)
	if c.wrong || len(c.b) != 0 {
		return fmt.Errorf("%w: of a clock", ErrState)
	}
	t.drift, t.steps = drift, steps
	for _, w := range lost {
		t.losses = t.losses.with(w)
	}
	return nil
}

func (c *coder) clock(drift *int64, steps *uint16, lost *losses) {
	c.version()
	c.signed(drift)
	number(c, steps)
	n := uint8(len(*lost))
	number(c, &n)
	if c.reading && !c.wrong && n <= mostLosses {
		*lost = make(losses, n)
	}
	for i := range *lost {
		c.signed(&(*lost)[i].from)
		c.signed(&(*lost)[i].to)
	}
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
	c.hops(r)
	for i := range r.asked {
		c.guess(&r.asked[i][0])
		c.guess(&r.asked[i][1])
	}
	number(c, &r.row)
}

// length writes the length n of a list, or reads one of at most most.
func (c *coder) length(n, most int) int {
	v := uint8(n)
	number(c, &v)
	c.wrong = c.wrong || int(v) > most
	return min(int(v), most)
}

func (c *coder) hops(r *restored) {
	n := c.length(len(r.passed), mostHops)
	if c.reading {
		r.passed = make([]restoredHop, n)
	}
	for i := range r.passed {
		c.hop(&r.passed[i])
	}
	n = c.length(len(r.seen), 2*mostSeen)
	if c.reading {
		r.seen = make([]uint32, n)
	}
	for i := range r.seen {
		c.hash(&r.seen[i])
	}
}

func (c *coder) hop(h *restoredHop) {
	c.ends(&h.hop)
	c.instant(&h.invited)
	number(c, &h.cseq)
	number(c, &h.invitedAs)
	c.flags(&h.origin)
	for i := range h.legs {
		number(c, &h.legs[i])
	}
	for i := range h.vias {
		number(c, &h.vias[i])
	}
	c.instant(&h.final.at)
	number(c, &h.final.tag)
	number(c, &h.final.code)
	number(c, &h.final.cause)
	number(c, &h.open)
	c.endings(&h.untagged)
	number(c, &h.forks)
	number(c, &h.proved)
	if h.forks > 0 {
		c.fork(&h.first, &h.ends[0])
	}
	if h.forks > 1 {
		c.forks(h)
	}
}

func (c *coder) fork(f *fork, e *endings) {
	c.hash(&f.tag)
	c.instant(&f.progress)
	c.instant(&f.ring)
	number(c, &f.answer)
	number(c, &f.repeats)
	c.instant(&f.answered)
	c.flags(&f.past, &f.proof)
	c.endings(e)
}

func (c *coder) forks(h *restoredHop) {
	f := &h.others
	f.n = c.length(f.n, len(f.tags))
	for i := range f.n {
		c.hash(&f.tags[i])
		if i > 0 && i < maxForks {
			c.fork(&f.forks[i-1], &h.ends[i])
		}
	}
	if f.n == len(f.tags) {
		for i := range f.others {
			number(c, &f.others[i])
		}
	}
}

func (c *coder) endings(e *endings) {
	c.ending(&e[0])
	c.ending(&e[1])
}

func (c *coder) ending(e *ending) {
	c.instant(&e.at)
	if e.at == 0 {
		*e = ending{}
		return
	}
	number(c, &e.cseq)
	number(c, &e.cause)
	number(c, &e.side)
	c.flags(&e.answered, &e.unseen, &e.refused, &e.challenged)
	c.wrong = c.wrong || e.side > Network
}

// ends writes a hop whose ends are veiled.
func (c *coder) ends(h *hop) {
	c.fixed(h.src[:])
	c.fixed(h.dst[:])
	number(c, &h.sport)
	number(c, &h.dport)
	number(c, &h.origin)
	c.flags(&h.valid)
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
	c.ending(&d.ended)
	c.ending(&d.unended)
	c.ending(&d.early)
}
