// This file has methods of Dialog because a file is one question about a dialog with its answer.

package dialog

import (
	"errors"
	"fmt"

	"sipsieve/sip/event"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// StateVersion is raised with every change of what is written below, or of what a number in it means.
const StateVersion = 2

// ErrState says that a state is none that this version wrote.
var ErrState = errors.New("track: not a saved state of this version")

// HeadAt is where the state of a dialog says whether it is the first of its INVITE's forks: behind the version, the
// Call-ID's Key and the index.
const HeadAt = 1 + 2*len(event.Key{})

// A State is a dialog as its state says it is, with what stands beside a dialog in a table of calls.
type State struct {
	Dialog
	Hops         hops.Saved
	Asked        Guesses
	Row          uint8
	Due, Interim int64
	Head         bool
}

// ReadState reads a state that State.Code wrote. The error wraps ErrState.
func ReadState(state []byte) (r State, err error) {
	c := mem.Coder{Bytes: state, Reading: true}
	r.Code(&c)
	if c.Wrong || len(c.Bytes) != 0 || !r.sane() {
		return r, fmt.Errorf("%w: of a call", ErrState)
	}
	return r, nil
}

// sane reports whether what is read can be that of a call that goes on.
func (r *State) sane() bool {
	phased := r.Phase < Unconfirmed || r.Phase == Terminated && r.Published
	return phased && r.Due != 0 && r.FirstSeen != 0 &&
		r.NBranches <= branches && r.EndCause <= event.EndCapture && r.EndSource <= event.CaptureEnd &&
		r.Transfer <= event.Attended &&
		r.Offered <= event.Attended && r.Hops.Sane()
}

// Code writes r, or reads it.
func (r *State) Code(c *mem.Coder) {
	c.Version(StateVersion)
	c.Fixed(r.Call[:])
	c.Fixed(r.Index[:])
	c.Flags(&r.Head)
	mem.Number(c, &r.Callee)
	c.Signed(&r.FirstSeen)
	c.Since = r.FirstSeen
	for _, t := range []*int64{&r.Due, &r.Interim, &r.Setup, &r.Progress, &r.Ring, &r.Answer, &r.Acked, &r.Cancelled,
		&r.RefusedAt, &r.Refreshed, &r.Lost, &r.EndTime, &r.Updated, &r.Provisioned, &r.Transferred, &r.holdSince,
		&r.Closed} {
		c.Instant(t)
	}
	c.Signed(&r.held)
	c.Signed(&r.Drift)
	r.codeCounts(c)
	r.codeMarks(c)
	r.codeChanges(c)
	r.Hops.Code(c)
	for i := range r.Asked {
		r.Asked[i][0].code(c)
		r.Asked[i][1].code(c)
	}
	mem.Number(c, &r.Row)
}

func (d *Dialog) codeCounts(c *mem.Coder) {
	for _, n := range []*uint32{&d.CSeq, &d.Expires, &d.Repeats, &d.Revision, &d.CancelBranch, &d.AnswerBranch} {
		mem.Number(c, n)
	}
	mem.Number(c, &d.Digest)
	for _, n := range []*uint16{&d.Reinvites, &d.Holds, &d.Challenges, &d.Redirects, &d.Code, &d.Reuse, &d.Steps} {
		mem.Number(c, n)
	}
	for _, n := range []*uint8{&d.Reserved, &d.Seen, &d.Ordinal, &d.CancelCause, &d.FinalCause, &d.NBranches, &d.BranchesDone,
		&d.holding, &d.Vias, &d.Answers} {
		mem.Number(c, n)
	}
}

func (d *Dialog) codeMarks(c *mem.Coder) {
	mem.Number(c, &d.Faults)
	mem.Number(c, &d.Flags)
	mem.Number(c, &d.Phase)
	mem.Number(c, &d.EndCause)
	mem.Number(c, &d.EndSource)
	mem.Number(c, &d.Transfer)
	mem.Number(c, &d.Offered)
	c.Flags(&d.EarlyMedia, &d.ByAck, &d.RefusedByAck, &d.Retryable, &d.Downstream, &d.Accepted, &d.ByeAlone, &d.Inferred)
	c.Flags(&d.Counted, &d.Published, &d.ByUpdate)
	for i := range min(d.NBranches, branches) {
		c.Hash(&d.Branches[i])
	}
}

// codeChanges writes what is under way inside d, or reads it.
func (d *Dialog) codeChanges(c *mem.Coder) {
	for i := range d.Pending {
		p, b := &d.Pending[i], &d.Byes[i]
		c.Instant(&p.Time)
		mem.Number(c, &p.CSeq)
		mem.Number(c, &p.Hold)
		mem.Number(c, &p.Method)
		c.Flags(&p.Open, &p.Unseen, &p.Accepted)
		c.Instant(&b.Time)
		mem.Number(c, &b.CSeq)
		mem.Number(c, &b.Status)
		mem.Number(c, &b.Cause)
		c.Flags(&b.Unseen)
	}
	d.AcceptedBye.Code(c)
	d.OtherBye.Code(c)
	d.EarlyBye.Code(c)
}
