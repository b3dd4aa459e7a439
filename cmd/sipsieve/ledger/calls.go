package ledger

import (
	"sipsieve/sip/calls"
	"sipsieve/sip/devices"
	"sipsieve/sip/event"
	"sipsieve/sip/legs"
	"sipsieve/sip/track"
	"sipsieve/store/cpni"
)

// Calls says what became of calls.
type Calls struct {
	Opened    uint64 `json:"opened"`
	Ended     Sums   `json:"ended"` // by disposition
	Live      uint64 `json:"live"`
	Evicted   uint64 `json:"evicted"`
	Corrected uint64 `json:"corrected"`
	MidCall   uint64 `json:"mid_call"`
	Orphans   uint64 `json:"orphans"`
	Bounds    Sums   `json:"bounds"` // what a limit kept out or evicted
}

func (c *Calls) addTracker(t *track.Counts) {
	plus(c, &Calls{Opened: t.Opened, Live: t.Live, Evicted: t.Evicted, Corrected: t.Corrected, MidCall: t.MidCall,
		Orphans: t.Orphans})
	for d, n := range t.Ended {
		c.Ended.Add(cpni.DispositionWord(event.Disposition(d)), n)
	}
	for b, n := range t.Bounds {
		c.Bounds.Add(calls.Bound(b).String(), n)
	}
}

// balance requires each call that was opened to be live, ended or evicted.
func (c *Calls) balance(b *balance) {
	b.equal("calls.opened", c.Opened, c.Ended.Total()+c.Live+c.Evicted)
}

func addRegistrations(s Sums, t *track.Counts) {
	s.Add("forgotten", t.Forgotten)
	for state, n := range t.Registrations {
		s.Add(cpni.RegistrationWord(event.RegistrationState(state)), n)
	}
}

// Legs says what was joined by what, and which evidence joined nothing.
type Legs struct {
	Remembered uint64 `json:"remembered"`
	Joined     Sums   `json:"joined"` // by evidence
	Ambiguous  uint64 `json:"ambiguous"`
	Shared     uint64 `json:"shared"`
	Full       uint64 `json:"full"`
	Forgotten  uint64 `json:"forgotten"`
}

func (l *Legs) add(c legs.Counts) {
	plus(l, &Legs{Remembered: c.Remembered, Ambiguous: c.Ambiguous, Shared: c.Shared, Full: c.Full,
		Forgotten: c.Forgotten})
	for evidence, n := range c.Joined {
		l.Joined.Add(cpni.CorrelationWord(event.Correlation(evidence)), n)
	}
}

// Devices says why records of devices were made, how many are known, and how many were evicted.
type Devices struct {
	First     uint64 `json:"first"`
	Changed   uint64 `json:"changed"`
	Daily     uint64 `json:"daily"`
	Known     uint64 `json:"known"`
	Forgotten uint64 `json:"forgotten"`
}

func (d *Devices) add(c *devices.Counts) {
	plus(d, &Devices{First: c.First, Changed: c.Changed, Daily: c.Daily, Known: c.Known, Forgotten: c.Forgotten})
}
