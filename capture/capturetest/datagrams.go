package capturetest

import (
	"net/netip"
	"time"

	"sipsieve/capture/wire"
)

// Datagrams returns frames that carry any payloads over UDP from 192.0.2.1:5060 to 192.0.2.2:5060, the first at start
// and the others at intervals of every.
func Datagrams(start time.Time, every time.Duration, payloads ...[]byte) []Frame {
	w := wire.Framer{MTU: 9000}
	var ids [2]uint16
	from := wire.End{Addr: netip.MustParseAddr("192.0.2.1"), Port: 5060, MAC: [6]byte{2, 0, 0, 0, 0, 1}, IDs: &ids[0]}
	to := wire.End{Addr: netip.MustParseAddr("192.0.2.2"), Port: 5060, MAC: [6]byte{2, 0, 0, 0, 0, 2}, IDs: &ids[1]}
	for _, p := range payloads {
		w.Datagram(start, from, to, p)
		start = start.Add(every)
	}
	return w.Frames
}

// Ends are the source and destination of a datagram, and its IPv4 identification.
type Ends struct {
	Src, Dst netip.AddrPort
	ID       uint16
}

// Datagram returns the frame of one datagram with any payload.
func Datagram(t time.Time, e Ends, payload []byte) Frame {
	w := wire.Framer{MTU: 9000}
	id := e.ID - 1
	from := wire.End{Addr: e.Src.Addr(), Port: e.Src.Port(), MAC: [6]byte{2, 0, 0, 0, 0, 1}, IDs: &id}
	to := wire.End{Addr: e.Dst.Addr(), Port: e.Dst.Port(), MAC: [6]byte{2, 0, 0, 0, 0, 2}, IDs: &id}
	w.Datagram(t, from, to, payload)
	return w.Frames[0]
}
