package capturetest

import (
	"hash/fnv"
	"net/netip"
	"time"
)

// A carrier puts messages in frames, over UDP or TCP, between the addresses of the parties.
type carrier struct {
	wire
	start time.Time
	ipv6  bool
	tcp   bool
	conns map[[2]netip.AddrPort]*conn
}

// address returns the address and port of p.
func (w *carrier) address(p *party) netip.AddrPort {
	addr := p.addr
	switch {
	case addr.IsValid():
	case w.ipv6:
		addr = netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: byte(firstHost + p.index)})
	default:
		addr = netip.AddrFrom4([4]byte{192, 0, 2, byte(firstHost + p.index)})
	}
	return netip.AddrPortFrom(addr, p.port)
}

// end returns p as the frames show it.
func (w *carrier) end(p *party) end {
	a := w.address(p)
	return end{addr: a.Addr(), port: a.Port(), ids: &p.ids, mac: [6]byte{0, 0, 0x5e, 0, 0x53, byte(firstHost + p.index)}}
}

// carry puts text in frames and on the wire.
func (w *carrier) carry(st *step, ends [2]*party, text []byte) {
	at := w.start.Add(st.at)
	shown := len(w.frames)
	if w.tcp {
		w.stream(at, ends, text)
	} else {
		w.datagram(at, w.end(ends[0]), w.end(ends[1]), text)
	}
	switch {
	case st.has("unseen"):
		w.frames = w.frames[:shown]
	case st.has("twice"):
		for _, f := range w.frames[shown:] {
			f.Time = f.Time.Add(20 * time.Microsecond)
			w.frames = append(w.frames, f)
		}
	}
}

// stream sends text over the connection of the two, which a handshake opens just before.
func (w *carrier) stream(at time.Time, ends [2]*party, text []byte) {
	from, to := w.end(ends[0]), w.end(ends[1])
	key := [2]netip.AddrPort{w.address(ends[0]), w.address(ends[1])}
	back := [2]netip.AddrPort{key[1], key[0]}
	c := w.conns[key]
	if c == nil {
		c = w.conns[back]
	}
	if c == nil {
		c = w.handshake(at, from, to)
		w.conns[key] = c
	}
	from.port, to.port = c.port(w.address(ends[0])), c.port(w.address(ends[1]))
	here, there := w.address(ends[0]), w.address(ends[1])
	room := int(w.mtu) - 60
	for len(text) > 0 {
		piece := text[:min(room, len(text))]
		h := tcpHead{seq: c.next[here], ack: c.next[there], flags: flagACK}
		if len(piece) == len(text) {
			h.flags |= flagPSH
		}
		w.segment(at, from, to, h, piece)
		c.next[here] += uint32(len(piece))
		text = text[len(piece):]
	}
}

func (w *carrier) handshake(at time.Time, from, to end) *conn {
	client, server := netip.AddrPortFrom(from.addr, from.port), netip.AddrPortFrom(to.addr, to.port)
	c := &conn{client: client, next: map[netip.AddrPort]uint32{client: 1000, server: 2000}}
	from.port = c.port(client)
	w.segment(at.Add(-300*time.Microsecond), from, to, tcpHead{seq: 1000, flags: flagSYN}, nil)
	w.segment(at.Add(-200*time.Microsecond), to, from, tcpHead{seq: 2000, ack: 1001, flags: flagSYN | flagACK}, nil)
	c.next[client]++
	c.next[server]++
	w.segment(at.Add(-100*time.Microsecond), from, to, tcpHead{seq: 1001, ack: 2001, flags: flagACK}, nil)
	return c
}

// A conn is one TCP connection. Whoever spoke first is its client.
type conn struct {
	client netip.AddrPort
	next   map[netip.AddrPort]uint32 // sequence number of the next byte, by side
}

// port returns the port that the party at addr uses on c: the client's is ephemeral.
func (c *conn) port(addr netip.AddrPort) uint16 {
	if addr != c.client {
		return addr.Port()
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(addr.String()))
	return 32768 + uint16(h.Sum32()%28000)
}
