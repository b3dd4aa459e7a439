package track

import (
	"sipsieve/sip"
	"sipsieve/sip/facts"
)

// showInvite tells what the INVITE m that opened d shows.
func (t *callTable) showInvite(d *dialog, m *sip.Message) {
	if t.linking != nil {
		e := &Evidence{opens: true}
		t.linking.ofInvite(e, m)
		t.show(d, e, d.first)
	}
}

// showOpen tells that d is open, if nothing is known of it that others could share: its INVITE was not seen, or
// it is a further fork.
func (t *callTable) showOpen(d *dialog, at int64) {
	if t.linking != nil {
		t.show(d, &Evidence{opens: true}, at)
	}
}

// showTransfer tells whom an accepted REFER in d is about: the call that it replaces, else whom it is to call.
func (t *callTable) showTransfer(d *dialog, m *sip.Message) {
	if t.linking == nil {
		return
	}
	f := t.factsOf(d)
	e := new(Evidence)
	if d.transfer == Attended {
		e.add(clueKind(TransferCorrelation), t.linking.name(f.Last(facts.ReplacedCall)))
	} else {
		e.add(referClue, t.linking.referral(f.Last(facts.TransferTarget), f.Last(facts.ReferredByNumber)))
	}
	t.show(d, e, m.Time.UnixNano())
}

// show appends the Event of e, before any other Event of d at that time.
func (t *callTable) show(d *dialog, e *Evidence, at int64) {
	e.leg = d.index
	t.log.add(Event{Time: when(at), Key: d.call, Kind: LinkKind, Evidence: e,
		Ordinal: d.turn()})
}
