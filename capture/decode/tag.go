package decode

import (
	"encoding/binary"

	"sipsieve/capture"
)

// EtherTypes of the tags that stand between the addresses of an Ethernet frame and the EtherType of what it carries.
const (
	etherTag      = 0x8100 // IEEE 802.1Q
	etherService  = 0x88a8 // IEEE 802.1ad
	etherOldQ     = 0x9100 // of switches older than 802.1ad, for a second tag
	etherOldQ2    = 0x9200 // likewise
	etherOldQ3    = 0x9300 // likewise
	etherVNTag    = 0x8926 // Cisco VN-Tag, draft of IEEE 802.1Qbh
	etherETag     = 0x893f // IEEE 802.1BR
	etherMetaData = 0x8909 // Cisco MetaData, which holds a security group
	etherBackbone = 0x88e7 // IEEE 802.1ah: an Ethernet frame follows
)

// maxTags is how many tags an Ethernet frame may have in its bytes.
const maxTags = 8

// tagSize returns how many bytes follow the EtherType t of a tag, the EtherType of what follows it included; 0 if t
// is that of no tag.
func tagSize(t uint16) int {
	switch t {
	case etherTag, etherService, etherOldQ, etherOldQ2, etherOldQ3:
		return 4
	case etherVNTag:
		return 6
	case etherETag, etherMetaData:
		return 8
	}
	return 0
}

// tags steps over the tags that b begins with, behind the EtherType t, and returns the EtherType behind them and what
// it stands before.
func (d *Decoder) tags(t uint16, b []byte) (uint16, []byte, capture.Reason, bool) {
	vlans := 0
	for n := 0; ; n++ {
		size := tagSize(t)
		switch {
		case size == 0:
			return t, b, 0, pass
		case n == maxTags:
			return 0, nil, capture.Tunnel, refuse
		case len(b) < size:
			return 0, nil, capture.Short, refuse
		}
		d.around.headers += size
		switch {
		case t == etherVNTag:
			d.carry(capture.VNTag)
		case t == etherETag:
			d.carry(capture.ETag)
		case t == etherMetaData:
			d.carry(capture.MetaData)
		case vlans == 0:
			d.tag(binary.BigEndian.Uint16(b)&0x0fff, capture.Dot1Q)
			vlans++
		default:
			d.tag(binary.BigEndian.Uint16(b)&0x0fff, capture.QinQ)
		}
		t, b = binary.BigEndian.Uint16(b[size-2:]), b[size:]
	}
}

// tag takes note of a VLAN. The outermost is the packets' own.
func (d *Decoder) tag(vlan uint16, kind capture.Encapsulation) {
	d.carry(kind)
	if d.seen.vlan == 0 {
		d.seen.vlan = vlan
	}
	d.around.mix(kind, uint64(vlan))
}

// backbone reads the frame of a customer behind the tag of a backbone service (IEEE 802.1ah, I-TAG): 4 bytes, and the
// addresses of the customer's frame. Frames in frames count as tunnels do.
func (d *Decoder) backbone(b []byte) (capture.Reason, bool) {
	a := &d.around
	switch {
	case len(b) < 4:
		return capture.Short, refuse
	case a.depth == maxDepth:
		return capture.Tunnel, refuse
	}
	a.depth++
	a.headers += 4
	d.carry(capture.Backbone)
	a.mix(capture.Backbone, uint64(binary.BigEndian.Uint32(b)&0xffffff))
	return d.ethernet(b[4:])
}
