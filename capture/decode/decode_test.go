package decode

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
)

// FuzzDecoder states that every frame ends in packets or in exactly one reason, and that what is given of it stood in
// it as it is.
func FuzzDecoder(f *testing.F) {
	for kind := range capture.Encapsulations {
		for _, options := range []string{"", "transport tcp\nipv6\n"} {
			frames := capturetest.Encapsulate(ladder(f, options), capturetest.Wrapping{Kind: kind, IPv6: kind%2 == 0})
			f.Add(frames[0].Link, frames[0].Data)
			f.Add(frames[0].Link, frames[len(frames)-1].Data)
		}
	}
	for _, forms := range []map[string]optioned{greForms, ipForms, linkForms} {
		for _, x := range forms {
			f.Add(uint16(x.link), x.bytes)
		}
	}
	f.Add(uint16(Raw), ipPacket(true, 1, 17, udpDatagram([]byte("OPTIONS")), 0, true, 0))
	f.Add(uint16(Raw), ipPacket(false, 1, 6, tcpSegment(1, 1, flagACK, []byte("OPTIONS")), 0, false, 4))
	f.Add(uint16(Raw), ipPacket(false, 1, 132, sctpPacket(chunk{data: "OPTIONS"}), 0, false, 0))
	f.Fuzz(func(t *testing.T, link uint16, b []byte) {
		d := newDecoder(t, everything())
		frame := Frame{Time: newYear, Link: LinkType(link), Data: b, Length: len(b)}
		d.frame(&frame)
		if drops := d.count.Drops(); (len(d.out) > 0) != (drops.Passed == 1) {
			t.Errorf("packets = %d, passed = %d", len(d.out), drops.Passed)
		}
		for _, p := range d.out {
			if !bytes.Contains(b, p.Payload) {
				t.Error("a payload was not in the frame")
			}
		}
	})
}

// FuzzDamagedCaptures states that whatever becomes of the bytes of a capture, every frame has one fate, and nothing is
// left behind at the end.
func FuzzDamagedCaptures(f *testing.F) {
	for kind := range capture.Encapsulations {
		f.Add(uint8(kind), uint64(kind), uint8(kind%4), false)
		f.Add(uint8(kind), uint64(kind), uint8(3), true)
	}
	f.Fuzz(func(t *testing.T, kind uint8, seed uint64, damage uint8, tcp bool) {
		options := "mtu 576\n"
		if tcp {
			options += "transport tcp\n"
		}
		frames := capturetest.Encapsulate(ladder(t, options),
			capturetest.Wrapping{Kind: capture.Encapsulation(kind) % capture.Encapsulations, IPv6: seed%2 == 0})
		r := rand.New(rand.NewPCG(seed, 6))
		for i := range frames {
			b := bytes.Clone(frames[i].Data)
			for range damage {
				b[r.IntN(min(len(b), 120))] = byte(r.Uint32())
			}
			frames[i].Data = b[:len(b)-r.IntN(1+len(b)*int(damage)/255)]
		}
		r.Shuffle(len(frames)*int(damage&1), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
		cfg := everything()
		cfg.Ports = []PortRange{{5060, 5060}}
		d := newDecoder(t, cfg)
		for range 2 {
			d.show(frames)
		}
	})
}

func TestTagsAndLinkLayersAreTakenOff(t *testing.T) {
	ip := string(ipPacket(false, 1, 17, udpDatagram([]byte("hello")), 0, false, 0))
	ethernet := "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01"
	for name, test := range map[string]struct {
		link LinkType
		data string
		vlan uint16
		from byte // the last byte of the sender's address
	}{
		"ethernet":   {Ethernet, ethernet + "\x08\x00" + ip + "padding", 0, 1},
		"vlan":       {Ethernet, ethernet + "\x81\x00\x00\x64\x08\x00" + ip, 100, 1},
		"qinq":       {Ethernet, ethernet + "\x88\xa8\x00\x64\x81\x00\x00\x07\x08\x00" + ip, 100, 1},
		"priority":   {Ethernet, ethernet + "\x81\x00\xe0\x00\x81\x00\x00\x64\x08\x00" + ip, 100, 1},
		"raw":        {Raw, ip, 0, 0},
		"null":       {Null, "\x02\x00\x00\x00" + ip, 0, 0},
		"cooked":     {LinuxSLL, "\x00\x00\x00\x01\x00\x06" + ethernet[6:] + "\x00\x00\x08\x00" + ip, 0, 1},
		"cooked 2":   {LinuxSLL2, "\x08\x00\x00\x00\x00\x00\x00\x01\x00\x01\x00\x06" + ethernet[6:] + "\x00\x00" + ip, 0, 1},
		"cooked tag": {LinuxSLL, "\x00\x00\x00\x01\x00\x06" + ethernet[6:] + "\x00\x00\x81\x00\x00\x64\x08\x00" + ip, 100, 1},
	} {
		d := newDecoder(t, DefaultConfig())
		d.frame(&Frame{Link: test.link, Data: []byte(test.data), Length: len(test.data)})
		if len(d.out) != 1 || string(d.out[0].Payload) != "hello" {
			t.Errorf("%s: packets = %d, want hello", name, len(d.out))
			continue
		}
		if p := d.out[0]; p.VLAN != test.vlan || p.Link[5] != test.from {
			t.Errorf("%s: VLAN = %d, link address = %x, want %d and %d", name, p.VLAN, p.Link, test.vlan, test.from)
		}
	}
}

// TestChecksumsAreNotAskedFor: what a host sends has none yet when it is captured there.
func TestChecksumsAreNotAskedFor(t *testing.T) {
	d := newDecoder(t, DefaultConfig())
	for _, frame := range ladder(t, "transport tcp\n") {
		b := bytes.Clone(frame.Data)
		b[24], b[25], b[50], b[51] = 0xde, 0xad, 0xde, 0xad
		d.frame(&Frame{Link: Ethernet, Data: b, Length: len(b)})
	}
	if got := strings.Count(d.text(), "SIP/2.0\r\n") + strings.Count(d.text(), "SIP/2.0 "); got != 7 {
		t.Errorf("messages = %d, want 7", got)
	}
}

// TestReadingFramesDoesNotAllocate: plain UDP, a TCP segment in its turn, and UDP in VXLAN.
func TestReadingFramesDoesNotAllocate(t *testing.T) {
	udp := ipPacket(false, 1, 17, udpDatagram(numbered(900)), 0, false, 0)
	for name, ip := range map[string][]byte{
		"udp":   udp,
		"tcp":   ipPacket(false, 1, 6, tcpSegment(client, 1, flagACK, numbered(900)), 0, false, 0),
		"vxlan": udpTo(PortVXLAN, "\x08\x00\x00\x00\x00\x00\x07\x00", linked("\x08\x00", udp)),
	} {
		var count capture.Counters
		d := New(everything(), &count)
		f := Frame{Time: newYear, Link: Raw, Data: ip, Length: len(ip)}
		var p capture.Packet
		seq := uint32(0)
		if n := testing.AllocsPerRun(100, func() {
			if name == "tcp" {
				seq += 900
				ip[24], ip[25], ip[26], ip[27] = byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq)
			}
			d.Frame(&f)
			d.Next(&p)
		}); n != 0 || len(p.Payload) != 900 {
			t.Errorf("%s: allocations = %v, want 0, payload = %d, want 900", name, n, len(p.Payload))
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	udp := ipPacket(false, 1, 17, udpDatagram(numbered(900)), 0, false, 0)
	for name, ip := range map[string][]byte{
		"plain":      udp,
		"vxlan":      udpTo(PortVXLAN, "\x08\x00\x00\x00\x00\x00\x07\x00", linked("\x08\x00", udp)),
		"other port": udpTo(9999, "", nil),
	} {
		b.Run(name, func(b *testing.B) {
			var count capture.Counters
			cfg := everything()
			cfg.Ports = []PortRange{{5060, 5061}}
			d := New(cfg, &count)
			ip[20], ip[21] = 0x40, 0
			if name == "plain" {
				ip[20], ip[21] = 0x13, 0xc4
			}
			f := Frame{Time: newYear, Link: Raw, Data: ip, Length: len(ip)}
			var p capture.Packet
			b.ReportAllocs()
			for b.Loop() {
				d.Frame(&f)
				d.Next(&p)
			}
		})
	}
}
