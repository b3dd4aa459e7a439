package track

import (
	"sipsieve/sip"
	"sipsieve/sip/mem"
)

// guesses are, by side, a BYE and another request.
type guesses [2][2]guess

// A guess is a request inside a dialog of which one tag is known, on a hop that has shown no dialog: its 2xx says
// that it was one of this call.
type guess struct {
	at     int64
	cseq   uint32
	method sip.Method
	cause  uint8
	hold   uint8
}

// of reports whether m is a response to g.
func (g *guess) of(m *sip.Message) bool {
	return g != nil && g.at != 0 && g.cseq == m.CSeq && g.method == m.Method
}

// code writes g, or reads it.
func (g *guess) code(c *mem.Coder) {
	c.Instant(&g.at)
	mem.Number(c, &g.cseq)
	mem.Number(c, &g.method)
	mem.Number(c, &g.cause)
	mem.Number(c, &g.hold)
}
