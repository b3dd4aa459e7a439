package dialog

import (
	"sipsieve/sip"
	"sipsieve/sip/mem"
)

// Guesses are the last BYE, and the last re-INVITE or UPDATE, of each side whose dialog is not known.
type Guesses [2][2]Guess

// A Guess is a request inside a dialog, on a hop that has shown no tag of the callee. Its 2xx proves that the dialog is
// one of this call.
type Guess struct {
	Time   int64
	CSeq   uint32
	Method sip.Method
	Cause  uint8
	Hold   HoldOffer
}

// Fits reports whether m is a response to g.
func (g *Guess) Fits(m *sip.Message) bool {
	return g != nil && g.Time != 0 && g.CSeq == m.CSeq && g.Method == m.Method
}

// code writes g, or reads it.
func (g *Guess) code(c *mem.Coder) {
	c.Instant(&g.Time)
	mem.Number(c, &g.CSeq)
	mem.Number(c, &g.Method)
	mem.Number(c, &g.Cause)
	mem.Number(c, &g.Hold)
}
