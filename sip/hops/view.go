package hops

import (
	"slices"

	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

const hopLegs = 4 // INVITEs on one hop whose branches are remembered, to recognise the ACK of a refusal

// A View is what the messages of one call have shown on one hop, an unordered pair of addresses.
type View struct {
	Next      uint32                  // number of the next hop of the path
	Hop       Hop                     // in the direction of its first INVITE, else of its first message
	Invited   int64                   // time of the first INVITE with the last CSeq, nanoseconds; 0 without one
	cseq      uint32                  // of the last INVITE or response to one
	InvitedAs uint32                  // of the last INVITE
	Legs      [hopLegs]uint32         // branches of the INVITEs with that CSeq
	vias      [event.LowerVias]uint32 // the branches below them
	Final     finalResponse
	Open      uint8  // INVITEs with that CSeq that have no final response
	Forks     uint16 // how many To tags were seen
	Proved    uint16 // of them, those that no response to the INVITE had
	First     Fork
	Tagless   uint32 // number of the BYEs before the answer to an unknown fork, 0 without any
	more      uint32 // number of the other forks, once there are two
}

// A finalResponse is the last final response on a hop to an INVITE that opens a dialog. A 2xx is not replaced by a
// refusal.
type finalResponse struct {
	Time  int64
	Acked int64 // its ACK, nanoseconds; 0 if that was not seen. It is not saved
	Tag   uint64
	Code  uint16
	Cause uint8
}

// startsWith reports whether the INVITE was sent on x and on y from one address.
func (x *View) startsWith(y *View) bool {
	return x.Invited != 0 && y.Invited != 0 && x.Hop.startsWith(&y.Hop)
}

// FinalOf returns m as the final response of a hop.
func FinalOf(m *sip.Message, k event.Keys) finalResponse {
	return finalResponse{Time: m.Time.UnixNano(), Tag: k.To.Short(), Code: uint16(m.Status), Cause: facts.Cause(m)}
}

// below reports whether the INVITE of x was forwarded as that of y: its branch is in y's Vias below the topmost.
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

// AddLeg adds l, the branch of an INVITE on h.
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

// preferred reports whether the call rather left by y than by x: by the hop that answered; if both did, by the one that
// answered with the tag callee, else by the first; if none did, by the last INVITE.
func (y *View) preferred(x *View, callee uint64) bool {
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

// Invite records the INVITE m, which opens a dialog, on h.
func (h *View) Invite(m *sip.Message, k event.Keys) {
	sent := m.Time.UnixNano()
	switch {
	case h.Invited == 0:
		h.Hop, h.Invited = Of(m, h.Hop.Point), sent
	case sent < h.Invited, m.CSeq > h.InvitedAs:
		h.Invited = sent
	}
	h.InvitedAs = max(h.InvitedAs, m.CSeq)
	if h.AddLeg(m.CSeq, k.ShortBranch()); m.CSeq == h.cseq {
		h.vias = k.Vias
		h.Open = min(h.Open+1, 100)
	}
}
