package dialog

import (
	"errors"
	"fmt"

	"sipsieve/sip/event"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// StateVersion changes with every change of the encoding below, or of the meaning of a number in it.
const StateVersion = 2

// ErrState is returned for bytes that are no state of this version.
var ErrState = errors.New("track: not a saved state of this version")

// HeadAt is the offset of the byte of a state that is 1 for the first of an INVITE's forks: behind the version, the
// Call-ID's Key and the index.
const HeadAt = 1 + 2*len(event.Key{})

// A State is a dialog as it is saved, with what a table of calls keeps beside it.
type State struct {
	Dialog
	Hops         hops.Saved
	Requests     Guesses
	Class        uint8 // for the choice of the dialog that is evicted
	Due, Interim int64 // when its timers expire, nanoseconds
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

// sane reports whether the values that were read are possible for a Saveable dialog.
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
		&r.RefusedAt, &r.Refreshed, &r.Lost, &r.EndTime, &r.Updated, &r.Provisioned, &r.Transferred, &r.Holds.since,
		&r.Closed} {
		c.Instant(t)
	}
	c.Signed(&r.Holds.total)
	c.Signed(&r.Drift)
	r.codeCounts(c)
	r.codeMarks(c)
	r.codeChanges(c)
	r.Hops.Code(c)
	for i := range r.Requests {
		r.Requests[i][0].code(c)
		r.Requests[i][1].code(c)
	}
	mem.Number(c, &r.Class)
}

func (r *State) codeCounts(c *mem.Coder) {
	for _, n := range []*uint32{&r.CSeq, &r.Expires, &r.Repeats, &r.Revision, &r.CancelBranch, &r.AnswerBranch} {
		mem.Number(c, n)
	}
	mem.Number(c, &r.Digest)
	for _, n := range []*uint16{&r.Reinvites, &r.Holds.Count, &r.Challenges, &r.Redirects, &r.Dialog.Code, &r.Reuse,
		&r.Steps} {
		mem.Number(c, n)
	}
	for _, n := range []*uint8{&r.Reserved, &r.Seen, &r.Ordinal, &r.CancelCause, &r.FinalCause, &r.NBranches,
		&r.BranchesDone, &r.Holds.sides, &r.Vias, &r.Answers} {
		mem.Number(c, n)
	}
}

func (r *State) codeMarks(c *mem.Coder) {
	mem.Number(c, &r.Faults)
	mem.Number(c, &r.Flags)
	mem.Number(c, &r.Phase)
	mem.Number(c, &r.EndCause)
	mem.Number(c, &r.EndSource)
	mem.Number(c, &r.Transfer)
	mem.Number(c, &r.Offered)
	c.Flags(&r.EarlyMedia, &r.ByAck, &r.RefusedByAck, &r.Retryable, &r.Downstream, &r.Accepted, &r.ByeAlone, &r.Inferred)
	c.Flags(&r.Counted, &r.Published, &r.ByUpdate)
	for i := range min(r.NBranches, branches) {
		c.Hash(&r.Branches[i])
	}
}

// codeChanges writes the last requests inside the dialog, or reads them.
func (r *State) codeChanges(c *mem.Coder) {
	for i := range r.Pending {
		p, b := &r.Pending[i], &r.Byes[i]
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
	r.AcceptedBye.Code(c)
	r.OtherBye.Code(c)
	r.EarlyBye.Code(c)
}
