package decode

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"sipsieve/capture"
)

// inGRE returns a GRE packet with those flags, whose payload is of that kind.
func inGRE(flags, kind uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, flags)
	b = binary.BigEndian.AppendUint16(b, kind)
	for _, flag := range []uint16{greChecksum, greKey, greSequence} {
		if flags&flag != 0 {
			b = append(b, 0, 0, 0, 9)
		}
	}
	return append(b, payload...)
}

// An optioned frame is a packet with a payload of "hello" in a form that an encapsulation's header can take.
type optioned struct {
	link  LinkType
	bytes []byte
	kind  capture.Encapsulation // Encapsulations if it is not to be read
}

var (
	hello   = ipPacket(false, 1, 17, udpDatagram([]byte("hello")), 0, false, 0)
	hello6  = ipPacket(true, 1, 17, udpDatagram([]byte("hello")), 0, false, 0)
	bridged = linked("\x08\x00", hello)
	tagged  = linked("\x81\x00\x00\x64\x08\x00", hello)
)

// unread is the kind of a frame that is not to be read.
const unread = capture.Encapsulations

func gre(flags, kind uint16, payload []byte) []byte {
	return ipPacket(false, 1, 47, inGRE(flags, kind, payload), 0, false, 0)
}

func erspan(header string, payload []byte) []byte {
	kind := uint16(greERSPAN)
	if header[0] == 0x20 {
		kind = greERSPAN3
	}
	return gre(greSequence, kind, append([]byte(header), payload...))
}

func udpTo(port uint16, header string, payload []byte) []byte {
	b := udpDatagram(append([]byte(header), payload...))
	binary.BigEndian.PutUint16(b[2:], port)
	return ipPacket(false, 1, 17, b, 0, false, 0)
}

// linked puts payload on Ethernet behind an EtherType and what follows it.
func linked(kind string, payload []byte) []byte {
	return append([]byte("\x12\x00\x00\x00\x00\x02\x12\x00\x00\x00\x00\x01"+kind), payload...)
}

var greForms = map[string]optioned{
	"GRE with routing":       {Raw, gre(0x4000, EtherIPv4, hello), unread},
	"GRE of PPTP":            {Raw, gre(0x2001, 0x880b, hello), unread},
	"GRE with no end":        {Raw, gre(0xb000, EtherIPv4, nil)[:34], unread},
	"GRE over IPv6":          {Raw, ipPacket(true, 1, 47, inGRE(0, EtherIPv4, hello), 0, false, 0), capture.GRE},
	"bridge":                 {Raw, gre(0, EtherBridged, bridged), capture.GRE},
	"bridge with a sequence": {Raw, gre(greKey|greSequence, EtherBridged, bridged), capture.GRE},
	"bridge with a key":      {Raw, gre(greKey, EtherBridged, bridged), capture.NVGRE},
	"MPLS in GRE":            {Raw, gre(0, EtherMPLS, append([]byte{0, 1, 1, 64}, hello...)), capture.MPLS},
	"ERSPAN III, no subheader": {Raw, erspan(
		"\x20\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00", bridged), capture.ERSPAN3},
	"ERSPAN III of IP":     {Raw, erspan("\x20\x00\x00\x05\x00\x00\x00\x00\x00\x00\x08\x00", hello), capture.ERSPAN3},
	"ERSPAN of no version": {Raw, erspan("\x70\x00\x00\x05\x00\x00\x00\x00", bridged), unread},
}

var ipForms = map[string]optioned{
	"4in6":                     {Raw, ipPacket(true, 1, 4, hello, 0, false, 0), capture.IPIP},
	"6in6":                     {Raw, ipPacket(true, 1, 41, hello6, 0, false, 0), capture.IPIP},
	"6in4":                     {Raw, ipPacket(false, 1, 41, hello6, 0, false, 0), capture.IPIP},
	"IPv4 with version 6":      {Raw, ipPacket(false, 1, 41, hello, 0, false, 0), unread},
	"VXLAN on Linux' old port": {Raw, udpTo(8472, "\x08\x00\x00\x00\x00\x00\x07\x00", bridged), capture.VXLAN},
	"VXLAN with a group":       {Raw, udpTo(4789, "\x88\x00\x00\x09\x00\x00\x07\x00", bridged), capture.VXLAN},
	"tag in VXLAN":             {Raw, udpTo(4789, "\x08\x00\x00\x00\x00\x00\x07\x00", tagged), capture.Dot1Q},
	"Geneve without options":   {Raw, udpTo(6081, "\x00\x00\x65\x58\x00\x00\x07\x00", bridged), capture.Geneve},
	"Geneve of IP": {Raw, udpTo(6081,
		"\x01\x40\x08\x00\x00\x00\x07\x00\x00\x00\x00\x00", hello), capture.Geneve},
	"Geneve of control":  {Raw, udpTo(6081, "\x00\x80\x08\x00\x00\x00\x07\x00", hello), unread},
	"Geneve with no end": {Raw, udpTo(6081, "\x3f\x00\x08\x00\x00\x00\x07\x00", hello), unread},
	"GTP-U, bare":        {Raw, udpTo(2152, "\x30\xff\x00\x21\x00\x00\x00\x01", hello), capture.GTPU},
	"GTP-U of IPv6": {Raw, udpTo(2152,
		"\x32\xff\x00\x39\x00\x00\x00\x01\x00\x01\x00\x00", hello6), capture.GTPU},
	"GTP-U with an extension": {Raw, udpTo(2152,
		"\x34\xff\x00\x29\x00\x00\x00\x01\x00\x01\x00\x85\x01\x00\x00\x00", hello), capture.GTPU},
	"GTP-U with an endless extension": {Raw, udpTo(2152,
		"\x34\xff\x00\x29\x00\x00\x00\x01\x00\x01\x00\x85\x00\x00\x00\x85", hello), unread},
}

var linkForms = map[string]optioned{
	"one label":          {Ethernet, linked("\x88\x47\x00\x01\x01\x40", hello), capture.MPLS},
	"upstream label":     {Ethernet, linked("\x88\x48\x00\x01\x01\x40", hello), capture.MPLS},
	"pseudo-wire":        {Ethernet, linked("\x88\x47\x00\x01\x01\x40\x00\x00\x00\x01", bridged), capture.MPLS},
	"bare pseudo-wire":   {Ethernet, linked("\x88\x47\x00\x01\x01\x40", bridged), capture.MPLS},
	"labels without end": {Ethernet, linked("\x88\x47", bytes.Repeat([]byte{0, 1, 0, 64}, 9)), unread},
	"PPP of IPv6":        {Ethernet, linked("\x88\x64\x11\x00\x00\x01\x00\x37\x00\x57", hello6), capture.PPPoE},
	"PPP of LCP":         {Ethernet, linked("\x88\x64\x11\x00\x00\x01\x00\x06\xc0\x21", hello), unread},
}

var tagForms = map[string]optioned{
	"three tags":         {Ethernet, linked(strings.Repeat("\x81\x00\x00\x64", 3)+"\x08\x00", hello), capture.QinQ},
	"as many as allowed": {Ethernet, linked(strings.Repeat("\x88\xa8\x00\x64", maxTags)+"\x08\x00", hello), capture.QinQ},
	"one more":           {Ethernet, linked(strings.Repeat("\x81\x00\x00\x64", maxTags+1)+"\x08\x00", hello), unread},
	"old service tags": {Ethernet, linked(
		"\x92\x00\x00\x07\x93\x00\x00\x08\x81\x00\x00\x64\x86\xdd", hello6), capture.QinQ},
	"priority tag":       {Ethernet, linked("\x81\x00\xe0\x00\x08\x00", hello), capture.Dot1Q},
	"VN-Tag":             {Ethernet, linked("\x89\x26\xc0\x05\x00\x07\x08\x00", hello), capture.VNTag},
	"VN-Tag before VLAN": {Ethernet, linked("\x89\x26\x00\x05\x00\x07\x81\x00\x00\x64\x08\x00", hello), capture.Dot1Q},
	"VLAN before VN-Tag": {Ethernet, linked("\x81\x00\x00\x64\x89\x26\x00\x05\x00\x07\x08\x00", hello), capture.VNTag},
	"VN-Tag of a bridge": {Ethernet, linked("\x89\x26\x00\x05\x00\x07\x88\x47\x00\x01\x01\x40", hello), capture.MPLS},
	"VN-Tag, no end":     {Ethernet, linked("\x89\x26\x00\x05", nil), unread},
	"E-TAG":              {Ethernet, linked("\x89\x3f\x00\x00\x10\x05\x00\x00\x86\xdd", hello6), capture.ETag},
	"MetaData": {Ethernet, linked(
		"\x81\x00\x00\x64\x89\x09\x01\x01\x00\x01\x00\x10\x08\x00", hello), capture.MetaData},
	"backbone":         {Ethernet, linked("\x88\xa8\x00\x64\x88\xe7\x00\x00\x12\x34", tagged), capture.Backbone},
	"backbone, no end": {Ethernet, linked("\x88\xe7\x00\x00", nil), unread},
	"VN-Tag, cooked": {LinuxSLL, append([]byte("\x00\x00\x00\x01\x00\x06\x12\x00\x00\x00\x00\x01\x00\x00\x89\x26"+
		"\x00\x05\x00\x07\x08\x00"), hello...), capture.VNTag},
	"VN-Tag in VXLAN": {Raw, udpTo(4789, "\x08\x00\x00\x00\x00\x00\x07\x00",
		linked("\x89\x26\x00\x05\x00\x07\x08\x00", hello)), capture.VNTag},
}

// TestPacketsBearTheOutermostVLAN shows which VLAN packets bear: that of the outermost tag that has one.
func TestPacketsBearTheOutermostVLAN(t *testing.T) {
	for tags, want := range map[string]uint16{
		"\x89\x26\xc0\x05\x00\x07":                         0,
		"\x89\x26\xc0\x05\x00\x07\x81\x00\x00\x64":         100,
		"\x81\x00\xe0\x00\x81\x00\x00\x64":                 100,
		"\x88\xa8\x00\x07\x81\x00\x00\x64\x81\x00\x00\x01": 7,
	} {
		d := newDecoder(t, everything())
		b := linked(tags+"\x08\x00", hello)
		d.frame(&Frame{Time: newYear, Link: Ethernet, Data: b, Length: len(b)})
		if len(d.out) != 1 || d.out[0].VLAN != want {
			t.Errorf("%x: packets = %v, want one of VLAN %d", tags, d.out, want)
		}
	}
}

// TestBackboneEndsSomewhere puts frames into frames, more than are stepped into.
func TestBackboneEndsSomewhere(t *testing.T) {
	b := bridged
	for range 40 {
		b = linked("\x88\xe7\x00\x00\x12\x34", b)
	}
	d := newDecoder(t, everything())
	d.frame(&Frame{Time: newYear, Link: Ethernet, Data: b, Length: len(b)})
	if n := d.count.Drops().Refused[capture.Tunnel]; len(d.out) != 0 || n != 1 {
		t.Errorf("packets = %d, refused as tunnel = %d, want 0, 1", len(d.out), n)
	}
}

func TestHeadersOfTunnelsHaveOptions(t *testing.T) {
	for _, forms := range []map[string]optioned{greForms, ipForms, linkForms, tagForms} {
		for name, f := range forms {
			d := newDecoder(t, everything())
			d.frame(&Frame{Time: newYear, Link: f.link, Data: f.bytes, Length: len(f.bytes)})
			drops := d.count.Drops()
			switch given := len(d.out) == 1 && string(d.out[0].Payload) == "hello"; {
			case f.kind == unread && len(d.out) != 0:
				t.Errorf("%s: it was given", name)
			case f.kind != unread && (!given || drops.Carried[f.kind] != 1):
				t.Errorf("%s: packets = %d, carried = %v, refused = %v", name, len(d.out), drops.Carried, drops.Refused)
			}
		}
	}
}
