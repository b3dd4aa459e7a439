package track

import (
	"errors"
	"fmt"

	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// stateVersion is raised with every change of what is written below, or of what a number in it means.
const stateVersion = 2

// ErrState says that a state is none that this version wrote.
var ErrState = errors.New("track: not a saved state of this version")

// headAt is where the state of a dialog says whether it is the first of its INVITE's forks: behind the version, the
// Call-ID's Key and the index.
const headAt = 1 + 2*len(event.Key{})

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
	c := mem.Coder{Bytes: state, Reading: true}
	r.code(&c)
	if c.Wrong || len(c.Bytes) != 0 || !r.sane() {
		return r, fmt.Errorf("%w: of a call", ErrState)
	}
	return r, nil
}

// sane reports whether what is read can be that of a call that goes on.
func (r *restored) sane() bool {
	phased := r.phase < unconfirmed || r.phase == terminated && r.told
	return phased && r.due != 0 && r.first != 0 &&
		r.nlegs <= branches && r.cause <= event.EndCapture && r.known <= event.CaptureEnd && r.transfer <= event.Attended &&
		r.offered <= event.Attended && r.hops.sane()
}

// code writes r, or reads it.
func (r *restored) code(c *mem.Coder) {
	c.Version(stateVersion)
	c.Fixed(r.call[:])
	c.Fixed(r.index[:])
	c.Flags(&r.head)
	mem.Number(c, &r.callee)
	c.Signed(&r.first)
	c.Since = r.first
	for _, t := range []*int64{&r.due, &r.interim, &r.setup, &r.progress, &r.ring, &r.answer, &r.acked, &r.cancelled,
		&r.refusedAt, &r.refreshed, &r.lost, &r.gone, &r.updated, &r.provisioned, &r.transferred, &r.holdSince,
		&r.closed} {
		c.Instant(t)
	}
	c.Signed(&r.held)
	c.Signed(&r.drift)
	r.codeCounts(c)
	r.codeMarks(c)
	r.codeChanges(c)
	r.hops.code(c)
	for i := range r.asked {
		r.asked[i][0].code(c)
		r.asked[i][1].code(c)
	}
	mem.Number(c, &r.row)
}

func (d *dialog) codeCounts(c *mem.Coder) {
	for _, n := range []*uint32{&d.cseq, &d.expires, &d.repeats, &d.revision, &d.cancelLeg, &d.answerLeg} {
		mem.Number(c, n)
	}
	mem.Number(c, &d.published)
	for _, n := range []*uint16{&d.reinvites, &d.holds, &d.challenges, &d.redirects, &d.code, &d.reuse, &d.steps} {
		mem.Number(c, n)
	}
	for _, n := range []*uint8{&d.owed, &d.heard, &d.ordinal, &d.cancelCause, &d.finalCause, &d.nlegs, &d.legsDone,
		&d.holding, &d.vias, &d.answers} {
		mem.Number(c, n)
	}
}

func (d *dialog) codeMarks(c *mem.Coder) {
	mem.Number(c, &d.faults)
	mem.Number(c, &d.flags)
	mem.Number(c, &d.phase)
	mem.Number(c, &d.cause)
	mem.Number(c, &d.known)
	mem.Number(c, &d.transfer)
	mem.Number(c, &d.offered)
	c.Flags(&d.earlyMedia, &d.byAck, &d.refusedByAck, &d.retryable, &d.downstream, &d.accepted, &d.alone, &d.inferred)
	c.Flags(&d.counted, &d.told, &d.byUpdate)
	for i := range min(d.nlegs, branches) {
		c.Hash(&d.legs[i])
	}
}

// codeChanges writes what is under way inside d, or reads it.
func (d *dialog) codeChanges(c *mem.Coder) {
	for i := range d.pending {
		p, b := &d.pending[i], &d.byes[i]
		c.Instant(&p.at)
		mem.Number(c, &p.cseq)
		mem.Number(c, &p.hold)
		mem.Number(c, &p.method)
		c.Flags(&p.open, &p.unseen, &p.accepted)
		c.Instant(&b.at)
		mem.Number(c, &b.cseq)
		mem.Number(c, &b.status)
		mem.Number(c, &b.cause)
		c.Flags(&b.unseen)
	}
	d.ended.code(c)
	d.unended.code(c)
	d.early.code(c)
}
