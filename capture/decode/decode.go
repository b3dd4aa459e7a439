// Package decode takes frames apart: link layer, VLAN tags, tunnels, IP, fragments, and what UDP, SCTP and TCP carry.
//
// What it gives is what the two hosts meant each other to read, in order. Every frame that does not become
// a part of that is counted with the reason, and every memory it needs has a limit.
package decode

import (
	"math/bits"
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

// Config says what to look for and how much to remember. Each limit is 1 or more.
type Config struct {
	Ports        []PortRange     // source or destination, of the innermost packet; empty for every port
	Tunnels      capture.Tunnels // encapsulations that are stepped into
	Origin       capture.Origin  // of every packet
	StreamBase   uint64          // added to every stream number, so that two Decoders never give the same
	Connections  int             // TCP connections remembered; the one silent for longest goes
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

// A Decoder makes packets of frames. It is used by one goroutine.
type Decoder struct {
	cfg       Config
	count     *capture.Counters
	seen      sighting
	missing   int // bytes of the frame that the capture cut off
	around    around
	queue     []capture.Packet
	taken     int
	sifting   bool // by Sift: nothing is kept, and nothing that may be SIP is given
	matters   bool // the frame has something that Sift leaves to Frame
	streams   streams
	fragments fragments
}

// A sighting is what all packets of one frame have alike.
type sighting struct {
	time  time.Time
	point string
	vlan  uint16
	link  [6]byte
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
	d.begin(f)
	d.ageFragments()
	d.ageHolds()
	d.settle(d.linkLayer(f.Link, f.Data))
}

// Sift decodes f like Frame if it makes no difference when: nothing of f is kept for later, and no payload of it can be
// SIP. What f gives bears the time now, to which fragments and segments that wait age as well. Sift is false, and has
// done nothing, if f has something of a TCP stream, of a fragmented datagram or of SCTP, or a payload that may begin a
// message: such frames are for Frame, in the order of time.
func (d *Decoder) Sift(f *Frame, now time.Time) bool {
	d.queue, d.taken = d.queue[:0], 0
	if plainText(f) {
		return false
	}
	d.begin(f)
	d.seen.time = now
	d.sifting, d.matters = true, false
	reason, ok := d.linkLayer(f.Link, f.Data)
	if d.sifting = false; d.matters {
		return false
	}
	d.ageFragments()
	d.ageHolds()
	d.settle(reason, ok)
	return true
}

// plainText reports of the usual frame, IPv4 and UDP without options in Ethernet without tags, whether its payload
// begins with a capital letter, as SIP does.
func plainText(f *Frame) bool {
	b := f.Data
	return f.Link == Ethernet && len(b) > 42 && b[12] == 8 && b[13] == 0 && b[14] == 0x45 && b[20]&0x3f == 0 &&
		b[21] == 0 && b[23] == protoUDP && b[42] >= 'A' && b[42] <= 'Z'
}

// left leaves what f carries to Frame.
func (d *Decoder) left() (capture.Reason, bool) {
	d.matters = true
	return capture.NotIP, refuse // counted by nobody
}

// begin forgets the frame before f.
func (d *Decoder) begin(f *Frame) {
	d.seen = sighting{time: f.Time, point: f.Point}
	d.missing = max(0, f.Length-len(f.Data))
	d.around = around{}
	d.queue, d.taken = d.queue[:0], 0
	if f.VLAN != 0 {
		d.tag(f.VLAN, capture.Dot1Q)
	}
}

// settle counts a frame and its fate.
func (d *Decoder) settle(reason capture.Reason, ok bool) {
	d.count.Seen.Add(1)
	for left := d.around.carried; left != 0; left &= left - 1 {
		d.count.Carry(capture.Encapsulation(bits.TrailingZeros32(left)))
	}
	if ok {
		d.count.Pass()
	} else {
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

// Given reports whether Next has given all of the last frame.
func (d *Decoder) Given() bool { return d.taken == len(d.queue) }

// Flush gives up what waits for more: no frame follows. What streams hold is had from Next.
func (d *Decoder) Flush() {
	d.queue, d.taken = d.queue[:0], 0
	d.flushStreams()
	d.flushFragments()
}

// Each layer returns the reason for which it refuses, and whether the frame went on.
const refuse, pass = false, true

// give queues p, which was seen so.
func (d *Decoder) give(p capture.Packet, s *sighting) {
	p.Time, p.VLAN, p.Link, p.Point, p.Origin = s.time, s.vlan, s.link, s.point, d.cfg.Origin
	d.queue = append(d.queue, p)
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

// flowOf returns the flow of one side of a connection.
func flowOf(key *connKey, side int) capture.Flow {
	f := capture.Flow{Src: endOf(key[:16], key[32:]), Dst: endOf(key[16:], key[34:]), Transport: capture.TCP}
	if side == 1 {
		return f.Reverse()
	}
	return f
}

func endOf(addr, port []byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(addr)).Unmap(), uint16(port[0])<<8|uint16(port[1]))
}
