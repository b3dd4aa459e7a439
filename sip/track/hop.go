package track

import (
	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/mem"
)

// A hop is a capture.Flow without pointers, and where it was seen.
type hop struct {
	src, dst  [16]byte
	sport     uint16
	dport     uint16
	vlan      uint16
	transport capture.Transport
	origin    capture.Origin
	v4        bool
	valid     bool
	point     uint8
	veil      uint8 // what of it is hidden
	link      [6]byte
}

func hopOf(m *sip.Message, point uint8) hop {
	f := m.Flow
	return hop{src: f.Src.Addr().As16(), dst: f.Dst.Addr().As16(), sport: f.Src.Port(), dport: f.Dst.Port(),
		vlan: m.VLAN, transport: f.Transport, origin: m.Origin, v4: f.Src.Addr().Is4(), valid: f.Src.IsValid(),
		point: point, link: m.Link}
}

// flow returns h as a capture.Flow.
func (h *hop) flow() capture.Flow {
	p := event.PackedFlow{Src: h.src, Dst: h.dst, SrcPort: h.sport, DstPort: h.dport, Transport: h.transport, V4: h.v4,
		Valid: h.valid && h.veil == 0}
	return p.Flow()
}

// carries reports whether m, of an INVITE's transaction or its ACK, passed h the way that h's INVITE went.
func (h *hop) carries(m *sip.Message) bool {
	near := m.Flow.Src
	if !m.Request() {
		near = m.Flow.Dst
	}
	if !near.IsValid() || !h.valid {
		return true
	}
	return h.joins(m) && near.Addr().As16() == h.src && (h.src != h.dst || near.Port() == h.sport)
}

// returns reports whether m arrives where the first INVITE arrived.
func (h *hop) returns(m *sip.Message) bool {
	return m.Flow.Dst.IsValid() && m.Flow.Dst.Addr().As16() == h.dst && m.Flow.Dst.Port() == h.dport
}

// joins reports whether h and m have the same two ends, whichever way each goes. The ports count only between the
// ends of one host.
func (h *hop) joins(m *sip.Message) bool {
	if !h.valid || !m.Flow.Src.IsValid() {
		return true
	}
	src, dst := m.Flow.Src.Addr().As16(), m.Flow.Dst.Addr().As16()
	if h.src == h.dst {
		a, b := m.Flow.Src.Port(), m.Flow.Dst.Port()
		return src == h.src && dst == h.src && (a == h.sport && b == h.dport || a == h.dport && b == h.sport)
	}
	return src == h.src && dst == h.dst || src == h.dst && dst == h.src
}

// precedes reports whether h ends where o begins.
func (h *hop) precedes(o *hop) bool {
	return h.valid && o.valid && h.dst == o.src && (h.dport == o.sport || h.src != h.dst && o.src != o.dst)
}

// points are the names of places of capture, by the number that a hop has.
type points []string

// number returns the number of a name, a new one if it is new. All names behind the 255th have one number.
func (p *points) number(name string) uint8 {
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
func (h *hop) code(c *mem.Coder) {
	c.Fixed(h.src[:])
	c.Fixed(h.dst[:])
	mem.Number(c, &h.sport)
	mem.Number(c, &h.dport)
	mem.Number(c, &h.origin)
	c.Flags(&h.valid)
}
