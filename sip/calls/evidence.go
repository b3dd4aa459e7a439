package calls

import (
	"sipsieve/sip"
	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// evidence publishes Events of LinkKind: what the messages of a call show of its other legs.
type evidence struct {
	linking *event.Linking // nil if no such Events are wanted
	log     *event.Log
}

// invite publishes the evidence of the INVITE m that opened d.
func (x *evidence) invite(d *dialog.Dialog, m *sip.Message) {
	if x.linking != nil {
		e := &event.Evidence{Opens: true}
		x.linking.AddInvite(e, m)
		x.publish(d, e, d.FirstSeen)
	}
}

// open publishes that d opened, with no link key: its INVITE was not seen, or d is a further fork.
func (x *evidence) open(d *dialog.Dialog, t int64) {
	if x.linking != nil {
		x.publish(d, &event.Evidence{Opens: true}, t)
	}
}

// transfer publishes the leg that m accepts as the target of a REFER in d, whose Facts are f: the call that it
// replaces, else the number that is called.
func (x *evidence) transfer(d *dialog.Dialog, m *sip.Message, f facts.Facts) {
	if x.linking == nil {
		return
	}
	e := new(event.Evidence)
	if d.Transfer == event.Attended {
		e.Add(event.LinkKeyKind(event.TransferCorrelation), x.linking.Name(f.Last(facts.ReplacedCall)))
	} else {
		e.Add(event.ReferKey, x.linking.Referral(f.Last(facts.TransferTarget), f.Last(facts.ReferredByNumber)))
	}
	x.publish(d, e, m.Time.UnixNano())
}

// publish appends the Event of e. Its ordinal puts it before any other Event of d at t.
func (x *evidence) publish(d *dialog.Dialog, e *event.Evidence, t int64) {
	e.Leg = d.Index
	x.log.Add(event.Event{Time: event.When(t), Key: d.Call, Kind: event.LinkKind, Evidence: e, Ordinal: d.EventOrdinal()})
}
