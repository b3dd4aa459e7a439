package capturetest

import (
	"net/netip"
	"time"
)

// Datagrams returns frames that carry any payloads over UDP from 192.0.2.1:5060 to 192.0.2.2:5060, the first at start
// and the others at intervals of every.
func Datagrams(start time.Time, every time.Duration, payloads ...[]byte) []Frame {
	w := wire{mtu: 9000}
	var ids [2]uint16
	from := end{netip.MustParseAddr("192.0.2.1"), 5060, [6]byte{2, 0, 0, 0, 0, 1}, &ids[0]}
	to := end{netip.MustParseAddr("192.0.2.2"), 5060, [6]byte{2, 0, 0, 0, 0, 2}, &ids[1]}
	for _, p := range payloads {
		w.datagram(start, from, to, p)
		start = start.Add(every)
	}
	return w.frames
}

// Ends are the source and destination of a datagram, and its IPv4 identification.
type Ends struct {
	Src, Dst netip.AddrPort
	ID       uint16
}

// Datagram returns the frame of one datagram with any payload.
func Datagram(t time.Time, e Ends, payload []byte) Frame {
	w := wire{mtu: 9000}
	id := e.ID - 1
	from := end{e.Src.Addr(), e.Src.Port(), [6]byte{2, 0, 0, 0, 0, 1}, &id}
	to := end{e.Dst.Addr(), e.Dst.Port(), [6]byte{2, 0, 0, 0, 0, 2}, &id}
	w.datagram(t, from, to, payload)
	return w.frames[0]
}
