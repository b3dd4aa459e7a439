package hops

import (
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// An Ending is a BYE that may end a dialog.
type Ending struct {
	Time     int64 // nanoseconds
	CSeq     uint32
	Cause    uint8 // Q.850, of its Reason header
	Side     event.Party
	Answered bool // a final response was seen
	Unseen   bool // only its 2xx was seen, whose time Time is

	Refused, Challenged bool // its final response, of a BYE before the answer
}

// Endings are the BYEs of a dialog by the side that sent them.
type Endings [2]Ending

// Of returns the BYE of side, nil if e is nil.
func (e *Endings) Of(side event.Party) *Ending {
	if e == nil {
		return nil
	}
	return &e[side-event.Caller]
}

// Accepted returns the earliest of e that got a 2xx before the answer, nil without one.
func (e *Endings) Accepted() (first *Ending) {
	if e == nil {
		return nil
	}
	for i := range e {
		if e[i].Answered && (first == nil || e[i].Time < first.Time) {
			first = &e[i]
		}
	}
	return first
}

func (e *Endings) retime(late, early int64) {
	if e != nil {
		Replace(late, early, &e[0].Time, &e[1].Time)
	}
}

// code writes e, or reads it.
func (e *Endings) code(c *mem.Coder) {
	e[0].Code(c)
	e[1].Code(c)
}

// Code writes e, or reads it.
func (e *Ending) Code(c *mem.Coder) {
	c.Instant(&e.Time)
	if e.Time == 0 {
		*e = Ending{}
		return
	}
	mem.Number(c, &e.CSeq)
	mem.Number(c, &e.Cause)
	mem.Number(c, &e.Side)
	c.Flags(&e.Answered, &e.Unseen, &e.Refused, &e.Challenged)
	c.Wrong = c.Wrong || e.Side > event.Network
}
