package track

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
func (h hop) veiled(k event.Keyer) hop {
	if h.veil&srcVeiled == 0 {
		h.src, h.sport = veilEnd(k, h.src, h.sport)
	}
	if h.veil&dstVeiled == 0 {
		h.dst, h.dport = veilEnd(k, h.dst, h.dport)
	}
	h.veil |= srcVeiled | dstVeiled
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
func (h *hop) unveil(k event.Keyer, m *sip.Message) {
	for _, one := range [...]netip.AddrPort{m.Flow.Src, m.Flow.Dst} {
		if h.veil&(srcVeiled|dstVeiled) == 0 || !one.IsValid() {
			continue
		}
		addr := one.Addr().As16()
		if name, port := veilEnd(k, addr, h.sport); h.veil&srcVeiled != 0 && name == h.src {
			h.src, h.sport, h.veil = addr, port, h.veil&^srcVeiled
		}
		if name, port := veilEnd(k, addr, h.dport); h.veil&dstVeiled != 0 && name == h.dst {
			h.dst, h.dport, h.veil = addr, port, h.veil&^dstVeiled
		}
	}
}
