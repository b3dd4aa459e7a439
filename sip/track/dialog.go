package track

import (
	"math/bits"
	"net/netip"
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
)

// A phase is where in its life a dialog is.
type phase uint8

// Phases. The first is a dialog's that nothing but an INVITE or a provisional response is known of.
const (
	trying  phase = iota
	waiting       // 401, 407 or 3xx: a new INVITE may follow
	refused       // any other refusal, or an ACK that proves one
	up            // answered
	leaving       // a BYE was seen
	byeOnly       // a BYE of an unknown call, whose 2xx is awaited
	over          // told
)

// Waits that are RFC 3261's: 64*T1 for an ACK or the end of a transaction (section 17.1.1.2), and the time in
// which a proxy that tries its targets one by one sends the next INVITE after the ACK to a refusal.
const (
	patience = int64(32 * time.Second)
	settling = int64(2 * time.Second)
)

const (
	prints   = 20 // messages that are remembered to know repeats by
	branches = 6  // INVITE transactions of one attempt on the caller's hop
	maxForks = 16 // forks whose times are remembered, and that may answer
)

// A dialog is a call attempt, or one answered fork of it. It holds no pointer; times are nanoseconds, 0 unknown.
type dialog struct {
	index, call Key    // what it is found by; of its Call-ID
	callee      uint64 // the callee's tag, once answered; of a BYE alone the other tag
	text        text   // its Facts
	row         link
	source      uint32    // who is counted for it while nothing shows that the other side took it for a call
	peer        [2]uint32 // the dialogs before and after it that source is counted for
	root, next  uint32    // the dialog of the INVITE; the next answered fork of it
	forking     uint32    // its forks, once there are two
	seen        [prints]uint32
	legs        [branches]uint32 // branches of the attempt's INVITEs on the caller's hop
	pending     [2]change        // by side: a re-INVITE or UPDATE that has no final response yet

	first, setup, progress, ring, answer, acked int64
	cancelled, refusedAt, bye, gone, refreshed  int64
	farAt, holdSince, held                      int64
	drift                                       int64 // what the clock had been stepped by when it opened

	hop                                   hop
	cseq, expires                         uint32 // of the INVITE; of the session timer, seconds
	cancelLeg, answerLeg, firstFork       uint32
	repeats, revision                     uint32
	forks, reinvites, holds, challenges   uint16
	redirects, code, farCode, reuse       uint16
	steps                                 uint16  // of the clock when it opened
	faults                                Missing // of what was seen; what was not seen is derived
	flags                                 CallFlags
	phase                                 phase
	byeBy                                 Party
	cause                                 EndCause
	known                                 EndSource // how its end is known
	heard                                 uint8     // of heardRequest, heardResponse
	ordinal                               uint8     // counts the answered forks of one INVITE
	transfer, offered                     Transfer  // accepted; asked for by a REFER
	cancelCause, byeCause, finalCause     uint8     // Q.850, as Reason gives it
	nseen, nlegs, legsDone, holding, vias uint8
	answers                               uint8 // of the INVITE, by forks
	early, byAck, refusedByAck, retryable bool
	accepted, alone                       bool // the INVITE was; nothing but a BYE and its response was seen
	byeAnswered, counted, told            bool
	regathered                            bool  // its Facts changed since it was saved
	owed                                  uint8 // revisions that may have been told before a restart
}

// What was heard of a dialog.
const (
	heardRequest uint8 = 1 << iota
	heardResponse
)

// A change is a re-INVITE or an UPDATE under way.
type change struct {
	cseq   uint32
	hold   uint8 // what its offer means: holdUnknown, holdOn, holdOff
	method sip.Method
	open   bool
}

const (
	holdUnknown uint8 = iota
	holdOn
	holdOff
)

// A hop is a capture.Flow without pointers, and where it was seen.
type hop struct {
	src, dst  [16]byte
	sport     uint16
	dport     uint16
	vlan      uint16
	transport capture.Transport
	origin    capture.Origin
	v4        bool
	valid     bool
	point     uint8
	veil      uint8 // what of it is hidden
	link      [6]byte
}

func hopOf(m *sip.Message, point uint8) hop {
	f := m.Flow
	return hop{src: f.Src.Addr().As16(), dst: f.Dst.Addr().As16(), sport: f.Src.Port(), dport: f.Dst.Port(),
		vlan: m.VLAN, transport: f.Transport, origin: m.Origin, v4: f.Src.Addr().Is4(), valid: f.Src.IsValid(),
		point: point, link: m.Link}
}

// flow returns h as a capture.Flow.
func (h *hop) flow() capture.Flow {
	if !h.valid || h.veil != 0 {
		return capture.Flow{Transport: h.transport}
	}
	src, dst := netip.AddrFrom16(h.src), netip.AddrFrom16(h.dst)
	if h.v4 {
		src, dst = src.Unmap(), dst.Unmap()
	}
	return capture.Flow{Src: netip.AddrPortFrom(src, h.sport), Dst: netip.AddrPortFrom(dst, h.dport),
		Transport: h.transport}
}

// carries reports whether m, of an INVITE's transaction or its ACK, passed between the caller and whoever is next to
// it. One host that speaks to itself is told by its ports.
func (h *hop) carries(m *sip.Message) bool {
	near := m.Flow.Src
	if !m.Request() {
		near = m.Flow.Dst
	}
	if !near.IsValid() || !h.valid {
		return true
	}
	return near.Addr().As16() == h.src && (h.src != h.dst || near.Port() == h.sport)
}

// returns reports whether m arrives where the first INVITE arrived.
func (h *hop) returns(m *sip.Message) bool {
	return m.Flow.Dst.IsValid() && m.Flow.Dst.Addr().As16() == h.dst && m.Flow.Dst.Port() == h.dport
}

// repeated reports whether d has seen m's kind of message in m's transaction before, and remembers it.
func (d *dialog) repeated(m *sip.Message, k Keys) bool {
	p := print(m, k)
	for i := range min(d.nseen, prints) {
		if d.seen[i] == p {
			d.repeats++
			return true
		}
	}
	i := d.nseen % prints
	d.seen[i] = p
	if d.nseen++; d.nseen == 2*prints {
		d.nseen = prints
	}
	return false
}

// print returns a number that is equal for two messages of one kind in one transaction (RFC 3261 section 17.2.3).
func print(m *sip.Message, k Keys) uint32 {
	h := k.Branch.short()
	if k.Branch == (Key{}) {
		h = m.Body
	}
	h ^= uint64(m.Method)<<56 | uint64(m.Status)<<40 | uint64(m.CSeq)
	if m.Status != 0 {
		h += k.To.short()
	}
	if m.Status > 100 && m.Status < 200 {
		h += m.Body // a provisional response may be followed by another of its status
	}
	h *= 0x9e3779b97f4a7c15
	return uint32(h >> 32)
}

// leg returns m's branch as a dialog remembers it, never 0.
func leg(k Keys) uint32 { return uint32(k.Branch.short()) | 1 }

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
	d.cseq, d.phase = cseq, trying
	d.nlegs, d.legsDone, d.code, d.farCode = 0, 0, 0, 0
	d.refusedAt, d.farAt, d.acked, d.cancelled = 0, 0, 0, 0
	d.refusedByAck, d.finalCause = false, 0
}
