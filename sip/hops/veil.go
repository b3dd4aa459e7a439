// This file has methods of Hop because a file is one thing that hops show with how the table keeps it.

package hops

import (
	"net/netip"

	"sipsieve/sip"
	"sipsieve/sip/event"
)

// What is veiled of a hop: an address by its keyed hash, a port by what follows from the address.
const (
	srcVeiled uint8 = 1 << iota
	dstVeiled
	wasRestored // it was veiled once: records do not have it
)

// veiled returns h with hashes by k in the place of its addresses and ports.
func (h Hop) veiled(k event.Keyer) Hop {
	if h.Veil&srcVeiled == 0 {
		h.Src, h.sport = veilEnd(k, h.Src, h.sport)
	}
	if h.Veil&dstVeiled == 0 {
		h.Dst, h.dport = veilEnd(k, h.Dst, h.dport)
	}
	h.Veil |= srcVeiled | dstVeiled
	return h
}

// veilEnd returns what stands for an address, and a port on it. With the address, it gives the port back.
func veilEnd(k event.Keyer, addr [16]byte, port uint16) (event.Key, uint16) {
	text := append([]byte("address "), addr[:]...)
	name := k.Key(text)
	pad := k.Key(append(text, "port"...))
	return name, port ^ uint16(pad.Short())
}

// unveil gives those ends of h their addresses and ports back that are m's.
func (h *Hop) unveil(k event.Keyer, m *sip.Message) {
	for _, one := range [...]netip.AddrPort{m.Flow.Src, m.Flow.Dst} {
		if h.Veil&(srcVeiled|dstVeiled) == 0 || !one.IsValid() {
			continue
		}
		addr := one.Addr().As16()
		if name, port := veilEnd(k, addr, h.sport); h.Veil&srcVeiled != 0 && name == h.Src {
			h.Src, h.sport, h.Veil = addr, port, h.Veil&^srcVeiled
		}
		if name, port := veilEnd(k, addr, h.dport); h.Veil&dstVeiled != 0 && name == h.Dst {
			h.Dst, h.dport, h.Veil = addr, port, h.Veil&^dstVeiled
		}
	}
}
