package track

import "time"

// wall returns a time of d on the packets' clock as it was when d opened.
func (d *dialog) wall(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return when(ns + d.drift)
}

// underWay adds to c what is told of a call that goes on.
func (d *dialog) underWay(c *Call) {
	c.Status = Partial
	if d.answered() {
		c.Disposition = Answered
	}
	if d.setup == 0 {
		c.Missing |= NoInvite
	}
	if d.answered() && !d.finalSeen() {
		c.Missing |= NoFinal
	}
}

// ending adds to c what only the end of d tells.
func (d *dialog) ending(c *Call, at int64) {
	as := d.disposition()
	c.Disposition, c.EndCause, c.EndSource = as, d.cause, d.known
	c.End = d.wall(d.gone)
	c.DisconnectBy = d.party(as)
	c.Missing |= d.lacking(as)
	c.Completeness = d.completeness(as)
	if as == Answered && d.unacknowledged(at) {
		c.Flags |= NoAckFlag
	}
	var derived bool
	if c.Cause, derived = d.q850(as); derived {
		c.Flags |= CauseDerived
	}
	switch {
	case d.cause == EndEvicted:
		c.Status = Evicted
	case c.Missing == 0 && d.known == Observed && !d.retryable:
		c.Status = Complete
	default:
		c.Status = Partial
	}
}
