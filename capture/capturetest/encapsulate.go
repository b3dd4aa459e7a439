package capturetest

import (
	"encoding/binary"
	"net/netip"

	"sipsieve/capture"
	"sipsieve/capture/wire"
)

// A Wrapping is an encapsulation and its identifier.
type Wrapping struct {
	Kind capture.Encapsulation
	IPv6 bool   // of the tunnel's own addresses, for kinds that have addresses
	ID   uint32 // VLAN, label, session, key, VNI or TEID, cut to the size of its field; 0 for a default
}

// Other numbers in encapsulations.
const (
	tunnelID   = 0x123
	innerVLAN  = 7
	etherIPv6  = 0x86dd
	greBridged = 0x6558
	protoGRE   = 47
)

// ports of tunnels in UDP.
var tunnelPorts = map[capture.Encapsulation]uint16{capture.VXLAN: 4789, capture.Geneve: 6081, capture.GTPU: 2152}

// Encapsulate returns frames inside the encapsulation w: the same packets at the same times. frames are those of
// Ladder, Corpus or Encapsulate, except cooked ones.
func Encapsulate(frames []Frame, w Wrapping) []Frame {
	if w.ID == 0 {
		w.ID = tunnelID
	}
	t := &tunnel{Wrapping: w}
	out := make([]Frame, 0, len(frames))
	for i, f := range frames {
		t.count = uint32(i)
		out = append(out, t.frame(f))
	}
	return out
}

// A tunnel wraps frames. Its ends' addresses are of RFC 5737 and RFC 3849.
type tunnel struct {
	Wrapping
	ids   [2]uint16
	count uint32 // frames so far
}

// ends returns the ends between which f travels, as the two hosts of f do; a mirror sends all one way.
func (t *tunnel) ends(f Frame) (from, to wire.End) {
	addrs := [2]netip.Addr{netip.AddrFrom4([4]byte{198, 51, 100, 251}), netip.AddrFrom4([4]byte{198, 51, 100, 252})}
	if t.IPv6 {
		addrs = [2]netip.Addr{netip.MustParseAddr("2001:db8:ffff::1"), netip.MustParseAddr("2001:db8:ffff::2")}
	}
	from = wire.End{Addr: addrs[0], Port: 49152, MAC: [6]byte{2, 0, 0, 0, 0xff, 1}, IDs: &t.ids[0]}
	to = wire.End{Addr: addrs[1], Port: tunnelPorts[t.Kind], MAC: [6]byte{2, 0, 0, 0, 0xff, 2}, IDs: &t.ids[1]}
	mirror := t.Kind == capture.ERSPAN1 || t.Kind == capture.ERSPAN2 || t.Kind == capture.ERSPAN3
	if !mirror && string(f.Data[:6]) < string(f.Data[6:12]) {
		from.Addr, to.Addr, from.MAC, to.MAC = to.Addr, from.Addr, to.MAC, from.MAC
	}
	return from, to
}

// frame returns f inside the tunnel.
func (t *tunnel) frame(f Frame) Frame {
	switch t.Kind {
	case capture.Dot1Q, capture.QinQ, capture.CookedV1, capture.CookedV2, capture.VNTag, capture.ETag,
		capture.MetaData, capture.Backbone:
		return t.link(f)
	case capture.MPLS, capture.PPPoE:
		return t.labelled(f)
	}
	from, to := t.ends(f)
	w := wire.Framer{MTU: 65535}
	proto, payload := t.packet(f)
	if proto == wire.UDP {
		w.Datagram(f.Time, from, to, payload)
	} else {
		w.Packet(f.Time, from, to, wire.Payload{Protocol: proto, Bytes: payload})
	}
	return w.Frames[0]
}

// link changes the link layer of f.
func (t *tunnel) link(f Frame) Frame {
	rest, b := f.Data[12:], []byte(nil)
	switch t.Kind {
	case capture.Dot1Q:
		b = append(be16(f.Data[:12:12], 0x8100, uint16(t.ID)&0xfff), rest...)
	case capture.QinQ:
		b = append(be16(f.Data[:12:12], 0x88a8, uint16(t.ID)&0xfff, 0x8100, innerVLAN), rest...)
	case capture.VNTag:
		b = append(be16(f.Data[:12:12], 0x8926, uint16(t.ID)&0x3fff, uint16(t.ID)&0xfff), rest...)
	case capture.ETag:
		b = append(be16(f.Data[:12:12], 0x893f, 0, uint16(t.ID)&0x3fff, 0), rest...)
	case capture.MetaData: // version 1, one option of a security group
		b = append(be16(f.Data[:12:12], 0x8909, 0x0101, 0x0001, uint16(t.ID)), rest...)
	case capture.Backbone: // both addresses of the outer frame are those of bridges
		b = append([]byte(nil), 0x12, 0, 0, 0, 0, 0xf1, 0x12, 0, 0, 0, 0, 0xf2)
		b = append(be32(be16(b, 0x88e7), t.ID&0xffffff), f.Data...)
	case capture.CookedV1:
		f.Link = 113
		b = append(be16(nil, 0, 1, 6), f.Data[6:12]...)
		b = append(append(b, 0, 0), rest...)
	case capture.CookedV2:
		f.Link = 276
		b = be16(nil, binary.BigEndian.Uint16(rest), 0, 0, 1, 1, 6)
		b[10], b[11] = 0, 6 // packet type and length of the address, a byte each
		b = append(append(b, f.Data[6:12]...), 0, 0)
		b = append(b, rest[2:]...)
	}
	f.Data = b
	return f
}

// labelled puts what the link layer of f carries behind a label stack or in a PPP session.
func (t *tunnel) labelled(f Frame) Frame {
	kind, packet := carried(f.Data)
	head := f.Data[:12:12]
	if t.Kind == capture.MPLS {
		head = be32(be16(head, 0x8847), 0xff0<<12|64, (t.ID&0xfffff)<<12|0x100|64)
	} else {
		ppp := uint16(0x0021)
		if kind == etherIPv6 {
			ppp = 0x0057
		}
		head = be16(head, 0x8864, 0x1100, uint16(t.ID), uint16(len(packet)+2), ppp)
	}
	f.Data = append(head, packet...)
	return f
}

// packet returns the IP payload that carries f, and its protocol.
func (t *tunnel) packet(f Frame) (proto byte, b []byte) {
	kind, packet := carried(f.Data)
	switch t.Kind {
	case capture.IPIP:
		if kind == etherIPv6 {
			return 41, packet
		}
		return 4, packet
	case capture.GRE:
		b = be32(be16(nil, 0xb000, kind, 0, 0), t.ID, t.count)
		b = append(b, packet...)
		binary.BigEndian.PutUint16(b[4:], wire.Checksum(b))
		return protoGRE, b
	case capture.NVGRE:
		return protoGRE, append(be32(be16(nil, 0x2000, greBridged), t.ID<<8), f.Data...)
	case capture.ERSPAN1:
		return protoGRE, append(be16(nil, 0, 0x88be), f.Data...)
	case capture.ERSPAN2:
		b = be32(be16(nil, 0x1000, 0x88be), t.count)
		return protoGRE, append(be32(be16(b, 0x1000, uint16(t.ID)&0x3ff), 0), f.Data...)
	case capture.ERSPAN3: // with the platform's 8 bytes
		b = be32(be16(nil, 0x1000, 0x22eb), t.count)
		b = be32(be16(b, 0x2000, uint16(t.ID)&0x3ff), t.count, 1)
		return protoGRE, append(be32(b, 0, 0), f.Data...)
	}
	return wire.UDP, t.datagram(f.Data, packet)
}

// datagram returns what a tunnel in UDP carries.
func (t *tunnel) datagram(frame, packet []byte) []byte {
	switch t.Kind {
	case capture.VXLAN:
		return append(be32(nil, 0x08<<24, t.ID<<8), frame...)
	case capture.Geneve: // with one option of 4 bytes, of the class for experiments
		return append(be32(be16(nil, 0x0200, greBridged), t.ID<<8, 0xff00_0001, 0), frame...)
	}
	// GTP-U with a sequence number and a PDU session container
	b := be32(be16(nil, 0x36ff, uint16(len(packet)+8)), t.ID)
	return append(append(be16(b, uint16(t.count)), 0, 0x85, 1, 0, 9, 0), packet...)
}

// carried returns the EtherType of a frame and what is behind it, without tags.
func carried(frame []byte) (kind uint16, packet []byte) {
	at := 12
	for kind = binary.BigEndian.Uint16(frame[at:]); kind == 0x8100 || kind == 0x88a8; {
		at += 4
		kind = binary.BigEndian.Uint16(frame[at:])
	}
	return kind, frame[at+2:]
}

func be16(b []byte, list ...uint16) []byte {
	for _, x := range list {
		b = binary.BigEndian.AppendUint16(b, x)
	}
	return b
}

func be32(b []byte, list ...uint32) []byte {
	for _, x := range list {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	return b
}
