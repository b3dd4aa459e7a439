// Package decode takes frames apart: link layer, VLAN tags, tunnels, IP, fragments, and what UDP, SCTP and TCP carry.
//
// Packets are what two hosts sent each other, in order, as if there were no tunnel and no fragment.
//
// # Clock
//
// Every wait (for a fragment, for a missing segment) ends by the time of the frames, never by the clock of the host.
//
// # Limits
//
// Every memory has a limit in Config. What is evicted or waits for too long is counted in capture.Drops.Lost; a frame
// that gives nothing is counted in Refused with its reason. README.md has the table.
//
// # Order
//
// Packets come in the order of the frames that completed them. Of a TCP stream they come in the order of its bytes.
package decode

import (
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

// Config is what is read, and how much is remembered. Each limit is 1 or more.
type Config struct {
	Ports        []PortRange     // source or destination, of the innermost packet; empty for every port
	Tunnels      capture.Tunnels // encapsulations that are stepped into
	Origin       capture.Origin  // of every packet
	StreamBase   uint64          // added to every stream number, so that no two Decoders give the same one
	Connections  int             // TCP connections remembered; the one silent for longest is evicted
	Holds        int             // TCP directions that may wait for a missing segment
	HoldRoom     int             // bytes that wait in all of them
	Gap          time.Duration   // longest wait for a missing segment, in packet time
	Datagrams    int             // fragmented datagrams in flight
	FragmentRoom int             // bytes of them
	PerSource    int             // of them from one address
	FragmentAge  time.Duration   // longest wait for a fragment, in packet time
}

// DefaultConfig returns the limits of an SBC with 20,000 TCP connections.
func DefaultConfig() Config {
	return Config{Connections: 20_000, Holds: 512, HoldRoom: 32 << 20, Gap: 500 * time.Millisecond,
		Datagrams: 1024, FragmentRoom: 8 << 20, PerSource: 64, FragmentAge: 15 * time.Second}
}

// has reports whether port is one of r.
func (r PortRange) has(port uint16) bool { return r.First <= port && port <= r.Last }

// A Decoder makes packets of frames. It is used by one goroutine.
type Decoder struct {
	layers
	count *capture.Counters
}

// A sighting is what all packets of one frame share: when and where it was captured.
type sighting struct {
	time  time.Time
	point string
	vlan  uint16
	link  [6]byte
}

// since returns the time from t to the sighting, without sign: where a clock was set back, nothing waits for its old
// time.
func (s *sighting) since(t time.Time) time.Duration { return s.time.Sub(t).Abs() }

// output is the packets that the frame at hand completed, or Flush.
type output struct {
	origin  capture.Origin
	packets []capture.Packet
	taken   int
}

func (o *output) clear() { o.packets, o.taken = o.packets[:0], 0 }

// give adds p, which was seen as s.
func (o *output) give(p capture.Packet, s *sighting) {
	p.Time, p.VLAN, p.Link, p.Point, p.Origin = s.time, s.vlan, s.link, s.point, o.origin
	o.packets = append(o.packets, p)
}

// New returns a Decoder that counts in c.
func New(cfg Config, c *capture.Counters) *Decoder {
	d := &Decoder{count: c}
	d.ports, d.nest.tunnels, d.out.origin = cfg.Ports, cfg.Tunnels, cfg.Origin
	d.streams.init(cfg)
	d.streams.count, d.streams.seen, d.streams.out = c, &d.seen, &d.out
	d.fragments.init(cfg)
	d.fragments.count, d.fragments.seen = c, &d.seen
	return d
}

// Frame decodes f. The packets that it completed are read with Next, until the next call of Frame.
func (d *Decoder) Frame(f *Frame) {
	d.begin(f)
	d.age()
	d.settle(d.link(f.Link, f.Data))
}

// Sift decodes f like Frame if the order of frames makes no difference to it: nothing of f is kept for later, and no
// payload of it can be SIP. Its packets bear the time now, to which fragments and segments that wait age as well. Sift
// returns false, and has done nothing, if f has a part of a TCP stream, of a fragmented datagram or of SCTP, or a
// payload that may begin a message: such frames are for Frame, in the order of time.
func (d *Decoder) Sift(f *Frame, now time.Time) bool {
	d.out.clear()
	if plainText(f) {
		return false
	}
	d.begin(f)
	d.seen.time = now
	d.sifting, d.postponed = true, false
	reason, ok := d.link(f.Link, f.Data)
	if d.sifting = false; d.postponed {
		return false
	}
	d.age()
	d.settle(reason, ok)
	return true
}

// plainText reports of the usual frame, IPv4 and UDP without options in Ethernet without tags, whether its payload
// begins with a capital letter, as SIP does.
func plainText(f *Frame) bool {
	b := f.Data
	return f.Link == Ethernet && len(b) > 42 && b[12] == 8 && b[13] == 0 && b[14] == 0x45 && b[20]&0x3f == 0 &&
		b[21] == 0 && b[23] == ProtoUDP && b[42] >= 'A' && b[42] <= 'Z'
}

// age gives up what has waited for too long.
func (d *Decoder) age() {
	d.fragments.age()
	d.streams.age()
}

// settle counts a frame and its fate.
func (d *Decoder) settle(reason capture.Reason, ok bool) {
	d.count.Seen.Add(1)
	d.nest.count(d.count)
	if ok {
		d.count.Pass()
	} else {
		d.count.Refuse(reason)
	}
}

// Next sets p to the next packet and reports whether there was one.
func (d *Decoder) Next(p *capture.Packet) bool {
	if d.Given() {
		return false
	}
	*p = d.out.packets[d.out.taken]
	d.out.taken++
	return true
}

// Given reports whether Next has given all packets of the last frame.
func (d *Decoder) Given() bool { return d.out.taken == len(d.out.packets) }

// Flush gives up what waits for more: no frame follows. What streams hold is read with Next.
func (d *Decoder) Flush() {
	d.out.clear()
	d.streams.flush()
	d.fragments.flush()
}
