// This file has methods of Table because what is saved of a path is written and read in one place.

package hops

import (
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// A Saved is a Path as it is saved: without addresses, and with values in place of a Table's numbers.
type Saved struct {
	views  []savedView // the caller's hop first
	prints []uint32    // of the last messages
}

// A savedView is a View with what a Table has beside it.
type savedView struct {
	View
	more     moreForks
	ends     [MaxForks]Endings // BYEs before the answer, by fork
	untagged Endings           // BYEs before the answer, of no fork
	origin   bool
}

// mostSeen is how many prints of messages are saved.
const mostSeen = 64

// Saved returns p as it is saved, with addresses replaced by keys of k.
func (t *Table) Saved(p *Path, k event.Keyer) (s Saved) {
	for i := p.First; i != 0; i = t.At(i).Next {
		h := savedView{View: *t.At(i), origin: i == p.Origin}
		h.Hop = h.Hop.hidden(k)
		if h.View.more != 0 {
			h.more = *t.more.At(h.View.more)
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
	s.prints = t.repeats.last(p.prints, mostSeen)
	return s
}

// Restore sets p, which is empty, from s.
func (t *Table) Restore(p *Path, s *Saved) {
	link := &p.First
	for i := range s.views {
		n := t.views.New()
		h := t.At(n)
		*h = s.views[i].View
		h.Hop.Point, h.Next, h.more = t.Points.Number(""), 0, 0
		if h.Forks > 1 {
			h.more = t.more.New()
			*t.more.At(h.more) = s.views[i].more
		}
		t.restoreEarlyByes(h, &s.views[i])
		*link, link = n, &h.Next
		if s.views[i].origin || i == 0 {
			p.Origin = n
		}
	}
	for i := len(s.prints) - 1; i >= 0; i-- {
		t.repeats.add(&p.prints, s.prints[i], 0)
	}
}

// Sane reports whether the values that were read are possible for a Path. It marks the addresses as hidden.
func (s *Saved) Sane() bool {
	for i := range s.views {
		h := &s.views[i]
		if h.Forks > 1 && (h.more.n < 1 || h.more.n > len(h.more.tags)) || int(h.Forks) < h.more.n {
			return false
		}
		h.Hop.Hidden = srcHidden | dstHidden | wasHidden
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
	f := &h.more
	f.n = c.Length(f.n, len(f.tags))
	for i := range f.n {
		c.Hash(&f.tags[i])
		if i > 0 && i < MaxForks {
			f.forks[i-1].code(c, &h.ends[i])
		}
	}
	if f.n == len(f.tags) {
		for i := range f.bloom {
			mem.Number(c, &f.bloom[i])
		}
	}
}
