package track

import (
	"time"

	"sipsieve/sip/event"
)

// wall returns a time of d on the packets' clock as it was when d opened.
func (d *dialog) wall(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return event.When(ns + d.drift)
}

// underWay adds to c what is told of a call that goes on.
func (d *dialog) underWay(c *event.Call) {
	c.Status = event.Partial
	if d.answered() {
		c.Disposition = event.Answered
	}
	if d.setup == 0 {
		c.Missing |= event.NoInvite
	}
	if d.answered() && !d.finalSeen() {
		c.Missing |= event.NoFinal
	}
}

// ending adds to c what only the end of d tells.
func (d *dialog) ending(c *event.Call, at int64) {
	as := d.disposition()
	c.Disposition, c.EndCause, c.EndSource = as, d.cause, d.known
	c.End = d.wall(d.gone)
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
	case d.cause == event.EndEvicted:
		c.Status = event.Evicted
	case c.Missing == 0 && d.known == event.Observed && !d.retryable:
		c.Status = event.Complete
	default:
		c.Status = event.Partial
	}
}
