package track

import (
	"net/netip"

	"sipsieve/sip"
)

// What is veiled of a hop: an address by its keyed hash, a port by what follows from the address.
const (
	srcVeiled uint8 = 1 << iota
	dstVeiled
	wasRestored // it was veiled once: records do not have it
)

// veil returns h without its addresses and ports.
func (k Keyer) veil(h hop) hop {
	if h.veil&srcVeiled == 0 {
		h.src, h.sport = k.end(h.src, h.sport)
	}
	if h.veil&dstVeiled == 0 {
		h.dst, h.dport = k.end(h.dst, h.dport)
	}
	h.veil |= srcVeiled | dstVeiled
	return h
}

// end returns what stands for an address, and a port on it. With the address, the port can be told again.
func (k Keyer) end(addr [16]byte, port uint16) (Key, uint16) {
	text := append([]byte("address "), addr[:]...)
	name := k.key(text)
	pad := k.key(append(text, "port"...))
	return name, port ^ uint16(pad.short())
}

// unveil tells the ends of h again that are m's.
func (k Keyer) unveil(h *hop, m *sip.Message) {
	for _, one := range [...]netip.AddrPort{m.Flow.Src, m.Flow.Dst} {
		if h.veil&(srcVeiled|dstVeiled) == 0 || !one.IsValid() {
			continue
		}
		addr := one.Addr().As16()
		if name, port := k.end(addr, h.sport); h.veil&srcVeiled != 0 && name == h.src {
			h.src, h.sport, h.veil = addr, port, h.veil&^srcVeiled
		}
		if name, port := k.end(addr, h.dport); h.veil&dstVeiled != 0 && name == h.dst {
			h.dst, h.dport, h.veil = addr, port, h.veil&^dstVeiled
		}
	}
}
