package track

import (
	"math/bits"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// A phase is where in its life a dialog is.
type phase uint8

// Phases. The first is that of a call of which nothing but an INVITE or a provisional response is known.
const (
	calling       phase = iota
	awaitingRetry       // 401, 407 or 3xx: a new INVITE may follow
	rejected            // any other refusal, or an ACK that proves one
	confirmed           // answered
	terminating         // answered, and a BYE, or a 481 or 408 to a re-INVITE or UPDATE, was seen
	unconfirmed         // a BYE or a re-INVITE of an unknown call, whose 2xx is awaited
	terminated          // published as over
)

// ForkRetryWait is how long after the ACK to a refusal a proxy that tries its targets one by one sends the next INVITE,
// at most, in nanoseconds.
const forkRetryWait = int64(2 * time.Second)

const (
	branches = 6 // INVITE transactions of one attempt on the caller's hop
)

// A dialog is a call attempt, or one answered fork of it. It holds no pointer; times are nanoseconds, 0 unknown.
type dialog struct {
	index, call event.Key        // what it is found by; of its Call-ID
	callee      uint64           // the callee's tag, once answered; of a BYE alone the other tag
	text        mem.Text         // its Facts
	root, next  uint32           // the dialog of the INVITE; the next answered fork of it
	path        path             // of the root: what its hops have shown
	legs        [branches]uint32 // branches of the attempt's INVITEs on the caller's hop
	pending     [2]change        // by side: the last re-INVITE or UPDATE
	byes        [2]bye           // by side: the last BYE
	guesses     uint32           // of the root: requests whose tags are not all known

	ended   ending // the earliest accepted BYE after the last sign of life
	unended ending // the earliest other BYE after the last sign of life
	early   ending // what earlyEnd was when the call was published as over

	first, setup, progress, ring, answer, acked int64
	cancelled, refusedAt, refreshed, lost, gone int64
	updated, provisioned, holdSince, held       int64
	transferred                                 int64
	drift                                       int64  // what the clock had been stepped by when it opened
	published                                   uint64 // the digest of what was published of its end
	closed                                      int64  // when it was published as over

	cseq, expires                   uint32 // of the INVITE; of the session timer, seconds
	cancelLeg, answerLeg            uint32
	repeats, revision               uint32
	reinvites, holds, challenges    uint16
	redirects, code, reuse          uint16
	steps                           uint16        // of the clock when it opened
	faults                          event.Missing // of what was seen; what was not seen is derived
	flags                           event.CallFlags
	phase                           phase
	cause                           event.EndCause
	known                           event.EndSource // how its end is known
	heard                           uint8           // of heardRequest, heardResponse
	ordinal                         uint8           // counts the answered forks of one INVITE
	transfer, offered               event.Transfer  // accepted; asked for by a REFER
	cancelCause, finalCause         uint8           // Q.850, as Reason gives it
	nlegs, legsDone, holding, vias  uint8
	answers                         uint8 // of the INVITE, by forks
	owed                            uint8 // revisions that may have been published before a restart
	earlyMedia, byAck, refusedByAck bool
	retryable, downstream           bool // downstream: the answer is that of another hop
	byUpdate                        bool // an UPDATE alone proves the answer
	accepted, alone                 bool // the INVITE was; nothing but a BYE and its response was seen
	inferred, counted, told         bool // inferred: over by a timer
	regathered                      bool // its Facts changed since it was saved
	restored                        bool // taken up again after a restart: its texts and addresses are gone
}

// What was heard of a dialog.
const (
	heardRequest uint8 = 1 << iota
	heardResponse
)

// answered reports whether d's INVITE was accepted.
func (d *dialog) answered() bool { return d.accepted }

// undecided reports whether d was published as not answered, and no final response said so.
func (d *dialog) undecided() bool { return !d.answered() && d.refusedAt == 0 && d.setup != 0 }

// settled reports whether every INVITE of the attempt has its final response.
func (d *dialog) settled() bool { return d.legsDone == 1<<d.nlegs-1 }

// knowsLeg returns where in d.legs the branch l stands, -1 without one.
func (d *dialog) knowsLeg(l uint32) int {
	for i := range d.nlegs {
		if d.legs[i] == l {
			return int(i)
		}
	}
	return -1
}

// addLeg remembers a branch, in place of the oldest one that has its final response if there is no room.
func (d *dialog) addLeg(l uint32) {
	if d.knowsLeg(l) >= 0 {
		return
	}
	if d.nlegs == branches {
		done := bits.TrailingZeros8(d.legsDone)
		if done >= branches {
			return
		}
		copy(d.legs[done:], d.legs[done+1:])
		below := uint8(1)<<done - 1
		d.legsDone = d.legsDone&below | d.legsDone>>1&^below
		d.nlegs--
	}
	d.legs[d.nlegs] = l
	d.nlegs++
}

// attempt makes d await the answer to an INVITE with a higher CSeq.
func (d *dialog) attempt(cseq uint32) {
	d.cseq, d.phase = cseq, calling
	d.nlegs, d.legsDone, d.code = 0, 0, 0
	d.refusedAt, d.acked, d.cancelled, d.updated = 0, 0, 0, 0
	d.refusedByAck, d.finalCause, d.cancelCause = false, 0, 0
}

// followed reports whether an INVITE at t comes soon enough after d's refusal to be of the same call.
func (d *dialog) followed(t int64) bool {
	return d.refusedAt != 0 && t-max(d.refusedAt, d.acked) <= forkRetryWait
}

// reused reports whether m begins another call under the Call-ID and tag of d, which is over: its CSeq is higher and
// it does not follow a refusal at once, or it is a new INVITE that comes later than the calls of one attempt do.
func (d *dialog) reused(m *sip.Message, k event.Keys, ring int64) bool {
	at := m.Time.UnixNano()
	if m.CSeq > d.cseq {
		challenged := d.code == 401 || d.code == 407 || d.code/100 == 3
		return d.answered() || challenged || !d.followed(at)
	}
	return d.knowsLeg(k.ShortBranch()) < 0 && at-d.first > ring
}

// lateFinal takes note of a response to an INVITE before d's last one, which is read late.
func (d *dialog) lateFinal(m *sip.Message) {
	switch {
	case challenges(m.Status):
		d.challenges++
	case m.Status/100 == 3:
		d.redirects++
	}
}

// takeFork takes note of what a hop has shown of d before d answered.
func (d *dialog) takeFork(f *fork) {
	if f.progress != 0 && (d.progress == 0 || f.progress < d.progress) {
		d.progress = f.progress
	}
	if f.ring != 0 && (d.ring == 0 || f.ring < d.ring) {
		d.ring = f.ring
	}
	d.repeats += uint32(f.repeats)
}

// dropEarlyChanges forgets what was agreed before the answer: that is no change of the call.
func (d *dialog) dropEarlyChanges() {
	if (!d.accepted || d.byUpdate) && d.updated != 0 {
		d.reinvites, d.holds, d.held, d.holding = 0, 0, 0, 0
	}
}

// races takes note of it if the CANCEL and the 2xx to d's INVITE crossed.
func (d *dialog) races() {
	if d.cancelled != 0 && d.code != 0 && (d.downstream || d.answerLeg == d.cancelLeg) {
		d.flags |= event.CancelRace
	}
}

// before reports whether an answer on another hop at the time at may be d's.
func (d *dialog) before(at int64) bool { return d.answer == 0 || d.byAck || at <= d.answer }

// follows reports whether h may carry the dialogs of the caller's hop on: another target of the same sender does not.
func (root *dialog) follows(t *hopTable, h *hopFacts) bool {
	near := t.At(root.path.first)
	return h.invited == 0 || near.invited == 0 || h.hop.src != near.hop.src || h.hop.src == h.hop.dst
}

// name tells d from other dialogs, from the other forks of its INVITE, and from other calls with its Call-ID.
func (d *dialog) name() event.Key {
	return d.index.With(event.Key{d.ordinal, byte(d.reuse), byte(d.reuse >> 8)})
}

// useMark is what d's record is named by: the Call-ID and the caller's tag; of a BYE alone the Call-ID, whatever its tags.
func (d *dialog) useMark() uint64 { return d.index.Short() }

// turn puts the Events of one Call-ID in order: by its use, its fork and its telling.
func (d *dialog) turn() uint32 {
	return uint32(min(d.reuse, 255))<<24 | uint32(d.ordinal)<<16 | uint32(d.revision)
}

// saveable reports whether d is a call that goes on, or one that was published as over and that what comes late may
// prove to have ended otherwise.
func (d *dialog) saveable() bool {
	if d.phase == terminated {
		return d.told && !d.alone && (d.undecided() || d.answered() && d.ended.at == 0)
	}
	return d.counted
}

// reserveRevisions skips the revision numbers that may have been published after d was saved, so that a restored call
// never publishes one of them with another body. They are skipped when a message of d comes, which proves that its end
// was not published. The end of a d of which none comes may have been; then its end has the revision of that one, and
// changes nothing.
func (d *dialog) reserveRevisions(told event.Stages) {
	for _, stage := range [...]event.Stage{event.Answer, event.Interim} {
		if told.Has(stage) && d.owed < 255 && (stage == event.Interim || !d.accepted) {
			d.owed++
		}
	}
}

func (d *dialog) retime(from, to int64) (changed bool) {
	return replace(from, to, &d.first, &d.setup, &d.progress, &d.ring, &d.answer, &d.acked, &d.cancelled, &d.refusedAt,
		&d.refreshed, &d.lost, &d.gone, &d.updated, &d.transferred, &d.holdSince, &d.ended.at, &d.unended.at,
		&d.early.at,
		&d.pending[0].at, &d.pending[1].at, &d.byes[0].at, &d.byes[1].at)
}
