package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// refer remembers that a transfer was asked for.
func (t *callTable) refer(d *dialog, m *sip.Message) {
	if !d.answered() || d.ended.at != 0 {
		return
	}
	if d.offered = event.Blind; facts.Replaced(m.Value(sip.ReferTo)) != nil {
		d.offered = event.Attended
	}
	t.gatherTransfer(d, m)
}

// referred takes note of a response to REFER. What a transfer that is refused was to is forgotten.
func (t *callTable) referred(d *dialog, m *sip.Message) {
	switch {
	case !final(m):
	case d.offered == event.NoTransfer && m.Status < 300 && d.answered() && d.ended.at == 0: // the REFER was not seen
		d.offered, d.transfer, d.transferred = event.Blind, event.Blind, m.Time.UnixNano()
		t.amend(d)
	case d.offered == event.NoTransfer:
	case m.Status < 300:
		d.transfer = d.offered
		if d.transferred == 0 {
			d.transferred = m.Time.UnixNano()
		}
		t.showTransfer(d, m)
		t.amend(d)
	case d.transfer == event.NoTransfer:
		d.offered = event.NoTransfer
		t.keep(d, t.gather.NoTransfer(t.factsOf(d)))
	}
}
