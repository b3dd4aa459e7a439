// This file has methods of Dialog because a file is one question about a dialog with its answer.

package dialog

import (
	"time"

	"sipsieve/sip/event"
)

// Wall returns a time of d on the packets' clock as it was when d opened.
func (d *Dialog) Wall(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return event.When(ns + d.Drift)
}

// AddUnderWay adds to c what is told of a call that goes on.
func (d *Dialog) AddUnderWay(c *event.Call) {
	c.Status = event.Partial
	if d.Answered() {
		c.Disposition = event.Answered
	}
	if d.Setup == 0 {
		c.Missing |= event.NoInvite
	}
	if d.Answered() && !d.finalSeen() {
		c.Missing |= event.NoFinal
	}
}

// AddEnding adds to c what only the end of d tells.
func (d *Dialog) AddEnding(c *event.Call, at int64) {
	as := d.Disposition()
	c.Disposition, c.EndCause, c.EndSource = as, d.EndCause, d.EndSource
	c.End = d.Wall(d.EndTime)
	c.DisconnectBy = d.party(as)
	c.Missing |= d.lacking(as)
	c.Completeness = d.completeness(as)
	if as == event.Answered && d.unacknowledged(at) {
		c.Flags |= event.NoAckFlag
	}
	var derived bool
	if c.Cause, derived = d.q850(as); derived {
		c.Flags |= event.CauseDerived
	}
	switch {
	case d.EndCause == event.EndEvicted:
		c.Status = event.Evicted
	case c.Missing == 0 && d.EndSource == event.Observed && !d.Retryable:
		c.Status = event.Complete
	default:
		c.Status = event.Partial
	}
}
