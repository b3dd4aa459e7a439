package hops

import (
	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// A Hop is a capture.Flow without pointers, and where it was seen.
type Hop struct {
	Src, Dst  [16]byte
	sport     uint16
	dport     uint16
	VLAN      uint16
	transport capture.Transport
	Origin    capture.Origin
	V4        bool
	valid     bool
	Point     uint8
	Veil      uint8 // what of it is hidden
	Link      [6]byte
}

// Of returns the hop that m passed, at the place of capture with that number.
func Of(m *sip.Message, point uint8) Hop {
	f := m.Flow
	return Hop{Src: f.Src.Addr().As16(), Dst: f.Dst.Addr().As16(), sport: f.Src.Port(), dport: f.Dst.Port(),
		VLAN: m.VLAN, transport: f.Transport, Origin: m.Origin, V4: f.Src.Addr().Is4(), valid: f.Src.IsValid(),
		Point: point, Link: m.Link}
}

// Flow returns h as a capture.Flow.
func (h *Hop) Flow() capture.Flow {
	p := event.PackedFlow{Src: h.Src, Dst: h.Dst, SrcPort: h.sport, DstPort: h.dport, Transport: h.transport, V4: h.V4,
		Valid: h.valid && h.Veil == 0}
	return p.Flow()
}

// Carries reports whether m, of an INVITE's transaction or its ACK, passed h the way that h's INVITE went.
func (h *Hop) Carries(m *sip.Message) bool {
	near := m.Flow.Src
	if !m.Request() {
		near = m.Flow.Dst
	}
	if !near.IsValid() || !h.valid {
		return true
	}
	return h.Joins(m) && near.Addr().As16() == h.Src && (h.Src != h.Dst || near.Port() == h.sport)
}

// Returns reports whether m arrives where the first INVITE arrived.
func (h *Hop) Returns(m *sip.Message) bool {
	return m.Flow.Dst.IsValid() && m.Flow.Dst.Addr().As16() == h.Dst && m.Flow.Dst.Port() == h.dport
}

// Joins reports whether h and m have the same two ends, whichever way each goes. The ports count only between the
// ends of one host.
func (h *Hop) Joins(m *sip.Message) bool {
	if !h.valid || !m.Flow.Src.IsValid() {
		return true
	}
	src, dst := m.Flow.Src.Addr().As16(), m.Flow.Dst.Addr().As16()
	if h.Src == h.Dst {
		a, b := m.Flow.Src.Port(), m.Flow.Dst.Port()
		return src == h.Src && dst == h.Src && (a == h.sport && b == h.dport || a == h.dport && b == h.sport)
	}
	return src == h.Src && dst == h.Dst || src == h.Dst && dst == h.Src
}

// Precedes reports whether h ends where o begins.
func (h *Hop) Precedes(o *Hop) bool {
	return h.valid && o.valid && h.Dst == o.Src && (h.dport == o.sport || h.Src != h.Dst && o.Src != o.Dst)
}

// Points are the names of places of capture, by the number that a hop has.
type Points []string

// Number returns the number of a name, a new one if it is new. All names behind the 255th have one number.
func (p *Points) Number(name string) uint8 {
	for i, have := range *p {
		if have == name {
			return uint8(i)
		}
	}
	if len(*p) == 255 {
		return 254
	}
	*p = append(*p, name)
	return uint8(len(*p) - 1)
}

// code writes h, whose ends are hidden, or reads it.
func (h *Hop) code(c *mem.Coder) {
	c.Fixed(h.Src[:])
	c.Fixed(h.Dst[:])
	mem.Number(c, &h.sport)
	mem.Number(c, &h.dport)
	mem.Number(c, &h.Origin)
	c.Flags(&h.valid)
}
