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

// EtherTypes: IP, and tunnels.
const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
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

func (d *Decoder) etherType(t uint16, b []byte) (capture.Reason, bool) {
	t, b, why, ok := d.tags(t, b)
	switch {
	case !ok:
		return why, refuse
	case t == etherBackbone:
		return d.backbone(b)
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
