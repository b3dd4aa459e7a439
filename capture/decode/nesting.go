package decode

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"sipsieve/capture"
)

// Limits of one frame: tunnels that are stepped into, bytes of headers before the innermost packet, and datagrams
// that its fragment completes, one inside the other.
const (
	maxDepth   = 4
	maxHeaders = 256
	maxJoined  = 4
)

// nesting is what stands around the packet at hand: its tags and tunnels, counted and identified.
type nesting struct {
	tunnels capture.Tunnels // that are stepped into
	vlan    uint16          // outermost 802.1Q identifier; 0 without one
	depth   int             // tunnels
	headers int             // bytes of them and of the headers between
	joined  int             // datagrams that this frame completed
	carried uint32          // encapsulations, a bit each
	way     uint64          // hash of tags, tunnel identifiers and outer addresses: of this tunnel in this direction
	both    uint64          // the same for both directions where their identifiers are the same
}

// reset forgets the frame before.
func (n *nesting) reset() { *n = nesting{tunnels: n.tunnels} }

// mix adds the identifier of an encapsulation of that kind to the hashes.
func (n *nesting) mix(kind capture.Encapsulation, id uint64) {
	id = id<<8 | uint64(kind)
	n.way, n.both = scatter(n.way+id), scatter(n.both+id)
}

// between adds the addresses of a tunnel's ends to the hashes.
func (n *nesting) between(src, dst netip.Addr) {
	a, b := hashAddr(src), hashAddr(dst)
	n.way, n.both = scatter(n.way+a+scatter(b)), scatter(n.both+(a^b))
}

func hashAddr(a netip.Addr) uint64 {
	b := a.As16()
	return scatter(binary.BigEndian.Uint64(b[:]) + scatter(binary.BigEndian.Uint64(b[8:])))
}

// scatter spreads x over 64 bits, one to one (the finalizer of splitmix64).
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// carry notes that the frame came in e.
func (n *nesting) carry(e capture.Encapsulation) { n.carried |= 1 << e }

// count counts the encapsulations of the frame in c.
func (n *nesting) count(c *capture.Counters) {
	for left := n.carried; left != 0; left &= left - 1 {
		c.Carry(capture.Encapsulation(bits.TrailingZeros32(left)))
	}
}

// tag notes a VLAN.
func (n *nesting) tag(vlan uint16, kind capture.Encapsulation) {
	n.carry(kind)
	if n.vlan == 0 {
		n.vlan = vlan
	}
	n.mix(kind, uint64(vlan))
}

// tags steps over the tags that b begins with, behind the EtherType t, and returns the EtherType behind them and what
// follows it.
func (n *nesting) tags(t uint16, b []byte) (uint16, []byte, capture.Reason, bool) {
	vlans := 0
	for i := 0; ; i++ {
		size := tagSize(t)
		switch {
		case size == 0:
			return t, b, 0, pass
		case i == maxTags:
			return 0, nil, capture.Tunnel, refuse
		case len(b) < size:
			return 0, nil, capture.Short, refuse
		}
		n.headers += size
		switch {
		case t == EtherVNTag:
			n.carry(capture.VNTag)
		case t == EtherETag:
			n.carry(capture.ETag)
		case t == EtherMetaData:
			n.carry(capture.MetaData)
		case vlans == 0:
			n.tag(binary.BigEndian.Uint16(b)&0x0fff, capture.Dot1Q)
			vlans++
		default:
			n.tag(binary.BigEndian.Uint16(b)&0x0fff, capture.QinQ)
		}
		t, b = binary.BigEndian.Uint16(b[size-2:]), b[size:]
	}
}

// enterBackbone steps over the tag of a backbone service (IEEE 802.1ah, I-TAG) before a customer's frame, unless the
// frame is too deep: frames in frames count as tunnels do, but are always read.
func (n *nesting) enterBackbone(tag uint32) bool {
	if n.depth == maxDepth {
		return false
	}
	n.depth++
	n.headers += 4
	n.carry(capture.Backbone)
	n.mix(capture.Backbone, uint64(tag&0xffffff))
	return true
}

// enter steps over the header of t, if its kind is configured and it is not too deep.
func (n *nesting) enter(t *tunnel) bool {
	n.headers += t.size
	if !n.tunnels.Has(t.kind) || n.depth == maxDepth || n.headers > maxHeaders {
		return false
	}
	n.depth++
	n.mix(t.kind, t.id)
	n.carry(t.kind)
	return true
}
