package dialog

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/sdp"
)

// A HoldOffer is what a session description means for a hold (RFC 3264 section 8.4).
type HoldOffer uint8

// HoldOffers.
const (
	NoOffer HoldOffer = iota // no session description, or none with media
	Hold
	Resume
)

// OfferOf returns what the session description of m means for a hold.
func OfferOf(m *sip.Message) HoldOffer {
	v := m.Value(sip.Media)
	if len(v) == 0 {
		return NoOffer
	}
	s := sdp.Read(v)
	switch {
	case s.Hold():
		return Hold
	case s.NTypes > 0:
		return Resume
	}
	return NoOffer
}

// Holds count and time the holds of a dialog. It is on hold while either side holds it.
type Holds struct {
	since, total int64 // nanoseconds: when the hold began that goes on; the length of those that ended
	Count        uint16
	sides        uint8 // a bit for each side that holds
}

// Set starts or ends a hold by side at t (nanoseconds).
func (h *Holds) Set(t int64, side event.Party, offer HoldOffer) {
	before := h.sides
	switch offer {
	case Hold:
		h.sides |= 1 << side
	case Resume:
		h.sides &^= 1 << side
	}
	switch {
	case before == 0 && h.sides != 0:
		h.Count++
		h.since = t
	case before != 0 && h.sides == 0:
		h.total += max(t-h.since, 0)
	}
}

// Total returns how long the dialog, which ended at end, was on hold, in nanoseconds. If it has not ended (0), a hold
// that goes on does not count.
func (h *Holds) Total(end int64) int64 {
	if h.sides == 0 || end == 0 {
		return h.total
	}
	return h.total + max(end-h.since, 0)
}
