package track

import (
	"time"

	"sipsieve/sip/event"
)

// tell appends the Event of d at stage, if that is asked for.
func (t *callTable) tell(d *dialog, stage event.Stage, at int64) {
	if t.stages.Has(stage) {
		t.emit(d, stage, at, t.call(d, stage, at))
	}
}

// emit appends the Event that says c of d.
func (t *callTable) emit(d *dialog, stage event.Stage, at int64, c *event.Call) {
	d.revision++
	t.log.Add(event.Event{Time: event.When(at), Key: d.call, Kind: event.CallKind, Stage: stage, Ordinal: d.turn(),
		Revision: int(d.revision), Call: c})
}

// beginInterims schedules the first interim Event of dialog n, which is up now, if a policy takes that stage.
func (t *callTable) beginInterims(n uint32, at int64) {
	if t.limits.Interim > 0 && t.stages.Has(event.Interim) {
		t.interims.Set(n, at+int64(t.limits.Interim))
	}
}

// interim tells dialog n if it is still up.
func (t *callTable) interim(n uint32, at int64) {
	if d := t.dialogs.At(n); d.phase == confirmed {
		t.markDirty(n)
		t.tell(d, event.Interim, at)
		t.beginInterims(n, at)
	}
}

// call returns what is known of d at that time. It owns its memory.
func (t *callTable) call(d *dialog, stage event.Stage, at int64) *event.Call {
	caller, told := t.callersHop(d), t.toldHop(d)
	c := &event.Call{
		FirstSeen: d.wall(d.first), Setup: d.wall(d.setup), Progress: d.wall(d.progress), Ring: d.wall(d.ring),
		Answer: d.wall(d.answer), Code: int(d.code), Missing: d.faults, Flags: d.flags, Transfer: d.transfer,
		Retransmissions: int(d.repeats), Challenges: int(d.challenges), Redirects: int(d.redirects),
		Forks: int(caller.forks - caller.proved), Reinvites: int(d.reinvites), Holds: int(d.holds),
		Held:       time.Duration(d.heldUntil(d.gone)),
		EarlyMedia: d.earlyMedia, SessionExpires: int(d.expires), Vias: int(d.vias), Reuse: int(d.reuse),
		Flow: told.flow(), VLAN: told.vlan, Link: told.link,
		Point: t.hops.points[told.point], Origin: told.origin, Restored: d.restored,
		Facts: t.factsOf(d).Clone(), Leg: d.index,
	}
	if d.byAck {
		c.Code = 0
	}
	if !d.answered() { // what was agreed before the answer is no change of the call
		c.Reinvites, c.Holds, c.Held = 0, 0, 0
	}
	if out := t.hops.leftOn(&t.dialogs.At(d.root).path, d.callee); out != nil {
		c.Onward, c.OnwardVLAN = out.hop.flow(), out.hop.vlan
	}
	if t.losses.meet(d.first, at) {
		c.Missing |= event.LossWindow
	}
	if d.steps != t.Steps {
		c.Missing |= event.ClockStep
	}
	if stage == event.Stop || stage == event.Correction {
		d.ending(c, at)
	} else {
		d.underWay(c)
	}
	return c
}
