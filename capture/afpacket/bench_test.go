package afpacket

import (
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sipsieve/capture"
	"sipsieve/capture/decode"
)

const aBlock = 1000 // frames, of 942 bytes

// fullRing is two blocks in memory, and again gives both to the reader.
func fullRing() (r ring, again func()) {
	k := &kernel{mem: make([]byte, 2<<20), size: 1 << 20}
	for range 2 {
		var block [][]byte
		for i := range aBlock {
			block = append(block, datagram(5060, i, 942))
		}
		k.fill(0, block...)
	}
	r = ring{mem: k.mem, size: k.size}
	return r, func() { *r.status(0), *r.status(1) = unix.TP_STATUS_USER, unix.TP_STATUS_USER }
}

// BenchmarkRingWalk goes over blocks in memory: what the walk costs a frame.
func BenchmarkRingWalk(b *testing.B) {
	r, again := fullRing()
	var f frame
	for n := 0; b.Loop(); n++ {
		if n%aBlock == 0 {
			again()
		}
		if !r.next(&f) {
			b.Fatal("no frame")
		}
	}
}

// BenchmarkSource makes packets of frames that are in memory: all that a packet costs between ring and reader.
func BenchmarkSource(b *testing.B) {
	c := DefaultConfig()
	c.Skew = 1 << 62
	s := newSource(c, 0)
	s.reader = newReader(&c, &s.counts.Kernel)
	var err error
	if s.reader.waiter, err = openWaiter(); err != nil {
		b.Fatal(err)
	}
	defer s.reader.waiter.close()
	s.reader.follower = &follower{config: &c, socket: &socket{fd: -1, link: decode.Ethernet}}
	ring, again := fullRing()
	s.reader.ring = ring
	for n := 0; b.Loop(); n++ {
		if n%aBlock == 0 {
			again()
		}
		if p, err := next(s); err != nil || len(p.Payload) != 900 {
			b.Fatalf("%d bytes, %v", len(p.Payload), err)
		}
	}
}

// BenchmarkFilter sends a media packet past 64 sockets whose filters do not take it: a run of the filter is a
// 64th of that, and what it adds to "nothing", a filter of one instruction, is its cost.
func BenchmarkFilter(b *testing.B) {
	var many []PortRange
	for i := range uint16(100) {
		many = append(many, spans(5060+2*i, 5060+2*i)...)
	}
	for _, c := range []struct {
		name string
		prog []bpf.RawInstruction
	}{
		{"nothing", []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}},
		{"two ports", program(b, filter{Ports: spans(5060, 5061)})},
		{"two ports and every tunnel", program(b, filter{Ports: spans(5060, 5061), Tunnels: capture.EveryTunnel})},
		{"100 ranges", program(b, filter{Ports: many})},
	} {
		b.Run(c.name, func(b *testing.B) { pass(b, c.prog) })
	}
}

func pass(b *testing.B, prog []bpf.RawInstruction) {
	namespace(b)
	w := wireOf(b, "near")
	const sockets = 64
	for range sockets {
		other := wireOf(b, "near")
		if err := (&socket{fd: other.fd}).attach(prog); err != nil {
			b.Fatal(err)
		}
		if err := unix.Bind(other.fd, &other.to); err != nil {
			b.Fatal(err)
		}
	}
	rtp := datagram(40000, 1, 214)
	for b.Loop() {
		w.send(rtp)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/sockets, "ns/run")
}
