package track

import (
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// An ending is a BYE that may be the end of a dialog.
type ending struct {
	at       int64
	cseq     uint32
	cause    uint8
	side     event.Party
	answered bool // a final response was seen
	unseen   bool // only its 2xx was seen, at is that one's time

	refused, challenged bool // before the answer
}

// endings are BYEs by side.
type endings [2]ending

// of returns side's, nil if e is nil.
func (e *endings) of(side event.Party) *ending {
	if e == nil {
		return nil
	}
	return &e[side-event.Caller]
}

// accepted returns the earliest of e that got a 2xx before the answer, nil without one.
func (e *endings) accepted() (first *ending) {
	if e == nil {
		return nil
	}
	for i := range e {
		if e[i].answered && (first == nil || e[i].at < first.at) {
			first = &e[i]
		}
	}
	return first
}

func (e *endings) retime(from, to int64) {
	if e != nil {
		replace(from, to, &e[0].at, &e[1].at)
	}
}

// earlyByes returns those with number n, nil for 0.
func (t *hopTable) earlyByes(n uint32) *endings {
	if n == 0 {
		return nil
	}
	return t.early.At(n)
}

// earlyEnd returns the accepted BYE by which the last fork of p's call ended before any answer, nil if a fork is left.
func (t *hopTable) earlyEnd(p *path) *ending {
	h := t.At(p.first)
	if h.forks > maxForks {
		return nil
	}
	last := t.earlyByes(h.tagless).accepted()
	for i := range int(h.forks) {
		f := t.fork(h, i)
		if f.past {
			continue
		}
		e := t.earlyByes(f.ends).accepted()
		if e == nil {
			return nil
		}
		if last == nil || e.at > last.at {
			last = e
		}
	}
	return last
}

// forgetEarlyByes frees what BYEs before the answer h has shown.
func (t *hopTable) forgetEarlyByes(h *hopFacts) {
	t.early.Clear(&h.tagless)
	for i := range min(int(h.forks), maxForks) {
		t.early.Clear(&t.fork(h, i).ends)
	}
}

// code writes e, or reads it.
func (e *endings) code(c *mem.Coder) {
	e[0].code(c)
	e[1].code(c)
}

// code writes e, or reads it.
func (e *ending) code(c *mem.Coder) {
	c.Instant(&e.at)
	if e.at == 0 {
		*e = ending{}
		return
	}
	mem.Number(c, &e.cseq)
	mem.Number(c, &e.cause)
	mem.Number(c, &e.side)
	c.Flags(&e.answered, &e.unseen, &e.refused, &e.challenged)
	c.Wrong = c.Wrong || e.side > event.Network
}
