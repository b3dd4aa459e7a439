package ladder

import (
	"hash/fnv"
	"net/netip"
	"time"

	"sipsieve/capture/wire"
)

// A carrier puts messages in frames, over UDP or TCP, between the addresses of the parties.
type carrier struct {
	wire.Framer
	start time.Time
	ipv6  bool
	tcp   bool
	conns map[[2]netip.AddrPort]*conn
}

// address returns the address and port of p.
func (w *carrier) address(p *Party) netip.AddrPort {
	addr := p.Addr
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
func (w *carrier) end(p *Party) wire.End {
	a := w.address(p)
	mac := [6]byte{0, 0, 0x5e, 0, 0x53, byte(firstHost + p.index)}
	return wire.End{Addr: a.Addr(), Port: a.Port(), MAC: mac, IDs: &p.IDs}
}

// carry puts text in frames and on the wire.
func (w *carrier) carry(st *Step, ends [2]*Party, text []byte) {
	at := w.start.Add(st.At)
	shown := len(w.Frames)
	if w.tcp {
		w.stream(at, ends, text)
	} else {
		w.Datagram(at, w.end(ends[0]), w.end(ends[1]), text)
	}
	switch {
	case st.has("unseen"):
		w.Frames = w.Frames[:shown]
	case st.has("twice"):
		for _, f := range w.Frames[shown:] {
			f.Time = f.Time.Add(20 * time.Microsecond)
			w.Frames = append(w.Frames, f)
		}
	}
}

// stream sends text over the connection of the two, which a handshake opens just before.
func (w *carrier) stream(at time.Time, ends [2]*Party, text []byte) {
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
	from.Port, to.Port = c.port(w.address(ends[0])), c.port(w.address(ends[1]))
	here, there := w.address(ends[0]), w.address(ends[1])
	room := int(w.MTU) - 60
	for len(text) > 0 {
		piece := text[:min(room, len(text))]
		h := wire.TCPHead{Seq: c.next[here], Ack: c.next[there], Flags: wire.ACK}
		if len(piece) == len(text) {
			h.Flags |= wire.PSH
		}
		w.Segment(at, from, to, h, piece)
		c.next[here] += uint32(len(piece))
		text = text[len(piece):]
	}
}

func (w *carrier) handshake(at time.Time, from, to wire.End) *conn {
	client, server := netip.AddrPortFrom(from.Addr, from.Port), netip.AddrPortFrom(to.Addr, to.Port)
	c := &conn{client: client, next: map[netip.AddrPort]uint32{client: 1000, server: 2000}}
	from.Port = c.port(client)
	w.Segment(at.Add(-300*time.Microsecond), from, to, wire.TCPHead{Seq: 1000, Flags: wire.SYN}, nil)
	w.Segment(at.Add(-200*time.Microsecond), to, from, wire.TCPHead{Seq: 2000, Ack: 1001, Flags: wire.SYN | wire.ACK}, nil)
	c.next[client]++
	c.next[server]++
	w.Segment(at.Add(-100*time.Microsecond), from, to, wire.TCPHead{Seq: 1001, Ack: 2001, Flags: wire.ACK}, nil)
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
