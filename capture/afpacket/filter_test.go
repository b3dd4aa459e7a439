package afpacket

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sipsieve/capture"
)

var sipPorts = spans(5060, 5061, 5080, 5080, 15060, 15099)

// filters are kinds of filter whose borders random frames look for.
func filters() []filter {
	var many []PortRange
	for i := range uint16(400) {
		many = append(many, spans(1000+100*i, 1000+100*i+i%3)...)
	}
	list := []filter{{Ports: sipPorts}, {Ports: spans(1, 65535)}, {Ports: spans(65535, 65535)}, {Ports: spans(5060, 5060)},
		{Ports: many, Tunnels: capture.EveryTunnel}, {Ports: sipPorts, Tunnels: capture.EveryTunnel, Raw: true},
		{Ports: many, VLANs: []uint16{0, 100, 4094}}, {Ports: sipPorts, VLANs: []uint16{100}, Tunnels: capture.EveryTunnel}}
	for e := capture.MPLS; e < capture.Encapsulations; e++ {
		list = append(list, filter{Ports: sipPorts, Tunnels: capture.TunnelsOf(e)})
	}
	return list
}

func FuzzFilterAgreesWithReference(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(seed, []byte{})
	}
	f.Add(uint64(7), fromHex("0000000000000000000000008100006486dd"))
	list := filters()
	f.Fuzz(func(t *testing.T, seed uint64, raw []byte) {
		r := rand.New(rand.NewPCG(seed, 1))
		filter := list[seed%uint64(len(list))]
		vm := virtual(t, filter, -1)
		for _, b := range [][]byte{raw, randomFrame(r, filter), randomFrame(r, filter)} {
			agree(t, vm, b, filter)
		}
	})
}

func TestFilterAgreesWithReferenceOnManyFrames(t *testing.T) {
	for _, f := range filters() {
		vm := virtual(t, f, -1)
		r := rand.New(rand.NewPCG(1, 2))
		taken := 0
		const frames = 30_000
		for range frames {
			if agree(t, vm, randomFrame(r, f), f) {
				taken++
			}
		}
		if taken < frames/50 || taken > frames*19/20 {
			t.Errorf("%.100s: taken = %d of %d: the frames prove little", f.describe(), taken, frames)
		}
	}
}

// TestKernelAgreesWithReference runs the kernel itself: a filter works on any socket, so frames go as datagrams
// between two sockets of this process.
func TestKernelAgreesWithReference(t *testing.T) {
	for _, f := range filters() {
		in, out := filtered(t, program(t, f))
		r := rand.New(rand.NewPCG(3, 4))
		room := make([]byte, 1<<10)
		for range 5_000 {
			b := randomFrame(r, f)
			if len(b) == 0 {
				continue // the kernel runs no filter on nothing
			}
			if err := unix.Sendto(in, b, 0, nil); err != nil {
				t.Fatal(err)
			}
			n, _, err := unix.Recvfrom(out, room, unix.MSG_DONTWAIT)
			if taken, want := err == nil, wanted(b, f); taken != want || taken && n != len(b) {
				t.Errorf("%.100s: frame %x: taken = %v, %d bytes (%v), want %v", f.describe(), b, taken, n, err, want)
			}
		}
	}
}

// TestFilterLooksAtTheTagThatTheKernelTookOff puts the tag in the place of the instructions that load it.
func TestFilterLooksAtTheTagThatTheKernelTookOff(t *testing.T) {
	f := filter{Ports: spans(5060, 5060), VLANs: []uint16{0, 100}}
	plain := datagram(5060, 1, 100)
	tagged := slices.Insert(slices.Clone(plain), 12, fromHex("81000065")...)
	cases := []struct {
		name  string
		tag   int // with its priority; -1 for none
		frame []byte
		want  bool
	}{
		{"no tag", -1, plain, true},
		{"priority alone", 0xe000, plain, true},
		{"100", 100, plain, true},
		{"100 with priority", 0xe064, plain, true},
		{"101", 101, plain, false},
		{"101 in the bytes", -1, tagged, false},
		{"100, then 101 in the bytes", 100, tagged, true},
		{"101, then another", 101, slices.Insert(slices.Clone(plain), 12, fromHex("81000064")...), false},
	}
	for _, c := range cases {
		if n, err := virtual(t, f, c.tag).Run(c.frame); err != nil || n > 0 != c.want {
			t.Errorf("%s: taken = %v, %v, want %v", c.name, n > 0, err, c.want)
		}
	}
}

func TestFilterAcceptsWhatItsConfigurationNames(t *testing.T) {
	vm := virtual(t, filter{Ports: spans(5060, 5060)}, -1)
	cases := []struct {
		name string
		hex  string
		want bool
	}{
		{"udp to 5060", ether + "0800" + ip4("0000", "11") + "c35013c4", true},
		{"udp from 5060", ether + "0800" + ip4("0000", "11") + "13c4c350", true},
		{"tcp to 5060, do not fragment", ether + "0800" + ip4("4000", "06") + "c35013c4", true},
		{"sctp to 5060", ether + "0800" + ip4("0000", "84") + "c35013c4", true},
		{"dccp to 5060", ether + "0800" + ip4("0000", "21") + "c35013c4", false},
		{"gre", ether + "0800" + ip4("0000", "2f") + "00000800", false},
		{"udp to 9999", ether + "0800" + ip4("0000", "11") + "c350270f", false},
		{"first fragment", ether + "0800" + ip4("2000", "11") + "c350270f", true},
		{"last fragment", ether + "0800" + ip4("00b9", "11") + "c350270f", true},
		{"fragment of tcp", ether + "0800" + ip4("2000", "06") + "c35013c4", false},
		{"one tag", ether + "81000064" + "0800" + ip4("0000", "11") + "c35013c4", true},
		{"two tags", ether + "88a80064" + "81000065" + "0800" + ip4("0000", "11") + "c35013c4", true},
		{"two tags, 9999", ether + "88a80064" + "81000065" + "0800" + ip4("0000", "11") + "c350270f", false},
		{"an old tag and one more", ether + "91000064" + "81000065" + "0800" + ip4("0000", "11") + "c35013c4", true},
		{"three tags", ether + "88a80064" + "81000065" + "81000065" + "0800" + ip4("0000", "11") + "c35013c4", true},
		{"three tags, 9999", ether + "88a80064" + "81000065" + "81000065" + "0800" + ip4("0000", "11") + "c350270f", false},
		{"five tags", ether + strings.Repeat("81000065", 5) + "0800" + ip4("0000", "11") + "c35013c4", false},
		{"VN-Tag", ether + "8926c0050007" + "0800" + ip4("0000", "11") + "c35013c4", true},
		{"VN-Tag and VLAN", ether + "8926c0050007" + "81000064" + "86dd" + ip6("11") + "c35013c4", true},
		{"VN-Tag, 9999", ether + "8926c0050007" + "0800" + ip4("0000", "11") + "c350270f", false},
		{"E-TAG", ether + "893f000010050000" + "0800" + ip4("0000", "11") + "c35013c4", true},
		{"MetaData", ether + "8909010100010010" + "0800" + ip4("0000", "11") + "c35013c4", true},
		{"backbone", ether + "88e700001234" + ether + "0800" + ip4("0000", "11") + "c35013c4", true},
		{"VN-Tag of nothing", ether + "8926c005", false},
		{"ipv6 udp", ether + "86dd" + ip6("11") + "c35013c4", true},
		{"ipv6 udp 9999", ether + "86dd" + ip6("11") + "c350270f", false},
		{"ipv6 fragment", ether + "86dd" + ip6("2c") + "11000001", true},
		{"ipv6 icmp", ether + "86dd" + ip6("3a") + "c35013c4", false},
		{"arp", ether + "0806" + "00010800060400010000", false},
		{"cut in the ports", ether + "0800" + ip4("0000", "11") + "c350", false},
	}
	for _, c := range cases {
		if n, err := vm.Run(fromHex(c.hex)); err != nil || n > 0 != c.want {
			t.Errorf("%s: taken = %v, %v, want %v", c.name, n > 0, err, c.want)
		}
	}
}

func TestFilterWithoutPortsIsRefused(t *testing.T) {
	if _, err := (filter{}).program(); err == nil {
		t.Error("no ports were accepted: an empty list must not mean all")
	}
	var tooMany []PortRange
	for i := range uint16(mostRanges + 1) {
		tooMany = append(tooMany, spans(1+2*i, 1+2*i)...)
	}
	if _, err := (filter{Ports: tooMany}).program(); err == nil {
		t.Error("more ranges than the kernel takes were accepted")
	}
	if _, err := (filter{Ports: sipPorts, VLANs: []uint16{100}, Raw: true}).program(); err == nil {
		t.Error("a VLAN was accepted where frames have no tags")
	}
}

func TestLargestFilterIsTakenByTheKernel(t *testing.T) {
	f := filter{Tunnels: capture.EveryTunnel}
	for i := range uint16(mostRanges) {
		f.Ports = append(f.Ports, spans(2+2*i, 2+2*i)...)
	}
	for id := range uint16(mostVLANs) {
		f.VLANs = append(f.VLANs, id)
	}
	filtered(t, program(t, f))
}

func TestFilterIsNamedByWhatItDoes(t *testing.T) {
	one := program(t, filter{Ports: spans(5060, 5061)})
	same := program(t, filter{Ports: spans(5061, 5061, 5060, 5060)})
	other := program(t, filter{Ports: spans(5060, 5062)})
	if hashOf(one) != hashOf(same) || hashOf(one) == hashOf(other) {
		t.Errorf("hashes = %s, %s, %s: want the first two alike", hashOf(one), hashOf(same), hashOf(other))
	}
	gre := program(t, filter{Ports: spans(5060, 5061), Tunnels: capture.TunnelsOf(capture.GRE)})
	erspan := program(t, filter{Ports: spans(5060, 5061), Tunnels: capture.TunnelsOf(capture.ERSPAN2, capture.NVGRE)})
	if hashOf(one) == hashOf(gre) || hashOf(gre) != hashOf(erspan) {
		t.Errorf("hashes = %s, %s, %s: want the last two alike", hashOf(one), hashOf(gre), hashOf(erspan))
	}
}

func TestFilterIsDescribedInPlainWords(t *testing.T) {
	const always = "udp, tcp and sctp with source or destination port 5060-5061, 5080; all ipv4 fragments of udp; " +
		"all ipv6 with extension headers"
	f := filter{Ports: spans(5080, 5080, 5060, 5061)}
	if got, want := f.describe(), always+"; nothing else"; got != want {
		t.Errorf("description = %q, want %q", got, want)
	}
	f.Tunnels, f.VLANs = capture.EveryTunnel, []uint16{100, 0, 7}
	want := always + "; whole tunnels with ethertype 0x8847, 0x8848, 0x8864; whole tunnels of ip protocol 4, 41, 47; " +
		"whole tunnels to udp port 2152, 4789, 6081, 8472; of all that only vlan none, 7, 100; nothing else"
	if got := f.describe(); got != want {
		t.Errorf("description = %q, want %q", got, want)
	}
}

// TestFilterTakesFromTheWireWhatTheReferenceTakes sends frames that are nearly right through the kernel's own way
// of taking tags off.
func TestFilterTakesFromTheWireWhatTheReferenceTakes(t *testing.T) {
	for _, f := range []filter{
		{Ports: sipPorts, Tunnels: capture.EveryTunnel},
		{Ports: sipPorts, Tunnels: capture.TunnelsOf(capture.VXLAN, capture.PPPoE), VLANs: []uint16{0, 100}},
	} {
		namespace(t)
		c := config("far")
		c.Ports, c.Decode.Tunnels, c.VLANs = f.Ports, f.Tunnels, f.VLANs
		rs, _ := opened(t, c)
		w := wireOf(t, "near")
		for some := range slices.Chunk(manyFrames(f), 200) { // fewer than the queue between the two holds
			var want [][]byte
			for _, b := range some {
				if w.send(b); wantedOnTheWire(b, f) {
					want = append(want, b)
				}
			}
			for i, f := range take(t, rs[0], len(want)) {
				if b := f.bytes; string(b[len(b)-4:]) != string(want[i][len(want[i])-4:]) {
					t.Fatalf("frame %d = %x, want %x", i, b, want[i])
				}
			}
		}
		silent(t, rs[0])
	}
}

// spans makes ranges of pairs of a first and a last port.
func spans(ends ...uint16) (rs []PortRange) {
	for pair := range slices.Chunk(ends, 2) {
		rs = append(rs, PortRange{First: pair[0], Last: pair[1]})
	}
	return rs
}
