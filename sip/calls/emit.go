// This file has methods of Table because a file is what one kind of message, or one moment in the life of a call, does to it.

package calls

import (
	"time"

	"sipsieve/sip/dialog"
	"sipsieve/sip/event"
)

// tell appends the Event of d at stage, if that is asked for.
func (t *Table) tell(d *dialog.Dialog, stage event.Stage, at int64) {
	if t.stages.Has(stage) {
		t.emit(d, stage, at, t.call(d, stage, at))
	}
}

// emit appends the Event that says c of d.
func (t *Table) emit(d *dialog.Dialog, stage event.Stage, at int64, c *event.Call) {
	d.Revision++
	t.log.Add(event.Event{Time: event.When(at), Key: d.Call, Kind: event.CallKind, Stage: stage, Ordinal: d.EventOrdinal(),
		Revision: int(d.Revision), Call: c})
}

// beginInterims schedules the first interim Event of dialog n, which is up now, if a policy takes that stage.
func (t *Table) beginInterims(n uint32, at int64) {
	if t.limits.Interim > 0 && t.stages.Has(event.Interim) {
		t.interims.Set(n, at+int64(t.limits.Interim))
	}
}

// interim tells dialog n if it is still up.
func (t *Table) interim(n uint32, at int64) {
	if d := t.dialogs.At(n); d.Phase == dialog.Confirmed {
		t.markDirty(n)
		t.tell(d, event.Interim, at)
		t.beginInterims(n, at)
	}
}

// call returns what is known of d at that time. It owns its memory.
func (t *Table) call(d *dialog.Dialog, stage event.Stage, at int64) *event.Call {
	caller, told := t.callersHop(d), t.toldHop(d)
	c := &event.Call{
		FirstSeen: d.Wall(d.FirstSeen), Setup: d.Wall(d.Setup), Progress: d.Wall(d.Progress), Ring: d.Wall(d.Ring),
		Answer: d.Wall(d.Answer), Code: int(d.Code), Missing: d.Faults, Flags: d.Flags, Transfer: d.Transfer,
		Retransmissions: int(d.Repeats), Challenges: int(d.Challenges), Redirects: int(d.Redirects),
		Forks: int(caller.Forks - caller.Proved), Reinvites: int(d.Reinvites), Holds: int(d.Holds),
		Held:       time.Duration(d.HeldUntil(d.EndTime)),
		EarlyMedia: d.EarlyMedia, SessionExpires: int(d.Expires), Vias: int(d.Vias), Reuse: int(d.Reuse),
		Flow: told.Flow(), VLAN: told.VLAN, Link: told.Link,
		Point: t.hops.Points[told.Point], Origin: told.Origin, Restored: d.Restored,
		Facts: t.factsOf(d).Clone(), Leg: d.Index,
	}
	if d.ByAck {
		c.Code = 0
	}
	if !d.Answered() { // what was agreed before the answer is no change of the call
		c.Reinvites, c.Holds, c.Held = 0, 0, 0
	}
	if out := t.hops.LeftOn(&t.dialogs.At(d.Root).Path, d.Callee); out != nil {
		c.Onward, c.OnwardVLAN = out.Hop.Flow(), out.Hop.VLAN
	}
	if t.losses.meet(d.FirstSeen, at) {
		c.Missing |= event.LossWindow
	}
	if d.Steps != t.Steps {
		c.Missing |= event.ClockStep
	}
	if stage == event.Stop || stage == event.Correction {
		d.AddEnding(c, at)
	} else {
		d.AddUnderWay(c)
	}
	return c
}
