// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// refer remembers that a transfer was asked for.
func (t *Table) refer(d *dialog.Dialog, m *sip.Message) {
	if !d.Answered() || d.AcceptedBye.Time != 0 {
		return
	}
	if d.Offered = event.Blind; facts.Replaced(m.Value(sip.ReferTo)) != nil {
		d.Offered = event.Attended
	}
	t.gatherTransfer(d, m)
}

// referred takes note of a response to REFER. What a transfer that is refused was to is forgotten.
func (t *Table) referred(d *dialog.Dialog, m *sip.Message) {
	switch {
	case !dialog.Final(m):
	case d.Offered == event.NoTransfer && m.Status < 300 && d.Answered() && d.AcceptedBye.Time == 0: // the REFER was not seen
		d.Offered, d.Transfer, d.Transferred = event.Blind, event.Blind, m.Time.UnixNano()
		t.amend(d)
	case d.Offered == event.NoTransfer:
	case m.Status < 300:
		d.Transfer = d.Offered
		if d.Transferred == 0 {
			d.Transferred = m.Time.UnixNano()
		}
		t.showTransfer(d, m)
		t.amend(d)
	case d.Transfer == event.NoTransfer:
		d.Offered = event.NoTransfer
		t.keep(d, t.gather.NoTransfer(t.factsOf(d)))
	}
}
