package capturetest

import (
	"hash/fnv"
	"net/netip"
	"time"
)

// A conn is one TCP connection. Whoever spoke first is its client.
type conn struct {
	client netip.AddrPort
	next   map[netip.AddrPort]uint32 // sequence number of the next byte, by side
}

// carry puts text in frames and on the wire.
func (s *scene) carry(st *step, ends [2]*party, text []byte) {
	at := s.start.Add(st.at)
	shown := len(s.frames)
	if s.tcp {
		s.stream(at, ends, text)
	} else {
		s.datagram(at, s.end(ends[0]), s.end(ends[1]), text)
	}
	switch {
	case st.has("unseen"):
		s.frames = s.frames[:shown]
	case st.has("twice"):
		for _, f := range s.frames[shown:] {
			f.Time = f.Time.Add(20 * time.Microsecond)
			s.frames = append(s.frames, f)
		}
	}
}

// stream sends text over the connection of the two, which a handshake opens just before.
func (s *scene) stream(at time.Time, ends [2]*party, text []byte) {
	from, to := s.end(ends[0]), s.end(ends[1])
	key := [2]netip.AddrPort{s.at(ends[0]), s.at(ends[1])}
	back := [2]netip.AddrPort{key[1], key[0]}
	c := s.conns[key]
	if c == nil {
		c = s.conns[back]
	}
	if c == nil {
		c = s.handshake(at, from, to)
		s.conns[key] = c
	}
	from.port, to.port = c.port(s.at(ends[0])), c.port(s.at(ends[1]))
	here, there := s.at(ends[0]), s.at(ends[1])
	room := int(s.mtu) - 60
	for len(text) > 0 {
		piece := text[:min(room, len(text))]
		h := tcpHead{seq: c.next[here], ack: c.next[there], flags: flagACK}
		if len(piece) == len(text) {
			h.flags |= flagPSH
		}
		s.segment(at, from, to, h, piece)
		c.next[here] += uint32(len(piece))
		text = text[len(piece):]
	}
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

func (s *scene) handshake(at time.Time, from, to end) *conn {
	client, server := netip.AddrPortFrom(from.addr, from.port), netip.AddrPortFrom(to.addr, to.port)
	c := &conn{client: client, next: map[netip.AddrPort]uint32{client: 1000, server: 2000}}
	from.port = c.port(client)
	s.segment(at.Add(-300*time.Microsecond), from, to, tcpHead{seq: 1000, flags: flagSYN}, nil)
	s.segment(at.Add(-200*time.Microsecond), to, from, tcpHead{seq: 2000, ack: 1001, flags: flagSYN | flagACK}, nil)
	c.next[client]++
	c.next[server]++
	s.segment(at.Add(-100*time.Microsecond), from, to, tcpHead{seq: 1001, ack: 2001, flags: flagACK}, nil)
	return c
}
