// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// showInvite tells what the INVITE m that opened d shows.
func (t *Table) showInvite(d *dialog.Dialog, m *sip.Message) {
	if t.linking != nil {
		e := &event.Evidence{Opens: true}
		t.linking.AddInvite(e, m)
		t.show(d, e, d.FirstSeen)
	}
}

// showOpen tells that d is open, if nothing is known of it that others could share: its INVITE was not seen, or
// it is a further fork.
func (t *Table) showOpen(d *dialog.Dialog, at int64) {
	if t.linking != nil {
		t.show(d, &event.Evidence{Opens: true}, at)
	}
}

// showTransfer tells whom an accepted REFER in d is about: the call that it replaces, else whom it is to call.
func (t *Table) showTransfer(d *dialog.Dialog, m *sip.Message) {
	if t.linking == nil {
		return
	}
	f := t.factsOf(d)
	e := new(event.Evidence)
	if d.Transfer == event.Attended {
		e.Add(event.LinkKeyKind(event.TransferCorrelation), t.linking.Name(f.Last(facts.ReplacedCall)))
	} else {
		e.Add(event.ReferKey, t.linking.Referral(f.Last(facts.TransferTarget), f.Last(facts.ReferredByNumber)))
	}
	t.show(d, e, m.Time.UnixNano())
}

// show appends the Event of e, before any other Event of d at that time.
func (t *Table) show(d *dialog.Dialog, e *event.Evidence, at int64) {
	e.Leg = d.Index
	t.log.Add(event.Event{Time: event.When(at), Key: d.Call, Kind: event.LinkKind, Evidence: e,
		Ordinal: d.EventOrdinal()})
}
