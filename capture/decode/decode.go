// Package decode takes frames apart: link layer, VLAN tags, IP, fragments, UDP and TCP byte streams.
//
// What it gives is what the two hosts meant each other to read, in order. Every frame that does not become
// a part of that is counted with the reason, and every memory it needs has a limit.
package decode

import (
	"encoding/binary"
	"net/netip"
	"time"

	"sipsieve/capture"
)

// A Frame is one captured link-layer frame.
type Frame struct {
	Time   time.Time
	Link   LinkType
	Data   []byte // borrowed until the next call of Frame
	Length int    // bytes on the wire; more than len(Data) if the capture cut it
	VLAN   uint16 // from a ring's header, where the kernel took the tag off; 0 otherwise
	Point  string
}

// A PortRange is the ports from First to Last, both included.
type PortRange struct{ First, Last uint16 }

// Config says what to look for and how much to remember.
type Config struct {
	Ports        []PortRange     // source or destination; empty for every port
	Tunnels      capture.Tunnels // encapsulations that are stepped into
	StreamBase   uint64          // added to every stream number, so that two Decoders never give the same
	Connections  int             // TCP connections remembered; the one silent for longest goes
	Holds        int             // TCP directions that may wait for a missing segment
	Gap          time.Duration   // longest wait for a missing segment, in packet time
	Datagrams    int             // fragmented datagrams in flight
	FragmentRoom int             // bytes of them
	PerSource    int             // of them from one address
	FragmentAge  time.Duration   // longest wait for a fragment, in packet time
}

// DefaultConfig returns the limits of an SBC with 20,000 TCP connections.
func DefaultConfig() Config {
	return Config{Connections: 20_000, Holds: 512, Gap: 500 * time.Millisecond,
		Datagrams: 1024, FragmentRoom: 8 << 20, PerSource: 64, FragmentAge: 15 * time.Second}
}

// A Decoder makes packets of frames. It is used by one goroutine.
type Decoder struct {
	cfg       Config
	count     *capture.Counters
	frame     *Frame
	link      [6]byte
	vlan      uint16
	queue     []capture.Packet
	taken     int
	streams   streams
	fragments fragments
}

// New returns a Decoder that counts in c.
func New(cfg Config, c *capture.Counters) *Decoder {
	d := &Decoder{cfg: cfg, count: c}
	d.streams.init(cfg)
	d.fragments.init(cfg)
	return d
}

// Frame decodes f. What it completed is had from Next, until the next call of Frame.
func (d *Decoder) Frame(f *Frame) {
	d.count.Seen.Add(1)
	d.frame, d.vlan, d.link = f, f.VLAN, [6]byte{}
	d.queue, d.taken = d.queue[:0], 0
	d.fragments.recycle()
	if reason, ok := d.linkLayer(f.Link, f.Data); !ok {
		d.count.Refuse(reason)
	}
}

// Next sets p to the next packet and reports whether there was one.
func (d *Decoder) Next(p *capture.Packet) bool {
	if d.taken == len(d.queue) {
		return false
	}
	*p = d.queue[d.taken]
	d.taken++
	return true
}

// Flush gives up what waits for more: no frame follows. What streams hold is had from Next.
func (d *Decoder) Flush() {
	d.queue, d.taken = d.queue[:0], 0
	d.streams.flush(d)
	for range d.fragments.flush() {
		d.count.Refuse(capture.FragmentExpired)
	}
}

// Each layer returns the reason for which it refuses, and whether the frame went on.
const refuse, pass = false, true

// An ipPayload is what the IP layer hands to the transport layer.
type ipPayload struct {
	src, dst netip.Addr
	proto    byte
	id       uint32
	data     []byte
	cut      bool // the capture holds less than the wire had
}

func (d *Decoder) ip(b []byte) (capture.Reason, bool) {
	if len(b) == 0 {
		return capture.Short, refuse
	}
	switch b[0] >> 4 {
	case 4:
		return d.ipv4(b)
	case 6:
		return d.ipv6(b)
	}
	return capture.NotIP, refuse
}

func (d *Decoder) ipv4(b []byte) (capture.Reason, bool) {
	if len(b) < 20 {
		return capture.Short, refuse
	}
	head, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // left to the network card by segmentation offload
		total = len(b)
	}
	if head < 20 || total < head {
		return capture.Malformed, refuse
	}
	if len(b) < head {
		return capture.Short, refuse
	}
	p := ipPayload{src: netip.AddrFrom4([4]byte(b[12:16])), dst: netip.AddrFrom4([4]byte(b[16:20])),
		proto: b[9], id: uint32(binary.BigEndian.Uint16(b[4:]))}
	p.data, p.cut = b[head:min(total, len(b))], total > len(b)
	if part := binary.BigEndian.Uint16(b[6:]); part&0x3fff != 0 {
		return d.fragment(p, int(part&0x1fff)*8, part&0x2000 != 0)
	}
	return d.transport(p)
}

// extension reports whether next is an IPv6 header that is stepped over: hop-by-hop, routing, destination, RFC 8200 section 4.
func extension(next byte) bool { return next == 0 || next == 43 || next == 60 }

func (d *Decoder) ipv6(b []byte) (capture.Reason, bool) {
	if len(b) < 40 {
		return capture.Short, refuse
	}
	end := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if end == 40 { // a jumbogram, or segmentation offload
		end = len(b)
	}
	p := ipPayload{src: netip.AddrFrom16([16]byte(b[8:24])), dst: netip.AddrFrom16([16]byte(b[24:40])), proto: b[6]}
	p.data, p.cut = b[40:min(end, len(b))], end > len(b)
	for range 8 {
		switch {
		case p.proto == 44 && len(p.data) < 8:
			return capture.Short, refuse
		case p.proto == 44:
			part := binary.BigEndian.Uint16(p.data[2:])
			fragmentID := binary.BigEndian.Uint32(p.data[4:])
			p.proto, p.data = p.data[0], p.data[8:]
			if part&0xfff9 == 0 { // an atomic fragment, RFC 6946
				continue
			}
			p.id = fragmentID
			return d.fragment(p, int(part&0xfff8), part&1 != 0)
		case !extension(p.proto):
			return d.transport(p)
		case len(p.data) < 8 || len(p.data) < 8+int(p.data[1])*8:
			return capture.Short, refuse
		}
		p.proto, p.data = p.data[0], p.data[8+int(p.data[1])*8:]
	}
	return capture.Malformed, refuse
}

func (d *Decoder) transport(p ipPayload) (capture.Reason, bool) {
	switch p.proto {
	case 17:
		return d.udp(p)
	case 6:
		return d.tcp(p)
	case 4, 41, 47:
		return capture.Tunnel, refuse
	}
	return capture.NotTransport, refuse
}

func (d *Decoder) udp(p ipPayload) (capture.Reason, bool) {
	b := p.data
	if len(b) < 8 {
		return capture.Short, refuse
	}
	flow := ports(p, b, capture.UDP)
	if !d.ours(flow) {
		return capture.OtherPort, refuse
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	switch {
	case n == 0:
		n = len(b)
	case n < 8 || n > len(b) && !p.cut:
		return capture.Malformed, refuse
	}
	payload := b[8:min(n, len(b))]
	if n == 8 {
		return capture.Empty, refuse
	}
	if p.src.Is6() {
		p.id = 0
	}
	d.give(capture.Packet{Flow: flow, ID: p.id, Cut: n > len(b), Payload: payload})
	return 0, pass
}

// give queues p with what all packets of this frame have alike.
func (d *Decoder) give(p capture.Packet) {
	p.Time, p.VLAN, p.Link, p.Point = d.frame.Time, d.vlan, d.link, d.frame.Point
	d.queue = append(d.queue, p)
}

func ports(p ipPayload, b []byte, t capture.Transport) capture.Flow {
	return capture.Flow{Src: netip.AddrPortFrom(p.src, binary.BigEndian.Uint16(b)),
		Dst: netip.AddrPortFrom(p.dst, binary.BigEndian.Uint16(b[2:])), Transport: t}
}

// ours reports whether one of f's ports is configured.
func (d *Decoder) ours(f capture.Flow) bool {
	if len(d.cfg.Ports) == 0 {
		return true
	}
	for _, r := range d.cfg.Ports {
		if in(r, f.Src.Port()) || in(r, f.Dst.Port()) {
			return true
		}
	}
	return false
}

func in(r PortRange, port uint16) bool { return r.First <= port && port <= r.Last }
