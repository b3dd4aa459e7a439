package dialog

import (
	"math/bits"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// A Phase is the state of a dialog.
type Phase uint8

// Phases.
const (
	Calling       Phase = iota // no final response was seen
	AwaitingRetry              // 401, 407 or 3xx: a new INVITE may follow
	Rejected                   // any other refusal, or an ACK that proves one
	Confirmed                  // answered
	Terminating                // answered, and a BYE, or a 481 or 408 to a re-INVITE or UPDATE, was seen
	Unconfirmed                // a BYE or a re-INVITE of an unknown call, whose 2xx is awaited
	Terminated                 // its end was published
)

// ForkRetryWait is the longest time, in nanoseconds, between the ACK to a refusal and the next INVITE of a proxy that
// tries its targets one after another.
const ForkRetryWait = int64(2 * time.Second)

// branches limits the INVITE transactions of one attempt that are remembered on the caller's hop.
const branches = 6

// A Dialog is a call attempt, or one answered fork of it. It holds no pointer; times are nanoseconds, 0 unknown.
type Dialog struct {
	Index, Call event.Key        // by which it is found; of its Call-ID
	Callee      uint64           // the callee's tag, once answered; of an unconfirmed dialog the To tag
	Text        mem.Text         // its Facts
	Root, Next  uint32           // the dialog of the INVITE; the next answered fork of it
	Path        hops.Path        // of the root: the hops of its call
	Branches    [branches]uint32 // branches of the attempt's INVITEs on the caller's hop
	Pending     [2]Change        // by side: the last re-INVITE or UPDATE
	Byes        [2]Bye           // by side: the last BYE
	Guesses     uint32           // of the root: requests whose dialog is not known; a number

	AcceptedBye hops.Ending // the earliest BYE with a 2xx after the last accepted re-INVITE or UPDATE
	OtherBye    hops.Ending // the earliest other BYE after it
	EarlyBye    hops.Ending // the BYE before any answer with which the end was published

	FirstSeen, Setup, Progress, Ring, Answer int64 // as in event.Call
	Acked, Cancelled, RefusedAt              int64 // ACK of the final response; CANCEL; final response of 300 or more
	Refreshed                                int64 // last 2xx to INVITE or UPDATE
	Lost                                     int64 // 481 or 408 to a re-INVITE or UPDATE
	EndTime                                  int64
	Updated, Provisioned                     int64 // last 2xx to UPDATE before the answer; last provisional response
	Transferred                              int64 // 2xx to REFER
	Holds                                    Holds
	Drift                                    int64  // the sum of all jumps of the clock before it opened
	Digest                                   uint64 // of the end that was published
	Closed                                   int64  // when its end was published

	CSeq, Expires                   uint32 // of the INVITE; of the session timer, seconds
	CancelBranch, AnswerBranch      uint32
	Repeats, Revision               uint32
	Reinvites, Challenges           uint16
	Redirects, Code, Reuse          uint16
	Steps                           uint16        // jumps of the clock before it opened
	Faults                          event.Missing // StreamGap, CutShort and RestartGap; the others are derived
	Flags                           event.CallFlags
	Phase                           Phase
	EndCause                        event.EndCause
	EndSource                       event.EndSource // what shows its end
	Seen                            uint8           // of SeenRequest, SeenResponse
	Ordinal                         uint8           // counts the answered forks of one INVITE
	Transfer, Offered               event.Transfer  // accepted; requested by the last REFER
	CancelCause, FinalCause         uint8           // Q.850, of the Reason header
	NBranches, BranchesDone, Vias   uint8           // BranchesDone has a bit for each branch with a final response
	Answers                         uint8           // of the root: answered forks after the first
	Reserved                        uint8           // revisions that may have been published before a restart
	EarlyMedia, ByAck, RefusedByAck bool
	Retryable                       bool // a new INVITE could follow at the end of the capture
	Downstream                      bool // the answer is that of another hop
	ByUpdate                        bool // an UPDATE alone proves the answer
	Accepted, ByeAlone              bool // the INVITE was accepted; only a BYE and its response were seen
	Inferred, Counted, Published    bool // a timer ended it; counted as a call; its end was published
	Regathered                      bool // its Facts changed since it was saved
	Restored                        bool // after a restart: its texts and addresses are gone
}

// Directions of which a message of a dialog was seen.
const (
	SeenRequest uint8 = 1 << iota
	SeenResponse
)

// Answered reports whether d's INVITE was accepted.
func (d *Dialog) Answered() bool { return d.Accepted }

// Undecided reports whether d has an INVITE, but neither an answer nor another final response.
func (d *Dialog) Undecided() bool { return !d.Answered() && d.RefusedAt == 0 && d.Setup != 0 }

// Settled reports whether every INVITE of the attempt has its final response.
func (d *Dialog) Settled() bool { return d.BranchesDone == 1<<d.NBranches-1 }

// BranchIndex returns where in d.Branches the branch l stands, -1 without one.
func (d *Dialog) BranchIndex(l uint32) int {
	for i := range d.NBranches {
		if d.Branches[i] == l {
			return int(i)
		}
	}
	return -1
}

// AddBranch adds the branch l. If there are too many it replaces the oldest one with a final response.
func (d *Dialog) AddBranch(l uint32) {
	if d.BranchIndex(l) >= 0 {
		return
	}
	if d.NBranches == branches {
		done := bits.TrailingZeros8(d.BranchesDone)
		if done >= branches {
			return
		}
		copy(d.Branches[done:], d.Branches[done+1:])
		below := uint8(1)<<done - 1
		d.BranchesDone = d.BranchesDone&below | d.BranchesDone>>1&^below
		d.NBranches--
	}
	d.Branches[d.NBranches] = l
	d.NBranches++
}

// Attempt resets d for an INVITE with a higher CSeq.
func (d *Dialog) Attempt(cseq uint32) {
	d.CSeq, d.Phase = cseq, Calling
	d.NBranches, d.BranchesDone, d.Code = 0, 0, 0
	d.RefusedAt, d.Acked, d.Cancelled, d.Updated = 0, 0, 0, 0
	d.RefusedByAck, d.FinalCause, d.CancelCause = false, 0, 0
}

// Followed reports whether an INVITE at t (nanoseconds) comes so soon after d's refusal that it is of the same call.
func (d *Dialog) Followed(t int64) bool {
	return d.RefusedAt != 0 && t-max(d.RefusedAt, d.Acked) <= ForkRetryWait
}

// Reused reports whether the INVITE m opens another call with the Call-ID and tag of d, which has ended: its CSeq is
// higher and it does not follow a refusal at once, or it has a new branch and comes later than ring (nanoseconds).
func (d *Dialog) Reused(m *sip.Message, k event.Keys, ring int64) bool {
	sent := m.Time.UnixNano()
	if m.CSeq > d.CSeq {
		challenged := d.Code == 401 || d.Code == 407 || d.Code/100 == 3
		return d.Answered() || challenged || !d.Followed(sent)
	}
	return d.BranchIndex(k.ShortBranch()) < 0 && sent-d.FirstSeen > ring
}

// Propose remembers a re-INVITE or an UPDATE until its final response comes.
func (d *Dialog) Propose(m *sip.Message, side event.Party) {
	c := &d.Pending[side-event.Caller]
	if c.CSeq == m.CSeq && c.Method == m.Method { // on another hop, or its 2xx was read first
		if c.Unseen && c.Accepted && OfferOf(m) == Hold {
			d.Holds.Set(c.Time, side, Hold)
		}
		if sent := m.Time.UnixNano(); c.Time == 0 || sent < c.Time {
			c.Time, c.Unseen = sent, false
		}
		return
	}
	*c = NewChange(m)
}

// ProvenByUpdate reports whether an UPDATE was accepted and no provisional response came after it: d, whose answer was
// not seen, is answered unless a final response or a CANCEL shows otherwise.
func (d *Dialog) ProvenByUpdate() bool {
	return !d.Answered() && d.Updated > d.Provisioned && d.RefusedAt == 0 && d.Cancelled == 0
}

// CountLateFinal counts m, a challenge or redirection of an INVITE before d's last one, which is read late.
func (d *Dialog) CountLateFinal(m *sip.Message) {
	switch {
	case Challenges(m.Status):
		d.Challenges++
	case m.Status/100 == 3:
		d.Redirects++
	}
}

// AddFork adds what a hop has shown of d's fork before it answered.
func (d *Dialog) AddFork(f *hops.Fork) {
	if f.Progress != 0 && (d.Progress == 0 || f.Progress < d.Progress) {
		d.Progress = f.Progress
	}
	if f.Ring != 0 && (d.Ring == 0 || f.Ring < d.Ring) {
		d.Ring = f.Ring
	}
	d.Repeats += uint32(f.Repeats)
}

// DropEarlyChanges resets the counts of changes before the answer: they are no changes of the call.
func (d *Dialog) DropEarlyChanges() {
	if (!d.Accepted || d.ByUpdate) && d.Updated != 0 {
		d.Reinvites, d.Holds = 0, Holds{since: d.Holds.since}
	}
}

// FlagCancelRace sets CancelRace if the CANCEL and the 2xx to d's INVITE crossed.
func (d *Dialog) FlagCancelRace() {
	if d.Cancelled != 0 && d.Code != 0 && (d.Downstream || d.AnswerBranch == d.CancelBranch) {
		d.Flags |= event.CancelRace
	}
}

// AnsweredAfter reports whether an answer on another hop at t (nanoseconds) may be that of d.
func (d *Dialog) AnsweredAfter(t int64) bool { return d.Answer == 0 || d.ByAck || t <= d.Answer }

// Follows reports whether h may be behind the caller's hop: a hop to another target of the same sender is not.
func (root *Dialog) Follows(t *hops.Table, h *hops.View) bool {
	near := t.At(root.Path.First)
	return h.Invited == 0 || near.Invited == 0 || h.Hop.Src != near.Hop.Src || h.Hop.Src == h.Hop.Dst
}

// Name identifies d among all dialogs, the other forks of its INVITE and later calls with its Call-ID included.
func (d *Dialog) Name() event.Key {
	return d.Index.With(event.Key{d.Ordinal, byte(d.Reuse), byte(d.Reuse >> 8)})
}

// ReuseMark identifies the Call-ID and the caller's tag, by which uses of a Call-ID are counted.
func (d *Dialog) ReuseMark() uint64 { return d.Index.Short() }

// EventOrdinal orders the Events of one Call-ID: by its reuse, its fork and its revision.
func (d *Dialog) EventOrdinal() uint32 {
	return uint32(min(d.Reuse, 255))<<24 | uint32(d.Ordinal)<<16 | uint32(d.Revision)
}

// Saveable reports whether d is a call that has not ended, or one whose published end a late message may correct.
func (d *Dialog) Saveable() bool {
	if d.Phase == Terminated {
		return d.Published && !d.ByeAlone && (d.Undecided() || d.Answered() && d.AcceptedBye.Time == 0)
	}
	return d.Counted
}

// ReserveRevisions skips the revision numbers that may have been published after d was saved, so that a restored call
// never publishes one of them with another body. They are skipped when a message of d comes, which proves that its end
// was not published. If none comes, its end may have been published before: then it is published again with the same
// revision, and changes nothing. stages are those that are published.
func (d *Dialog) ReserveRevisions(stages event.Stages) {
	for _, stage := range [...]event.Stage{event.Answer, event.Interim} {
		if stages.Has(stage) && d.Reserved < 255 && (stage == event.Interim || !d.Accepted) {
			d.Reserved++
		}
	}
}

// Retime replaces the time late of d's messages by early, and reports whether there was any.
func (d *Dialog) Retime(late, early int64) (changed bool) {
	return hops.Replace(late, early, &d.FirstSeen, &d.Setup, &d.Progress, &d.Ring, &d.Answer, &d.Acked, &d.Cancelled,
		&d.RefusedAt, &d.Refreshed, &d.Lost, &d.EndTime, &d.Updated, &d.Transferred, &d.Holds.since, &d.AcceptedBye.Time,
		&d.OtherBye.Time, &d.EarlyBye.Time, &d.Pending[0].Time, &d.Pending[1].Time, &d.Byes[0].Time, &d.Byes[1].Time)
}

// Wall returns ns, a time of d, on the packets' clock as it was when d opened.
func (d *Dialog) Wall(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return event.When(ns + d.Drift)
}

// AddUnderWay adds to c what is published of a call that has not ended.
func (d *Dialog) AddUnderWay(c *event.Call) {
	c.Status = event.Partial
	if d.Answered() {
		c.Disposition = event.Answered
	}
	if d.Setup == 0 {
		c.Missing |= event.NoInvite
	}
	if d.Answered() && !d.finalSeen() {
		c.Missing |= event.NoFinal
	}
}

// AddEnding adds to c what is published of the end of d at the time now (nanoseconds).
func (d *Dialog) AddEnding(c *event.Call, now int64) {
	outcome := d.Disposition()
	c.Disposition, c.EndCause, c.EndSource = outcome, d.EndCause, d.EndSource
	c.End = d.Wall(d.EndTime)
	c.DisconnectBy = d.party(outcome)
	c.Missing |= d.lacking(outcome)
	c.Completeness = d.completeness(outcome)
	if outcome == event.Answered && d.unacknowledged(now) {
		c.Flags |= event.NoAckFlag
	}
	var derived bool
	if c.Cause, derived = d.q850(outcome); derived {
		c.Flags |= event.CauseDerived
	}
	switch {
	case d.EndCause == event.EndEvicted:
		c.Status = event.Evicted
	case c.Missing == 0 && d.EndSource == event.Observed && !d.Retryable:
		c.Status = event.Complete
	default:
		c.Status = event.Partial
	}
}
