// This file has methods of Table because a file is one thing that hops show with how the table keeps it.

package hops

import (
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// A Saved is a path as it is saved, without addresses, and without numbers of a Table.
type Saved struct {
	views  []savedView // the caller's hop first
	prints []uint32    // of the last messages that were seen
}

// A savedView is a view with what stands beside it in a Table.
type savedView struct {
	View
	others   forking
	ends     [MaxForks]Endings // BYEs before the answer, by fork
	untagged Endings           // those of no fork
	origin   bool
}

// mostSeen bounds the messages that a saved path knows repeats by.
const mostSeen = 64

// Saved returns p as it is saved. Addresses are hidden by keys of k.
func (t *Table) Saved(p *Path, k event.Keyer) (s Saved) {
	for i := p.First; i != 0; i = t.At(i).Next {
		h := savedView{View: *t.At(i), origin: i == p.Origin}
		h.Hop = h.Hop.veiled(k)
		if h.forking != 0 {
			h.others = *t.forkings.At(h.forking)
		}
		for i := range min(int(h.Forks), MaxForks) {
			if e := t.EarlyByes(t.Fork(&h.View, i).Ends); e != nil {
				h.ends[i] = *e
			}
		}
		if e := t.EarlyByes(h.Tagless); e != nil {
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

// Restore makes p, which is empty, what s says.
func (t *Table) Restore(p *Path, s *Saved) {
	at := &p.First
	for i := range s.views {
		n := t.views.New()
		h := t.At(n)
		*h = s.views[i].View
		h.Hop.Point, h.Next, h.forking = t.Points.Number(""), 0, 0
		if h.Forks > 1 {
			h.forking = t.forkings.New()
			*t.forkings.At(h.forking) = s.views[i].others
		}
		t.restoreEarlyByes(h, &s.views[i])
		*at, at = n, &h.Next
		if s.views[i].origin || i == 0 {
			p.Origin = n
		}
	}
	for i := len(s.prints) - 1; i >= 0; i-- {
		t.addPrint(p, s.prints[i], 0)
	}
}

// restoreEarlyByes gives h the BYEs before the answer that s has.
func (t *Table) restoreEarlyByes(h *View, s *savedView) {
	h.Tagless, h.First.Ends = 0, 0
	if s.untagged != (Endings{}) {
		*t.Early.Ensure(&h.Tagless) = s.untagged
	}
	for i := range min(int(h.Forks), MaxForks) {
		f := t.Fork(h, i)
		if f.Ends = 0; s.ends[i] != (Endings{}) {
			*t.Early.Ensure(&f.Ends) = s.ends[i]
		}
	}
}

// Sane reports whether what was read can be the path of a call that goes on. It marks the addresses as hidden.
func (s *Saved) Sane() bool {
	for i := range s.views {
		h := &s.views[i]
		if h.Forks > 1 && (h.others.n < 1 || h.others.n > len(h.others.tags)) || int(h.Forks) < h.others.n {
			return false
		}
		h.Hop.Veil = srcVeiled | dstVeiled | wasRestored
	}
	return len(s.views) > 0 && len(s.views) <= mostHops
}

// Code writes s, or reads it.
func (s *Saved) Code(c *mem.Coder) {
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
	h.Hop.code(c)
	c.Instant(&h.Invited)
	mem.Number(c, &h.cseq)
	mem.Number(c, &h.InvitedAs)
	c.Flags(&h.origin)
	for i := range h.Legs {
		mem.Number(c, &h.Legs[i])
	}
	for i := range h.vias {
		mem.Number(c, &h.vias[i])
	}
	c.Instant(&h.Final.Time)
	mem.Number(c, &h.Final.Tag)
	mem.Number(c, &h.Final.Code)
	mem.Number(c, &h.Final.Cause)
	mem.Number(c, &h.Open)
	h.untagged.code(c)
	mem.Number(c, &h.Forks)
	mem.Number(c, &h.Proved)
	if h.Forks > 0 {
		h.First.code(c, &h.ends[0])
	}
	if h.Forks > 1 {
		h.codeForks(c)
	}
}

func (h *savedView) codeForks(c *mem.Coder) {
	f := &h.others
	f.n = c.Length(f.n, len(f.tags))
	for i := range f.n {
		c.Hash(&f.tags[i])
		if i > 0 && i < MaxForks {
			f.forks[i-1].code(c, &h.ends[i])
		}
	}
	if f.n == len(f.tags) {
		for i := range f.others {
			mem.Number(c, &f.others[i])
		}
	}
}
