package track

import (
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// A savedPath is a path as it is saved, without addresses, and without numbers of a hopTable.
type savedPath struct {
	views  []savedView // the caller's hop first
	prints []uint32    // of the last messages that were seen
}

// A savedView is a view with what stands beside it in a hopTable.
type savedView struct {
	hopFacts
	others   forking
	ends     [maxForks]endings // BYEs before the answer, by fork
	untagged endings           // those of no fork
	origin   bool
}

// mostSeen bounds the messages that a saved path knows repeats by.
const mostSeen = 64

// saved returns p as it is saved. Addresses are hidden by keys of k.
func (t *hopTable) saved(p *path, k event.Keyer) (s savedPath) {
	for i := p.first; i != 0; i = t.At(i).next {
		h := savedView{hopFacts: *t.At(i), origin: i == p.origin}
		h.hop = h.hop.veiled(k)
		if h.forking != 0 {
			h.others = *t.forkings.At(h.forking)
		}
		for i := range min(int(h.forks), maxForks) {
			if e := t.earlyByes(t.fork(&h.hopFacts, i).ends); e != nil {
				h.ends[i] = *e
			}
		}
		if e := t.earlyByes(h.tagless); e != nil {
			h.untagged = *e
		}
		s.views = append(s.views, h)
	}
	for i := p.prints; i != 0 && len(s.prints) < mostSeen; i = t.prints.At(i).next {
		b := t.prints.At(i)
		s.prints = append(s.prints, b.prints[:b.n]...)
	}
	return s
}

// restore makes p, which is empty, what s says.
func (t *hopTable) restore(p *path, s *savedPath) {
	at := &p.first
	for i := range s.views {
		n := t.views.New()
		h := t.At(n)
		*h = s.views[i].hopFacts
		h.hop.point, h.next, h.forking = t.points.number(""), 0, 0
		if h.forks > 1 {
			h.forking = t.forkings.New()
			*t.forkings.At(h.forking) = s.views[i].others
		}
		t.restoreEarlyByes(h, &s.views[i])
		*at, at = n, &h.next
		if s.views[i].origin || i == 0 {
			p.origin = n
		}
	}
	for i := len(s.prints) - 1; i >= 0; i-- {
		t.addPrint(p, s.prints[i], 0)
	}
}

// restoreEarlyByes gives h the BYEs before the answer that s has.
func (t *hopTable) restoreEarlyByes(h *hopFacts, s *savedView) {
	h.tagless, h.first.ends = 0, 0
	if s.untagged != (endings{}) {
		*t.early.Ensure(&h.tagless) = s.untagged
	}
	for i := range min(int(h.forks), maxForks) {
		f := t.fork(h, i)
		if f.ends = 0; s.ends[i] != (endings{}) {
			*t.early.Ensure(&f.ends) = s.ends[i]
		}
	}
}

// sane reports whether what was read can be the path of a call that goes on. It marks the addresses as hidden.
func (s *savedPath) sane() bool {
	for i := range s.views {
		h := &s.views[i]
		if h.forks > 1 && (h.others.n < 1 || h.others.n > len(h.others.tags)) || int(h.forks) < h.others.n {
			return false
		}
		h.hop.veil = srcVeiled | dstVeiled | wasRestored
	}
	return len(s.views) > 0 && len(s.views) <= mostHops
}

// code writes s, or reads it.
func (s *savedPath) code(c *mem.Coder) {
	n := c.Length(len(s.views), mostHops)
	if c.Reading {
		s.views = make([]savedView, n)
	}
	for i := range s.views {
		s.views[i].code(c)
	}
	n = c.Length(len(s.prints), 2*mostSeen)
	if c.Reading {
		s.prints = make([]uint32, n)
	}
	for i := range s.prints {
		c.Hash(&s.prints[i])
	}
}

func (h *savedView) code(c *mem.Coder) {
	h.hop.code(c)
	c.Instant(&h.invited)
	mem.Number(c, &h.cseq)
	mem.Number(c, &h.invitedAs)
	c.Flags(&h.origin)
	for i := range h.legs {
		mem.Number(c, &h.legs[i])
	}
	for i := range h.vias {
		mem.Number(c, &h.vias[i])
	}
	c.Instant(&h.final.at)
	mem.Number(c, &h.final.tag)
	mem.Number(c, &h.final.code)
	mem.Number(c, &h.final.cause)
	mem.Number(c, &h.open)
	h.untagged.code(c)
	mem.Number(c, &h.forks)
	mem.Number(c, &h.proved)
	if h.forks > 0 {
		h.first.code(c, &h.ends[0])
	}
	if h.forks > 1 {
		h.codeForks(c)
	}
}

func (h *savedView) codeForks(c *mem.Coder) {
	f := &h.others
	f.n = c.Length(f.n, len(f.tags))
	for i := range f.n {
		c.Hash(&f.tags[i])
		if i > 0 && i < maxForks {
			f.forks[i-1].code(c, &h.ends[i])
		}
	}
	if f.n == len(f.tags) {
		for i := range f.others {
			mem.Number(c, &f.others[i])
		}
	}
}
