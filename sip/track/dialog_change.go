package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/sdp"
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

// What a session description means for a hold.
const (
	holdUnknown uint8 = iota
	holdOn
	holdOff
)

func newChange(m *sip.Message) change {
	return change{at: m.Time.UnixNano(), cseq: m.CSeq, method: m.Method, hold: offer(m), open: true}
}

// offer says what the session description of m means for a hold (RFC 3264 section 8.4).
func offer(m *sip.Message) uint8 {
	v := m.Value(sip.Media)
	if len(v) == 0 {
		return holdUnknown
	}
	s := sdp.Read(v)
	switch {
	case s.Hold():
		return holdOn
	case s.NTypes > 0:
		return holdOff
	}
	return holdUnknown
}

// lost reports whether status, to a request inside a dialog, says that there is none (RFC 3261 section 12.2.1.2).
func lost(status int) bool { return status == 481 || status == 408 }

// propose remembers a re-INVITE or an UPDATE until its final response comes.
func (d *dialog) propose(m *sip.Message, side event.Party) {
	c := &d.pending[side-event.Caller]
	if c.cseq == m.CSeq && c.method == m.Method { // on another hop, or its 2xx was read first
		if c.unseen && c.accepted && offer(m) == holdOn {
			d.hold(c.at, side, holdOn)
		}
		if at := m.Time.UnixNano(); c.at == 0 || at < c.at {
			c.at, c.unseen = at, false
		}
		return
	}
	*c = newChange(m)
}

// provenByUpdate reports whether an UPDATE was accepted that no provisional response followed: d, whose answer was
// not seen, is answered unless a final response or a CANCEL says otherwise.
func (d *dialog) provenByUpdate() bool {
	return !d.answered() && d.updated > d.provisioned && d.refusedAt == 0 && d.cancelled == 0
}

// hold starts or ends a hold by side at t.
func (d *dialog) hold(t int64, side event.Party, what uint8) {
	before := d.holding
	switch what {
	case holdOn:
		d.holding |= 1 << side
	case holdOff:
		d.holding &^= 1 << side
	}
	switch {
	case before == 0 && d.holding != 0:
		d.holds++
		d.holdSince = t
	case before != 0 && d.holding == 0:
		d.held += max(t-d.holdSince, 0)
	}
}

// heldUntil returns how long d was held until it ended, closed intervals only if it has no end.
func (d *dialog) heldUntil(end int64) int64 {
	if d.holding == 0 || end == 0 {
		return d.held
	}
	return d.held + max(end-d.holdSince, 0)
}
