package main

import (
	enc "encoding/binary"
	"net/netip"
	"os"
	"time"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
)

// mirrorLadder turns a ladder over UDP into a capture file of the datagrams by which a switch mirrors it in HEP; the word plain
// keeps the frames, each 1 ms before its copy: feed IN [plain] OUT.
func mirrorLadder() {
	drawn(func(frames []capturetest.Frame) (out []capturetest.Frame, err error) {
		for i, f := range frames {
			if len(os.Args) > 3 {
				out = append(out, f)
			}
			out = append(out, copied(f, uint16(i+1)))
		}
		return out, nil
	})
}

// copied returns the datagram that carries the message in f to a collector, 1 ms later.
func copied(f capturetest.Frame, id uint16) capturetest.Frame {
	ip, udp := f.Data[14:34], f.Data[34:42]
	end := func(address, port []byte) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(address)), enc.BigEndian.Uint16(port))
	}
	p := capture.Packet{Time: f.Time, Payload: f.Data[42:], Flow: capture.Flow{Src: end(ip[12:16], udp),
		Dst: end(ip[16:20], udp[2:])}}
	ends := capturetest.Ends{Src: netip.MustParseAddrPort("192.0.2.90:40000"),
		Dst: netip.MustParseAddrPort("192.0.2.91:9060"), ID: id}
	return capturetest.Datagram(f.Time.Add(time.Millisecond), ends, hepOf(&p))
}
