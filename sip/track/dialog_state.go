package track

import (
	"errors"
	"fmt"
)

// stateVersion is raised with every change of what is written below, or of what a number in it means.
const stateVersion = 2

// ErrState says that a state is none that this version wrote.
var ErrState = errors.New("track: not a saved state of this version")

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

// readDialog reads a state that restored.code wrote. The error wraps ErrState.
func readDialog(state []byte) (r restored, err error) {
	c := coder{b: state, reading: true}
	r.code(&c)
	if c.wrong || len(c.b) != 0 || !r.sane() {
		return r, fmt.Errorf("%w: of a call", ErrState)
	}
	return r, nil
}

// sane reports whether what is read can be that of a call that goes on.
func (r *restored) sane() bool {
	phased := r.phase < unconfirmed || r.phase == terminated && r.told
	return phased && r.due != 0 && r.first != 0 &&
		r.nlegs <= branches && r.cause <= EndCapture && r.known <= CaptureEnd && r.transfer <= Attended &&
		r.offered <= Attended && r.hops.sane()
}

// code writes r, or reads it.
func (r *restored) code(c *coder) {
	c.version(stateVersion)
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
	r.codeCounts(c)
	r.codeMarks(c)
	r.codeChanges(c)
	r.hops.code(c)
	for i := range r.asked {
		r.asked[i][0].code(c)
		r.asked[i][1].code(c)
	}
	number(c, &r.row)
}

func (d *dialog) codeCounts(c *coder) {
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

func (d *dialog) codeMarks(c *coder) {
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

// codeChanges writes what is under way inside d, or reads it.
func (d *dialog) codeChanges(c *coder) {
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
