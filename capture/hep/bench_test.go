package hep

import (
	"bytes"
	"testing"
	"time"

	"sipsieve/capture"
)

// invite is a mirrored message of the size of an INVITE with a session description.
func invite() *mirrored {
	m := mirror()
	m.payload = append(m.payload, bytes.Repeat([]byte("a=rtpmap:0 PCMU/8000\r\n"), 50)...)
	return m
}

// BenchmarkDecode reads one HEP3 packet of 1.3 kB.
func BenchmarkDecode(b *testing.B) {
	packet, d := packed(invite()), decoder{}
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		var m mirrored
		if why, ok := d.decode(packet, &m); !ok {
			b.Fatal(why)
		}
	}
}

// BenchmarkDecodeCompressed reads the same with its payload compressed.
func BenchmarkDecodeCompressed(b *testing.B) {
	m := invite()
	m.payload, m.compressed = nil, deflated(b, m.payload)
	packet, d := packed(m), decoder{}
	b.ReportAllocs()
	for b.Loop() {
		var m mirrored
		if why, ok := d.decode(packet, &m); !ok {
			b.Fatal(why)
		}
	}
}

// BenchmarkTakeAndNext is all that happens to a packet but for the socket: decoded, queued, returned.
func BenchmarkTakeAndNext(b *testing.B) {
	s := opened(b, func(c *Config) { c.Skew = 100 * 365 * 24 * time.Hour })
	packet, d := packed(invite()), decoder{}
	b.ReportAllocs()
	for b.Loop() {
		s.take(&d, packet, noon)
		if _, err := next(s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUDP is a message a datagram over loopback, the sender's part included.
func BenchmarkUDP(b *testing.B) { benchmarkSocket(b, 0) }

// BenchmarkTCP is the same over one connection, a write a message.
func BenchmarkTCP(b *testing.B) { benchmarkSocket(b, 1) }

// BenchmarkUDPFlood sends datagrams as fast as one sender can, and reports what part was lost, and where.
func BenchmarkUDPFlood(b *testing.B) {
	s := opened(b, func(c *Config) { c.Skew = 100 * 365 * 24 * time.Hour })
	conn, packet := dial(b, s, 0), packed(invite())
	ended := make(chan int)
	go func() {
		n := 0
		for _, err := next(s); err == nil; _, err = next(s) {
			n++
		}
		ended <- n
	}()
	for b.Loop() {
		if _, err := conn.Write(packet); err != nil {
			b.Fatal(err)
		}
	}
	sent := b.N
	await(b, "all is accounted for", func() bool {
		d := s.Drops()
		return d.Seen+d.Kernel == uint64(sent)
	})
	_ = s.Close()
	d, returned := s.Drops(), <-ended
	b.ReportMetric(100*float64(d.Kernel)/float64(sent), "%kernel")
	b.ReportMetric(100*float64(d.Refused[capture.QueueFull])/float64(sent), "%queue")
	b.ReportMetric(float64(returned)/b.Elapsed().Seconds(), "packets/s")
}

func benchmarkSocket(b *testing.B, i int) {
	s := opened(b, func(c *Config) { c.Skew = 100 * 365 * 24 * time.Hour })
	conn, packet := dial(b, s, i), packed(invite())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(packet); err != nil {
			b.Fatal(err)
		}
		if _, err := next(s); err != nil {
			b.Fatal(err)
		}
	}
}
