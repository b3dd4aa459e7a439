package decode

import (
	"strings"
	"testing"

	"sipsieve/capture"
)

// FuzzDecoder states that every frame ends in packets or in exactly one reason.
func FuzzDecoder(f *testing.F) {
	f.Add(uint16(Raw), ipPacket(false, 1, 17, udpDatagram([]byte("OPTIONS")), 0, false, 0))
	f.Add(uint16(Raw), ipPacket(true, 1, 17, udpDatagram([]byte("OPTIONS")), 0, true, 0))
	f.Add(uint16(Raw), ipPacket(false, 1, 6, tcpSegment(1, 1, flagACK, []byte("OPTIONS")), 0, false, 4))
	f.Add(uint16(Ethernet), append([]byte("............\x81\x00\x00\x64\x08\x00"), ipPacket(false, 1, 17, udpDatagram([]byte("x")), 0, false, 0)...))
	f.Add(uint16(LinuxSLL2), []byte(strings.Repeat("\x08\x00", 30)))
	f.Fuzz(func(t *testing.T, link uint16, b []byte) {
		var count capture.Counters
		d := New(DefaultConfig(), &count)
		d.Frame(&Frame{Time: newYear, Link: LinkType(link), Data: b, Length: len(b)})
		var p capture.Packet
		packets := 0
		for d.Next(&p) {
			packets++
		}
		refused := uint64(0)
		for _, n := range count.Drops().Refused {
			refused += n
		}
		if (packets > 0) == (refused > 0) || refused > 1 {
			t.Errorf("packets = %d, reasons = %d", packets, refused)
		}
	})
}

func TestTagsAndLinkLayersAreTakenOff(t *testing.T) {
	ip := ipPacket(false, 1, 17, udpDatagram([]byte("hello")), 0, false, 0)
	ethernet := "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01"
	for name, frame := range map[string]Frame{
		"ethernet": {Link: Ethernet, Data: []byte(ethernet + "\x08\x00" + string(ip) + "padding")},
		"vlan":     {Link: Ethernet, Data: []byte(ethernet + "\x81\x00\x00\x64\x08\x00" + string(ip))},
		"qinq":     {Link: Ethernet, Data: []byte(ethernet + "\x88\xa8\x00\x64\x81\x00\x00\x07\x08\x00" + string(ip))},
		"raw":      {Link: Raw, Data: ip},
		"null":     {Link: Null, Data: []byte("\x02\x00\x00\x00" + string(ip))},
		"cooked":   {Link: LinuxSLL, Data: []byte("\x00\x00\x00\x01\x00\x06" + ethernet[6:] + "\x00\x00\x08\x00" + string(ip))},
		"cooked 2": {Link: LinuxSLL2, Data: []byte("\x08\x00\x00\x00\x00\x00\x00\x01\x00\x01\x00\x06" + ethernet[6:] + "\x00\x00" + string(ip))},
	} {
		var count capture.Counters
		d := New(DefaultConfig(), &count)
		frame.Length = len(frame.Data)
		d.Frame(&frame)
		var p capture.Packet
		if !d.Next(&p) || string(p.Payload) != "hello" {
			t.Errorf("%s: payload = %q", name, p.Payload)
		}
		if tagged := name == "vlan" || name == "qinq"; tagged != (p.VLAN == 100) {
			t.Errorf("%s: VLAN = %d", name, p.VLAN)
		}
		if hardware := strings.HasPrefix(ethernet, "\x02") && frame.Link != Raw && frame.Link != Null; hardware != (p.Link == [6]byte{2, 0, 0, 0, 0, 1}) {
			t.Errorf("%s: link address = %x", name, p.Link)
		}
	}
}

func TestFastPathDoesNotAllocate(t *testing.T) {
	var count capture.Counters
	d := New(DefaultConfig(), &count)
	f := Frame{Time: newYear, Link: Raw, Data: ipPacket(false, 1, 17, udpDatagram(numbered(900)), 0, false, 0), Length: 928}
	var p capture.Packet
	if n := testing.AllocsPerRun(100, func() { d.Frame(&f); d.Next(&p) }); n != 0 {
		t.Errorf("allocations = %v, want 0", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	var count capture.Counters
	d := New(DefaultConfig(), &count)
	f := Frame{Time: newYear, Link: Raw, Data: ipPacket(false, 1, 17, udpDatagram(numbered(900)), 0, false, 0), Length: 928}
	var p capture.Packet
	b.ReportAllocs()
	for b.Loop() {
		d.Frame(&f)
		d.Next(&p)
	}
}
