package track

import (
	"slices"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

const hopLegs = 4 // INVITEs on one hop that ACKs of refusals are known by

// hopFacts is what one hop of a call, an unordered pair of addresses, has shown.
type hopFacts struct {
	next      uint32
	hop       hop                     // as its first INVITE went; without one as the first message went
	invited   int64                   // its first INVITE of the last CSeq, 0 without one
	cseq      uint32                  // of the last INVITE or response to one
	invitedAs uint32                  // of the last INVITE
	legs      [hopLegs]uint32         // branches of the INVITEs with that CSeq
	vias      [event.LowerVias]uint32 // the branches below them
	final     finalResponse
	open      uint8  // INVITEs with that CSeq that have no final response
	forks     uint16 // To tags
	proved    uint16 // of them, those that no response to the INVITE has shown
	first     fork
	tagless   uint32 // BYEs before the answer to no fork that is known, 0 without any
	forking   uint32 // the other forks, once there are two
}

// A finalResponse is the last final response on a hop to an INVITE that opens a dialog; a 2xx stays.
type finalResponse struct {
	at    int64
	tag   uint64
	code  uint16
	cause uint8
}

// finalOf returns m as the final response of a hop.
func finalOf(m *sip.Message, k event.Keys) finalResponse {
	return finalResponse{at: m.Time.UnixNano(), tag: k.To.Short(), code: uint16(m.Status), cause: facts.Cause(m)}
}

// below reports whether x's INVITE was sent on as y's: its branch stands in y's Vias below the topmost.
func (x *hopFacts) below(y *hopFacts) bool {
	if x.cseq != y.cseq {
		return false
	}
	for _, v := range y.vias {
		if v != 0 && x.hasLeg(v) {
			return true
		}
	}
	return false
}

// addLeg remembers the branch of an INVITE on h.
func (h *hopFacts) addLeg(cseq, l uint32) {
	if cseq > h.cseq {
		h.cseq, h.legs, h.open = cseq, [hopLegs]uint32{}, 0
	}
	if cseq == h.cseq && !h.hasLeg(l) {
		copy(h.legs[1:], h.legs[:])
		h.legs[0] = l
	}
}

// hasLeg reports whether l is the branch of an INVITE on h.
func (h *hopFacts) hasLeg(l uint32) bool { return slices.Contains(h.legs[:], l) }

// takes reports whether the call rather went on by y than by x: the one that answered, of two the one that answered with
// the tag callee, of two the first one; else the later one.
func (y *hopFacts) takes(x *hopFacts, callee uint64) bool {
	ya, xa := y.final.code/100 == 2, x.final.code/100 == 2
	switch {
	case ya && xa && (y.final.tag == callee) != (x.final.tag == callee):
		return y.final.tag == callee
	case ya && xa:
		return y.final.at < x.final.at
	case ya != xa:
		return ya
	}
	return y.invited > x.invited
}

// invite takes note of the INVITE m, which opens a dialog, on h.
func (h *hopFacts) invite(m *sip.Message, k event.Keys) {
	at := m.Time.UnixNano()
	switch {
	case h.invited == 0:
		h.hop, h.invited = hopOf(m, h.hop.point), at
	case at < h.invited, m.CSeq > h.invitedAs:
		h.invited = at
	}
	h.invitedAs = max(h.invitedAs, m.CSeq)
	if h.addLeg(m.CSeq, k.ShortBranch()); m.CSeq == h.cseq {
		h.vias = k.Vias
		h.open = min(h.open+1, 100)
	}
}
