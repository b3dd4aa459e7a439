// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
)

// What comes late for a call that was published as over proves another end in these cases; the call goes on as if it
// had not been, and its end is published as a correction:
//
//	published as                     what comes late
//	without a final response         a final response, an ACK that proves one, a CANCEL, an accepted BYE
//	refused                          a 2xx, an INVITE to a further target, an INVITE within 2 s of the ACK
//	answered, without a BYE          a BYE or its 2xx, the final response to a re-INVITE or UPDATE
//	answered, its BYE not accepted   an accepted BYE, the 2xx to a re-INVITE or UPDATE
//	answered, the dialog lost        an accepted BYE, the 2xx to a re-INVITE or UPDATE
//	anything                         what was sent before and read late: a provisional response, a BYE, a 2xx
//	within a loss said later         (Missed) nothing more: it is published with LossWindow
//
// Everything else is a repeat, or what was missing and changes nothing.

// reopen makes dialog n go on in phase p.
func (t *Table) reopen(n uint32, d *dialog.Dialog, p dialog.Phase) {
	d.Phase, d.EndCause, d.EndSource, d.EndTime, d.Inferred = p, 0, 0, 0, false
	t.move(n, endedRow)
	t.lapses.Set(n, t.Now+event.Timer64T1)
}
