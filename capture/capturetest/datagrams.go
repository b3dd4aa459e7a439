package capturetest

import (
	"net/netip"
	"time"
)

// Datagrams returns frames that carry the payloads over UDP from 192.0.2.1:5060 to 192.0.2.2:5060, whatever they are,
// the first at the time given and each of the others so much later.
func Datagrams(at time.Time, every time.Duration, payloads ...[]byte) []Frame {
	w := wire{mtu: 9000}
	var ids [2]uint16
	from := end{netip.MustParseAddr("192.0.2.1"), 5060, [6]byte{2, 0, 0, 0, 0, 1}, &ids[0]}
	to := end{netip.MustParseAddr("192.0.2.2"), 5060, [6]byte{2, 0, 0, 0, 0, 2}, &ids[1]}
	for _, p := range payloads {
		w.datagram(at, from, to, p)
		at = at.Add(every)
	}
	return w.frames
}

// Ends are where a datagram comes from, where it goes to, and its IPv4 identification.
type Ends struct {
	Src, Dst netip.AddrPort
	ID       uint16
}

// Datagram returns the frame of one datagram, whatever its payload is.
func Datagram(at time.Time, e Ends, payload []byte) Frame {
	w := wire{mtu: 9000}
	id := e.ID - 1
	from := end{e.Src.Addr(), e.Src.Port(), [6]byte{2, 0, 0, 0, 0, 1}, &id}
	to := end{e.Dst.Addr(), e.Dst.Port(), [6]byte{2, 0, 0, 0, 0, 2}, &id}
	w.datagram(at, from, to, payload)
	return w.frames[0]
}
