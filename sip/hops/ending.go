// This file has methods of Table because a file is one thing that hops show with how the table keeps it.

package hops

import (
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// An Ending is a BYE that may be the end of a dialog.
type Ending struct {
	Time     int64
	CSeq     uint32
	Cause    uint8
	Side     event.Party
	Answered bool // a final response was seen
	Unseen   bool // only its 2xx was seen, at is that one's time

	Refused, Challenged bool // before the answer
}

// Endings are BYEs by side.
type Endings [2]Ending

// Of returns side's, nil if e is nil.
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

func (e *Endings) retime(from, to int64) {
	if e != nil {
		Replace(from, to, &e[0].Time, &e[1].Time)
	}
}

// EarlyByes returns those with number n, nil for 0.
func (t *Table) EarlyByes(n uint32) *Endings {
	if n == 0 {
		return nil
	}
	return t.Early.At(n)
}

// EarlyEnd returns the accepted BYE by which the last fork of p's call ended before any answer, nil if a fork is left.
func (t *Table) EarlyEnd(p *Path) *Ending {
	h := t.At(p.First)
	if h.Forks > MaxForks {
		return nil
	}
	last := t.EarlyByes(h.Tagless).Accepted()
	for i := range int(h.Forks) {
		f := t.Fork(h, i)
		if f.Past {
			continue
		}
		e := t.EarlyByes(f.Ends).Accepted()
		if e == nil {
			return nil
		}
		if last == nil || e.Time > last.Time {
			last = e
		}
	}
	return last
}

// forgetEarlyByes frees what BYEs before the answer h has shown.
func (t *Table) forgetEarlyByes(h *View) {
	t.Early.Clear(&h.Tagless)
	for i := range min(int(h.Forks), MaxForks) {
		t.Early.Clear(&t.Fork(h, i).Ends)
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
