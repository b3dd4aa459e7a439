package decode

import (
	"encoding/binary"

	"sipsieve/capture"
)

// A LinkType is a link layer by its number in capture files (the LINKTYPE registry of tcpdump.org).
type LinkType uint16

// Link layers that are read, and the two of 802.11 that are counted and not read.
const (
	Null      LinkType = 0
	Ethernet  LinkType = 1
	RawBSD    LinkType = 12
	RawOpen   LinkType = 14
	Raw       LinkType = 101
	WLAN      LinkType = 105
	Loop      LinkType = 108
	LinuxSLL  LinkType = 113
	Radiotap  LinkType = 127
	IPv4Only  LinkType = 228
	IPv6Only  LinkType = 229
	LinuxSLL2 LinkType = 276
)

// EtherTypes of IEEE 802: IP, the tags of 802.1Q and 802.1ad with their older number, and tunnels.
const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherTag   = 0x8100
	etherQinQ  = 0x88a8
	etherOldQ  = 0x9100
	etherMPLS  = 0x8847
	etherMPLSm = 0x8848 // multicast until RFC 5332, labels assigned upstream since
	etherPPPoE = 0x8864
)

func (d *Decoder) linkLayer(t LinkType, b []byte) (capture.Reason, bool) {
	switch t {
	case Ethernet:
		return d.ethernet(b)
	case Null, Loop:
		if len(b) < 4 {
			return capture.Short, refuse
		}
		return d.ip(b[4:])
	case RawBSD, RawOpen, Raw, IPv4Only, IPv6Only:
		return d.ip(b)
	case LinuxSLL:
		d.carry(capture.CookedV1)
		return d.cooked(b, 16, 14, 6)
	case LinuxSLL2:
		d.carry(capture.CookedV2)
		return d.cooked(b, 20, 0, 12)
	}
	return capture.LinkType, refuse
}

// ethernet reads an Ethernet frame. The sender that packets bear is the innermost one's: a mirror is no sender.
func (d *Decoder) ethernet(b []byte) (capture.Reason, bool) {
	if len(b) < 14 {
		return capture.Short, refuse
	}
	d.around.headers += 14
	d.seen.link = [6]byte(b[6:12])
	return d.etherType(binary.BigEndian.Uint16(b[12:]), b[14:])
}

// cooked reads a Linux cooked header of n bytes, with the EtherType and the sender's address where they stand.
func (d *Decoder) cooked(b []byte, n, proto, address int) (capture.Reason, bool) {
	if len(b) < n {
		return capture.Short, refuse
	}
	d.around.headers += n
	d.seen.link = [6]byte(b[address : address+6])
	return d.etherType(binary.BigEndian.Uint16(b[proto:]), b[n:])
}

// maxTags is how many VLAN tags an Ethernet frame may have in its bytes.
const maxTags = 2

func (d *Decoder) etherType(t uint16, b []byte) (capture.Reason, bool) {
	for tags := 0; t == etherTag || t == etherQinQ || t == etherOldQ; tags++ {
		if tags == maxTags {
			return capture.Tunnel, refuse
		}
		if len(b) < 4 {
			return capture.Short, refuse
		}
		kind := capture.Dot1Q
		if tags > 0 {
			kind = capture.QinQ
		}
		d.around.headers += 4
		d.tag(binary.BigEndian.Uint16(b)&0x0fff, kind)
		t, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	switch t {
	case etherIPv4, etherIPv6:
		return d.ip(b)
	case etherMPLS, etherMPLSm:
		return d.mpls(b)
	case etherPPPoE:
		return d.pppoe(b)
	}
	return capture.NotIP, refuse
}

// tag takes note of a VLAN. The outermost is the packets' own.
func (d *Decoder) tag(vlan uint16, kind capture.Encapsulation) {
	d.carry(kind)
	if d.seen.vlan == 0 {
		d.seen.vlan = vlan
	}
	d.around.mix(kind, uint64(vlan))
}
