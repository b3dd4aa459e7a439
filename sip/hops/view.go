package hops

import (
	"slices"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

const hopLegs = 4 // INVITEs on one hop that ACKs of refusals are known by

// View is what one hop of a call, an unordered pair of addresses, has shown.
type View struct {
	Next      uint32
	Hop       Hop                     // as its first INVITE went; without one as the first message went
	Invited   int64                   // its first INVITE of the last CSeq, 0 without one
	cseq      uint32                  // of the last INVITE or response to one
	InvitedAs uint32                  // of the last INVITE
	Legs      [hopLegs]uint32         // branches of the INVITEs with that CSeq
	vias      [event.LowerVias]uint32 // the branches below them
	Final     finalResponse
	Open      uint8  // INVITEs with that CSeq that have no final response
	Forks     uint16 // To tags
	Proved    uint16 // of them, those that no response to the INVITE has shown
	First     Fork
	Tagless   uint32 // BYEs before the answer to no fork that is known, 0 without any
	forking   uint32 // the other forks, once there are two
}

// A finalResponse is the last final response on a hop to an INVITE that opens a dialog; a 2xx stays.
type finalResponse struct {
	Time  int64
	Tag   uint64
	Code  uint16
	Cause uint8
}

// FinalOf returns m as the final response of a hop.
func FinalOf(m *sip.Message, k event.Keys) finalResponse {
	return finalResponse{Time: m.Time.UnixNano(), Tag: k.To.Short(), Code: uint16(m.Status), Cause: facts.Cause(m)}
}

// below reports whether x's INVITE was sent on as y's: its branch stands in y's Vias below the topmost.
func (x *View) below(y *View) bool {
	if x.cseq != y.cseq {
		return false
	}
	for _, v := range y.vias {
		if v != 0 && x.HasLeg(v) {
			return true
		}
	}
	return false
}

// AddLeg remembers the branch of an INVITE on h.
func (h *View) AddLeg(cseq, l uint32) {
	if cseq > h.cseq {
		h.cseq, h.Legs, h.Open = cseq, [hopLegs]uint32{}, 0
	}
	if cseq == h.cseq && !h.HasLeg(l) {
		copy(h.Legs[1:], h.Legs[:])
		h.Legs[0] = l
	}
}

// HasLeg reports whether l is the branch of an INVITE on h.
func (h *View) HasLeg(l uint32) bool { return slices.Contains(h.Legs[:], l) }

// takes reports whether the call rather went on by y than by x: the one that answered, of two the one that answered with
// the tag callee, of two the first one; else the later one.
func (y *View) takes(x *View, callee uint64) bool {
	ya, xa := y.Final.Code/100 == 2, x.Final.Code/100 == 2
	switch {
	case ya && xa && (y.Final.Tag == callee) != (x.Final.Tag == callee):
		return y.Final.Tag == callee
	case ya && xa:
		return y.Final.Time < x.Final.Time
	case ya != xa:
		return ya
	}
	return y.Invited > x.Invited
}

// Invite takes note of the INVITE m, which opens a dialog, on h.
func (h *View) Invite(m *sip.Message, k event.Keys) {
	at := m.Time.UnixNano()
	switch {
	case h.Invited == 0:
		h.Hop, h.Invited = Of(m, h.Hop.Point), at
	case at < h.Invited, m.CSeq > h.InvitedAs:
		h.Invited = at
	}
	h.InvitedAs = max(h.InvitedAs, m.CSeq)
	if h.AddLeg(m.CSeq, k.ShortBranch()); m.CSeq == h.cseq {
		h.vias = k.Vias
		h.Open = min(h.Open+1, 100)
	}
}
