package decode

import (
	"encoding/binary"
	"net/netip"
	"time"

	"sipsieve/capture"
)

var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

var (
	v4a, v4b = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	v6a, v6b = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

// ipPacket returns an IP packet of one fragment; more and offset of a whole one are false and 0.
func ipPacket(v6 bool, id uint32, proto byte, payload []byte, offset int, more bool, options int) []byte {
	if v6 {
		next, body := proto, payload
		if offset > 0 || more {
			flags := uint16(offset)
			if more {
				flags |= 1
			}
			head := binary.BigEndian.AppendUint16([]byte{proto, 0}, flags)
			body = append(binary.BigEndian.AppendUint32(head, id), payload...)
			next = 44
		}
		b := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(body)))
		b = append(b, next, 64)
		src, dst := v6a.As16(), v6b.As16()
		return append(append(append(b, src[:]...), dst[:]...), body...)
	}
	head := 20 + options
	b := []byte{byte(0x40 | head/4), 0}
	b = binary.BigEndian.AppendUint16(b, uint16(head+len(payload)))
	b = binary.BigEndian.AppendUint16(b, uint16(id))
	flags := uint16(offset / 8)
	if more {
		flags |= 0x2000
	}
	b = binary.BigEndian.AppendUint16(b, flags)
	b = append(b, 64, proto, 0, 0)
	src, dst := v4a.As4(), v4b.As4()
	b = append(append(append(b, src[:]...), dst[:]...), make([]byte, options)...)
	return append(b, payload...)
}

func udpDatagram(payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, 5060)
	b = binary.BigEndian.AppendUint16(b, 5070)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

func tcpSegment(source uint16, seq uint32, flags byte, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, source)
	b = binary.BigEndian.AppendUint16(b, 5060)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0)
	return append(b, payload...)
}

// decoder feeds IP packets, a millisecond apart, and keeps copies of what comes out.
type decoder struct {
	*Decoder
	count capture.Counters
	now   time.Time
	out   []capture.Packet
}

func newDecoder(cfg Config) *decoder {
	d := &decoder{now: newYear}
	d.Decoder = New(cfg, &d.count)
	return d
}

func (d *decoder) feed(ip []byte) {
	d.now = d.now.Add(time.Millisecond)
	d.Frame(&Frame{Time: d.now, Link: Raw, Data: ip, Length: len(ip)})
	d.drainAll()
}

func (d *decoder) drainAll() {
	var p capture.Packet
	for d.Next(&p) {
		p.Payload = append([]byte(nil), p.Payload...)
		d.out = append(d.out, p)
	}
}

// text joins the payloads, with | where bytes are lost.
func (d *decoder) text() string {
	var s string
	for _, p := range d.out {
		if p.Lost {
			s += "|"
		}
		s += string(p.Payload)
	}
	return s
}
