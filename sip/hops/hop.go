package hops

import (
	"net/netip"
	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// A Hop is a capture.Flow without pointers, and where it was captured.
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
	Hidden    uint8 // of srcHidden, dstHidden, wasHidden
	Link      [6]byte
}

// Of returns the hop that m passed. point is the number of its place of capture.
func Of(m *sip.Message, point uint8) Hop {
	f := m.Flow
	return Hop{Src: f.Src.Addr().As16(), Dst: f.Dst.Addr().As16(), sport: f.Src.Port(), dport: f.Dst.Port(),
		VLAN: m.VLAN, transport: f.Transport, Origin: m.Origin, V4: f.Src.Addr().Is4(), valid: f.Src.IsValid(),
		Point: point, Link: m.Link}
}

// Flow returns h as a capture.Flow.
func (h *Hop) Flow() capture.Flow {
	p := event.PackedFlow{Src: h.Src, Dst: h.Dst, SrcPort: h.sport, DstPort: h.dport, Transport: h.transport, V4: h.V4,
		Valid: h.valid && h.Hidden == 0}
	return p.Flow()
}

// Carries reports whether m, a message of an INVITE's transaction or its ACK, passed h in the direction of h's INVITE.
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

// Returns reports whether m goes to the address to which h's INVITE went.
func (h *Hop) Returns(m *sip.Message) bool {
	return m.Flow.Dst.IsValid() && m.Flow.Dst.Addr().As16() == h.Dst && m.Flow.Dst.Port() == h.dport
}

// Joins reports whether h and m have the same two addresses, in either direction. Ports are compared only if both are
// addresses of one host.
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

// Precedes reports whether h goes to the address from which o comes.
func (h *Hop) Precedes(o *Hop) bool {
	return h.valid && o.valid && h.Dst == o.Src && (h.dport == o.sport || h.Src != h.Dst && o.Src != o.Dst)
}

// startsWith reports whether h and o come from one address. Ports are compared only if one has both ends on one host.
func (h *Hop) startsWith(o *Hop) bool {
	return h.valid && o.valid && h.Src == o.Src && (h.sport == o.sport || h.Src != h.Dst && o.Src != o.Dst)
}

// Points are the names of places of capture, by their number.
type Points []string

// Number returns the number of name, and adds it if it is new. All names after the 255th share one number.
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

// code writes h, whose addresses are hidden, or reads it.
func (h *Hop) code(c *mem.Coder) {
	c.Fixed(h.Src[:])
	c.Fixed(h.Dst[:])
	mem.Number(c, &h.sport)
	mem.Number(c, &h.dport)
	mem.Number(c, &h.Origin)
	c.Flags(&h.valid)
}

// Which ends of a hop are hidden: the address replaced by its keyed hash, the port encrypted under the address.
const (
	srcHidden uint8 = 1 << iota
	dstHidden
	wasHidden // both were, before a message showed them again: such addresses are not published
)

// hidden returns h with both ends hidden by k.
func (h Hop) hidden(k event.Keyer) Hop {
	if h.Hidden&srcHidden == 0 {
		h.Src, h.sport = hideEnd(k, h.Src, h.sport)
	}
	if h.Hidden&dstHidden == 0 {
		h.Dst, h.dport = hideEnd(k, h.Dst, h.dport)
	}
	h.Hidden |= srcHidden | dstHidden
	return h
}

// hideEnd returns the key of addr and the encrypted port. Applied to the encrypted port, it decrypts it.
func hideEnd(k event.Keyer, addr [16]byte, port uint16) (event.Key, uint16) {
	text := append([]byte("address "), addr[:]...)
	name := k.Key(text)
	pad := k.Key(append(text, "port"...))
	return name, port ^ uint16(pad.Short())
}

// unhide restores those hidden ends of h that are addresses of m.
func (h *Hop) unhide(k event.Keyer, m *sip.Message) {
	for _, one := range [...]netip.AddrPort{m.Flow.Src, m.Flow.Dst} {
		if h.Hidden&(srcHidden|dstHidden) == 0 || !one.IsValid() {
			continue
		}
		addr := one.Addr().As16()
		if name, port := hideEnd(k, addr, h.sport); h.Hidden&srcHidden != 0 && name == h.Src {
			h.Src, h.sport, h.Hidden = addr, port, h.Hidden&^srcHidden
		}
		if name, port := hideEnd(k, addr, h.dport); h.Hidden&dstHidden != 0 && name == h.Dst {
			h.Dst, h.dport, h.Hidden = addr, port, h.Hidden&^dstHidden
		}
	}
}
