package dialog

import (
	"math/bits"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/hops"
	"sipsieve/sip/mem"
)

// A Phase is where in its life a dialog is.
type Phase uint8

// Phases. The first is that of a call of which nothing but an INVITE or a provisional response is known.
const (
	Calling       Phase = iota
	AwaitingRetry       // 401, 407 or 3xx: a new INVITE may follow
	Rejected            // any other refusal, or an ACK that proves one
	Confirmed           // answered
	Terminating         // answered, and a BYE, or a 481 or 408 to a re-INVITE or UPDATE, was seen
	Unconfirmed         // a BYE or a re-INVITE of an unknown call, whose 2xx is awaited
	Terminated          // published as over
)

// ForkRetryWait is how long after the ACK to a refusal a proxy that tries its targets one by one sends the next INVITE,
// at most, in nanoseconds.
const ForkRetryWait = int64(2 * time.Second)

// branches bounds the INVITE transactions of one attempt that are known on the caller's hop.
const branches = 6

// A Dialog is a call attempt, or one answered fork of it. It holds no pointer; times are nanoseconds, 0 unknown.
type Dialog struct {
	Index, Call event.Key        // what it is found by; of its Call-ID
	Callee      uint64           // the callee's tag, once answered; of a BYE alone the other tag
	Text        mem.Text         // its Facts
	Root, Next  uint32           // the dialog of the INVITE; the next answered fork of it
	Path        hops.Path        // of the root: what its hops have shown
	Branches    [branches]uint32 // branches of the attempt's INVITEs on the caller's hop
	Pending     [2]Change        // by side: the last re-INVITE or UPDATE
	Byes        [2]Bye           // by side: the last BYE
	Guesses     uint32           // of the root: requests whose tags are not all known

	AcceptedBye hops.Ending // the earliest accepted BYE after the last sign of life
	OtherBye    hops.Ending // the earliest other BYE after the last sign of life
	EarlyBye    hops.Ending // what EarlyEnd was when the call was published as over

	FirstSeen, Setup, Progress, Ring, Answer, Acked int64
	Cancelled, RefusedAt, Refreshed, Lost, EndTime  int64
	Updated, Provisioned, holdSince, held           int64
	Transferred                                     int64
	Drift                                           int64  // what the clock had been stepped by when it opened
	Digest                                          uint64 // the digest of what was published of its end
	Closed                                          int64  // when it was published as over

	CSeq, Expires                          uint32 // of the INVITE; of the session timer, seconds
	CancelBranch, AnswerBranch             uint32
	Repeats, Revision                      uint32
	Reinvites, Holds, Challenges           uint16
	Redirects, Code, Reuse                 uint16
	Steps                                  uint16        // of the clock when it opened
	Faults                                 event.Missing // of what was seen; what was not seen is derived
	Flags                                  event.CallFlags
	Phase                                  Phase
	EndCause                               event.EndCause
	EndSource                              event.EndSource // how its end is known
	Seen                                   uint8           // of SeenRequest, SeenResponse
	Ordinal                                uint8           // counts the answered forks of one INVITE
	Transfer, Offered                      event.Transfer  // accepted; asked for by a REFER
	CancelCause, FinalCause                uint8           // Q.850, as Reason gives it
	NBranches, BranchesDone, holding, Vias uint8
	Answers                                uint8 // of the INVITE, by forks
	Reserved                               uint8 // revisions that may have been published before a restart
	EarlyMedia, ByAck, RefusedByAck        bool
	Retryable, Downstream                  bool // downstream: the answer is that of another hop
	ByUpdate                               bool // an UPDATE alone proves the answer
	Accepted, ByeAlone                     bool // the INVITE was; nothing but a BYE and its response was seen
	Inferred, Counted, Published           bool // inferred: over by a timer
	Regathered                             bool // its Facts changed since it was saved
	Restored                               bool // taken up again after a restart: its texts and addresses are gone
}

// What was seen of a dialog.
const (
	SeenRequest uint8 = 1 << iota
	SeenResponse
)

// Answered reports whether d's INVITE was accepted.
func (d *Dialog) Answered() bool { return d.Accepted }

// Undecided reports whether d was published as not answered, and no final response said so.
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

// AddBranch remembers a branch, in place of the oldest one that has its final response if there is no room.
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

// Attempt makes d await the answer to an INVITE with a higher CSeq.
func (d *Dialog) Attempt(cseq uint32) {
	d.CSeq, d.Phase = cseq, Calling
	d.NBranches, d.BranchesDone, d.Code = 0, 0, 0
	d.RefusedAt, d.Acked, d.Cancelled, d.Updated = 0, 0, 0, 0
	d.RefusedByAck, d.FinalCause, d.CancelCause = false, 0, 0
}

// Followed reports whether an INVITE at t comes soon enough after d's refusal to be of the same call.
func (d *Dialog) Followed(t int64) bool {
	return d.RefusedAt != 0 && t-max(d.RefusedAt, d.Acked) <= ForkRetryWait
}

// Reused reports whether m begins another call under the Call-ID and tag of d, which is over: its CSeq is higher and
// it does not follow a refusal at once, or it is a new INVITE that comes later than the calls of one attempt do.
func (d *Dialog) Reused(m *sip.Message, k event.Keys, ring int64) bool {
	at := m.Time.UnixNano()
	if m.CSeq > d.CSeq {
		challenged := d.Code == 401 || d.Code == 407 || d.Code/100 == 3
		return d.Answered() || challenged || !d.Followed(at)
	}
	return d.BranchIndex(k.ShortBranch()) < 0 && at-d.FirstSeen > ring
}

// NoteLateFinal takes note of a response to an INVITE before d's last one, which is read late.
func (d *Dialog) NoteLateFinal(m *sip.Message) {
	switch {
	case Challenges(m.Status):
		d.Challenges++
	case m.Status/100 == 3:
		d.Redirects++
	}
}

// NoteFork takes note of what a hop has shown of d before d answered.
func (d *Dialog) NoteFork(f *hops.Fork) {
	if f.Progress != 0 && (d.Progress == 0 || f.Progress < d.Progress) {
		d.Progress = f.Progress
	}
	if f.Ring != 0 && (d.Ring == 0 || f.Ring < d.Ring) {
		d.Ring = f.Ring
	}
	d.Repeats += uint32(f.Repeats)
}

// DropEarlyChanges forgets what was agreed before the answer: that is no change of the call.
func (d *Dialog) DropEarlyChanges() {
	if (!d.Accepted || d.ByUpdate) && d.Updated != 0 {
		d.Reinvites, d.Holds, d.held, d.holding = 0, 0, 0, 0
	}
}

// NoteCancelRace takes note of it if the CANCEL and the 2xx to d's INVITE crossed.
func (d *Dialog) NoteCancelRace() {
	if d.Cancelled != 0 && d.Code != 0 && (d.Downstream || d.AnswerBranch == d.CancelBranch) {
		d.Flags |= event.CancelRace
	}
}

// Before reports whether an answer on another hop at the time at may be d's.
func (d *Dialog) Before(at int64) bool { return d.Answer == 0 || d.ByAck || at <= d.Answer }

// Follows reports whether h may carry the dialogs of the caller's hop on: another target of the same sender does not.
func (root *Dialog) Follows(t *hops.Table, h *hops.View) bool {
	near := t.At(root.Path.First)
	return h.Invited == 0 || near.Invited == 0 || h.Hop.Src != near.Hop.Src || h.Hop.Src == h.Hop.Dst
}

// Name tells d from other dialogs, from the other forks of its INVITE, and from other calls with its Call-ID.
func (d *Dialog) Name() event.Key {
	return d.Index.With(event.Key{d.Ordinal, byte(d.Reuse), byte(d.Reuse >> 8)})
}

// ReuseMark is what d's record is named by: the Call-ID and the caller's tag; of a BYE alone the Call-ID, whatever its tags.
func (d *Dialog) ReuseMark() uint64 { return d.Index.Short() }

// EventOrdinal puts the Events of one Call-ID in order: by its use, its fork and its telling.
func (d *Dialog) EventOrdinal() uint32 {
	return uint32(min(d.Reuse, 255))<<24 | uint32(d.Ordinal)<<16 | uint32(d.Revision)
}

// Saveable reports whether d is a call that goes on, or one that was published as over and that what comes late may
// prove to have ended otherwise.
func (d *Dialog) Saveable() bool {
	if d.Phase == Terminated {
		return d.Published && !d.ByeAlone && (d.Undecided() || d.Answered() && d.AcceptedBye.Time == 0)
	}
	return d.Counted
}

// ReserveRevisions skips the revision numbers that may have been published after d was saved, so that a restored call
// never publishes one of them with another body. They are skipped when a message of d comes, which proves that its end
// was not published. The end of a d of which none comes may have been; then its end has the revision of that one, and
// changes nothing.
func (d *Dialog) ReserveRevisions(told event.Stages) {
	for _, stage := range [...]event.Stage{event.Answer, event.Interim} {
		if told.Has(stage) && d.Reserved < 255 && (stage == event.Interim || !d.Accepted) {
			d.Reserved++
		}
	}
}

// Retime gives the time to what has the time from, and reports whether there was anything.
func (d *Dialog) Retime(from, to int64) (changed bool) {
	return hops.Replace(from, to, &d.FirstSeen, &d.Setup, &d.Progress, &d.Ring, &d.Answer, &d.Acked, &d.Cancelled, &d.RefusedAt,
		&d.Refreshed, &d.Lost, &d.EndTime, &d.Updated, &d.Transferred, &d.holdSince, &d.AcceptedBye.Time, &d.OtherBye.Time,
		&d.EarlyBye.Time,
		&d.Pending[0].Time, &d.Pending[1].Time, &d.Byes[0].Time, &d.Byes[1].Time)
}
