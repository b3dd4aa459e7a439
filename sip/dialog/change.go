// This file has methods of Dialog because a file is one question about a dialog with its answer.

package dialog

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/sdp"
)

// A Change is a re-INVITE or an UPDATE under way.
type Change struct {
	Time   int64
	CSeq   uint32
	Hold   uint8 // what its offer means: HoldUnknown, holdOn, HoldOff
	Method sip.Method
	Open   bool
	Unseen bool // only a response was seen, at is that one's time

	Accepted bool
}

// What a session description means for a hold.
const (
	HoldUnknown uint8 = iota
	holdOn
	HoldOff
)

// NewChange returns what is remembered of m, a re-INVITE or an UPDATE.
func NewChange(m *sip.Message) Change {
	return Change{Time: m.Time.UnixNano(), CSeq: m.CSeq, Method: m.Method, Hold: Offer(m), Open: true}
}

// Offer says what the session description of m means for a hold (RFC 3264 section 8.4).
func Offer(m *sip.Message) uint8 {
	v := m.Value(sip.Media)
	if len(v) == 0 {
		return HoldUnknown
	}
	s := sdp.Read(v)
	switch {
	case s.Hold():
		return holdOn
	case s.NTypes > 0:
		return HoldOff
	}
	return HoldUnknown
}

// NoDialog reports whether status, to a request inside a dialog, says that there is none (RFC 3261 section 12.2.1.2).
func NoDialog(status int) bool { return status == 481 || status == 408 }

// Propose remembers a re-INVITE or an UPDATE until its final response comes.
func (d *Dialog) Propose(m *sip.Message, side event.Party) {
	c := &d.Pending[side-event.Caller]
	if c.CSeq == m.CSeq && c.Method == m.Method { // on another hop, or its 2xx was read first
		if c.Unseen && c.Accepted && Offer(m) == holdOn {
			d.SetHold(c.Time, side, holdOn)
		}
		if at := m.Time.UnixNano(); c.Time == 0 || at < c.Time {
			c.Time, c.Unseen = at, false
		}
		return
	}
	*c = NewChange(m)
}

// ProvenByUpdate reports whether an UPDATE was accepted that no provisional response followed: d, whose answer was
// not seen, is answered unless a final response or a CANCEL says otherwise.
func (d *Dialog) ProvenByUpdate() bool {
	return !d.Answered() && d.Updated > d.Provisioned && d.RefusedAt == 0 && d.Cancelled == 0
}

// SetHold starts or ends a hold by side at t.
func (d *Dialog) SetHold(t int64, side event.Party, what uint8) {
	before := d.holding
	switch what {
	case holdOn:
		d.holding |= 1 << side
	case HoldOff:
		d.holding &^= 1 << side
	}
	switch {
	case before == 0 && d.holding != 0:
		d.Holds++
		d.holdSince = t
	case before != 0 && d.holding == 0:
		d.held += max(t-d.holdSince, 0)
	}
}

// HeldUntil returns how long d was held until it ended, closed intervals only if it has no end.
func (d *Dialog) HeldUntil(end int64) int64 {
	if d.holding == 0 || end == 0 {
		return d.held
	}
	return d.held + max(end-d.holdSince, 0)
}
