package track

import (
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// showInvite tells what the INVITE m that opened d shows.
func (t *callTable) showInvite(d *dialog, m *sip.Message) {
	if t.linking != nil {
		e := &event.Evidence{Opens: true}
		t.linking.AddInvite(e, m)
		t.show(d, e, d.first)
	}
}

// showOpen tells that d is open, if nothing is known of it that others could share: its INVITE was not seen, or
// it is a further fork.
func (t *callTable) showOpen(d *dialog, at int64) {
	if t.linking != nil {
		t.show(d, &event.Evidence{Opens: true}, at)
	}
}

// showTransfer tells whom an accepted REFER in d is about: the call that it replaces, else whom it is to call.
func (t *callTable) showTransfer(d *dialog, m *sip.Message) {
	if t.linking == nil {
		return
	}
	f := t.factsOf(d)
	e := new(event.Evidence)
	if d.transfer == event.Attended {
		e.Add(event.LinkKeyKind(event.TransferCorrelation), t.linking.Name(f.Last(facts.ReplacedCall)))
	} else {
		e.Add(event.ReferKey, t.linking.Referral(f.Last(facts.TransferTarget), f.Last(facts.ReferredByNumber)))
	}
	t.show(d, e, m.Time.UnixNano())
}

// show appends the Event of e, before any other Event of d at that time.
func (t *callTable) show(d *dialog, e *event.Evidence, at int64) {
	e.Leg = d.index
	t.log.Add(event.Event{Time: event.When(at), Key: d.call, Kind: event.LinkKind, Evidence: e,
		Ordinal: d.turn()})
}
