package track

import (
	"math/bits"
	"time"

	"sipsieve/sip"
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

// Waits that are RFC 3261's: 64*T1 for an ACK or the end of a transaction (section 17.1.1.2), and the time in
// which a proxy that tries its targets one by one sends the next INVITE after the ACK to a refusal.
const (
	timer64T1     = int64(32 * time.Second)
	forkRetryWait = int64(2 * time.Second)
)

const (
	branches = 6 // INVITE transactions of one attempt on the caller's hop
)

// A dialog is a call attempt, or one answered fork of it. It holds no pointer; times are nanoseconds, 0 unknown.
type dialog struct {
	index, call Key              // what it is found by; of its Call-ID
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
	steps                           uint16  // of the clock when it opened
	faults                          Missing // of what was seen; what was not seen is derived
	flags                           CallFlags
	phase                           phase
	cause                           EndCause
	known                           EndSource // how its end is known
	heard                           uint8     // of heardRequest, heardResponse
	ordinal                         uint8     // counts the answered forks of one INVITE
	transfer, offered               Transfer  // accepted; asked for by a REFER
	cancelCause, finalCause         uint8     // Q.850, as Reason gives it
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

// A change is a re-INVITE or an UPDATE under way.
type change struct {
	at     int64
	cseq   uint32
	hold   uint8 // what its offer means: holdUnknown, holdOn, holdOff
	method sip.Method
	open   bool
	unseen bool // only a response was seen, at is that one's time

	accepted bool
}

const (
	holdUnknown uint8 = iota
	holdOn
	holdOff
)

// A bye is the last BYE of one side. One that is sent again after a challenge keeps the time of the first.
type bye struct {
	at     int64
	cseq   uint32
	status uint16 // of its final response; 0 without one
	cause  uint8  // Q.850, as Reason gives it
	unseen bool   // only a response was seen, at is that one's time
}

// guesses are, by side, a BYE and another request.
type guesses [2][2]guess

// A guess is a request inside a dialog of which one tag is known, on a hop that has shown no dialog: its 2xx says
// that it was one of this call.
type guess struct {
	at     int64
	cseq   uint32
	method sip.Method
	cause  uint8
	hold   uint8
}

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

// answered reports whether d's INVITE was accepted.
func (d *dialog) answered() bool { return d.accepted }

// settled reports whether every INVITE of the attempt has its final response.
func (d *dialog) settled() bool { return d.legsDone == 1<<d.nlegs-1 }

// attempt makes d await the answer to an INVITE with a higher CSeq.
func (d *dialog) attempt(cseq uint32) {
	d.cseq, d.phase = cseq, calling
	d.nlegs, d.legsDone, d.code = 0, 0, 0
	d.refusedAt, d.acked, d.cancelled, d.updated = 0, 0, 0, 0
	d.refusedByAck, d.finalCause, d.cancelCause = false, 0, 0
}
