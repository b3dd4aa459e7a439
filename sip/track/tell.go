package track

import (
	"slices"
	"time"
)

// tell appends the Event of d at stage, if that is asked for.
func (t *Tracker) tell(d *dialog, stage Stage, at int64) {
	if !t.stages.Has(stage) {
		return
	}
	d.revision++
	t.events = append(t.events, Event{Time: when(at), Key: d.call, Kind: CallKind, Stage: stage,
		Ordinal: uint32(d.reuse)<<20 | d.ordinal<<4 | d.revision, Revision: int(d.revision), Call: t.call(d, stage)})
}

// call returns what is known of d. It owns its memory.
func (t *Tracker) call(d *dialog, stage Stage) *Call {
	c := &Call{
		FirstSeen: when(d.first), Setup: when(d.setup), Progress: when(d.progress), Ring: when(d.ring),
		Answer: when(d.answer), Code: int(d.code), Missing: d.missing, Flags: d.flags, Transfer: d.transfer,
		Retransmissions: int(d.repeats), Challenges: int(d.challenges), Redirects: int(d.redirects),
		Forks: int(t.dialogs.at(d.root).forks), Reinvites: int(d.reinvites), Holds: int(d.holds), Held: time.Duration(d.held),
		EarlyMedia: d.early, SessionExpires: int(d.expires), Vias: int(d.vias), Reuse: int(d.reuse),
		Flow: d.hop.flow(), VLAN: d.hop.vlan, Link: d.hop.link, Point: t.points[d.hop.point],
		Facts: Facts{text: slices.Clone(t.texts.get(d.text))}, leg: d.index,
	}
	if d.byAck {
		c.Code = 0
	}
	if stage == Stop {
		d.ending(c)
	} else {
		c.Status = Partial
		if stage == Answer {
			c.Disposition = Answered
		}
	}
	return c
}

// ending adds to c what only the end of d tells.
func (d *dialog) ending(c *Call) {
	as := d.disposition()
	c.Disposition, c.EndCause, c.EndSource = as, d.cause, d.source
	c.End = when(d.gone)
	c.DisconnectBy = d.party(as)
	c.Completeness = d.completeness(as)
	var derived bool
	if c.Cause, derived = d.q850(as); derived {
		c.Flags |= CauseDerived
	}
	switch {
	case d.cause == EndEvicted:
		c.Status = Evicted
	case c.Missing == 0 && d.source == Observed && !d.retryable:
		c.Status = Complete
	default:
		c.Status = Partial
	}
}
