package afpacket

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

var sipPorts = spans(5060, 5061, 5080, 5080, 15060, 15099)

func FuzzFilterAgreesWithReference(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(seed, []byte{})
	}
	f.Add(uint64(7), fromHex("0000000000000000000000008100006486dd"))
	vm := virtual(f, sipPorts)
	f.Fuzz(func(t *testing.T, seed uint64, raw []byte) {
		r := rand.New(rand.NewPCG(seed, 1))
		for _, b := range [][]byte{raw, randomFrame(r, sipPorts), randomFrame(r, sipPorts)} {
			agree(t, vm, b, sipPorts)
		}
	})
}

func TestFilterAgreesWithReferenceOnManyFrames(t *testing.T) {
	var many []PortRange
	for i := range uint16(400) {
		many = append(many, spans(1000+100*i, 1000+100*i+i%3)...)
	}
	for _, ports := range [][]PortRange{sipPorts, spans(1, 65535), spans(65535, 65535), spans(5060, 5060), many} {
		vm := virtual(t, ports)
		r := rand.New(rand.NewPCG(1, 2))
		taken := 0
		const frames = 100_000
		for range frames {
			if agree(t, vm, randomFrame(r, ports), ports) {
				taken++
			}
		}
		if taken < frames/20 || taken > frames*19/20 {
			t.Errorf("%d ranges: taken = %d of %d: the frames prove little", len(ports), taken, frames)
		}
	}
}

func TestFilterTakesWhatItSays(t *testing.T) {
	vm := virtual(t, spans(5060, 5060))
	cases := []struct {
		name string
		hex  string
		want bool
	}{
		{"udp to 5060", ether + "0800" + ip4("0000", "11") + "c35013c4", true},
		{"udp from 5060", ether + "0800" + ip4("0000", "11") + "13c4c350", true},
		{"tcp to 5060, do not fragment", ether + "0800" + ip4("4000", "06") + "c35013c4", true},
		{"sctp to 5060", ether + "0800" + ip4("0000", "84") + "c35013c4", false},
		{"udp to 9999", ether + "0800" + ip4("0000", "11") + "c350270f", false},
		{"first fragment", ether + "0800" + ip4("2000", "11") + "c350270f", true},
		{"last fragment", ether + "0800" + ip4("00b9", "11") + "c350270f", true},
		{"fragment of tcp", ether + "0800" + ip4("2000", "06") + "c35013c4", false},
		{"one tag", ether + "81000064" + "0800" + ip4("0000", "11") + "c35013c4", true},
		{"two tags", ether + "88a80064" + "81000065" + "0800" + ip4("0000", "11") + "c35013c4", true},
		{"two tags, 9999", ether + "88a80064" + "81000065" + "0800" + ip4("0000", "11") + "c350270f", false},
		{"three tags", ether + "88a80064" + "81000065" + "81000065" + "0800" + ip4("0000", "11") + "c35013c4", false},
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
	if _, err := Program(nil); err == nil {
		t.Error("no ports were accepted: an empty list must not mean all")
	}
	var tooMany []PortRange
	for i := range uint16(mostRanges + 1) {
		tooMany = append(tooMany, spans(1+2*i, 1+2*i)...)
	}
	if _, err := Program(tooMany); err == nil {
		t.Error("more ranges than the kernel takes were accepted")
	}
}

func TestFilterIsNamedByWhatItDoes(t *testing.T) {
	one := program(t, spans(5060, 5061))
	same := program(t, spans(5061, 5061, 5060, 5060))
	other := program(t, spans(5060, 5062))
	if Hash(one) != Hash(same) || Hash(one) == Hash(other) {
		t.Errorf("hashes = %s, %s, %s: want the first two alike", Hash(one), Hash(same), Hash(other))
	}
	if words := Describe(spans(5080, 5080, 5060, 5061)); !strings.Contains(words, "port 5060-5061, 5080;") {
		t.Errorf("description = %q", words)
	}
}

// spans makes ranges of pairs of a first and a last port.
func spans(ends ...uint16) (rs []PortRange) {
	for pair := range slices.Chunk(ends, 2) {
		rs = append(rs, PortRange{First: pair[0], Last: pair[1]})
	}
	return rs
}

// agree compares the kernel filter with the reference, and says whether b is taken.
func agree(t *testing.T, vm *bpf.VM, b []byte, ports []PortRange) bool {
	t.Helper()
	n, err := vm.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	want := wanted(b, ports)
	if n > 0 != want {
		t.Errorf("frame %x: taken = %v, want %v", b, n > 0, want)
	}
	return want
}

// wanted is the filter once more, as one would say it.
func wanted(b []byte, ports []PortRange) bool {
	kind, packet, ok := untag(b)
	switch {
	case !ok:
		return false
	case kind == 0x0800 && len(packet) >= 10:
		fragment := packet[6]&0x3f != 0 || packet[7] != 0
		if fragment {
			return packet[9] == 17
		}
		return transport(packet[9]) && portWanted(packet, int(packet[0]&15)*4, ports)
	case kind == 0x86dd && len(packet) >= 7:
		if slices.Contains([]byte{0, 43, 44, 60}, packet[6]) {
			return true
		}
		return transport(packet[6]) && portWanted(packet, 40, ports)
	}
	return false
}

func untag(b []byte) (kind uint16, packet []byte, ok bool) {
	for tags := 0; ; tags++ {
		if len(b) < 14 {
			return 0, nil, false
		}
		kind = binary.BigEndian.Uint16(b[12:])
		if tags == 2 || kind != 0x8100 && kind != 0x88a8 {
			return kind, b[14:], true
		}
		b = b[4:]
	}
}

func transport(proto byte) bool { return proto == 6 || proto == 17 }

func portWanted(packet []byte, at int, ports []PortRange) bool {
	for _, end := range []int{at + 2, at + 4} {
		if end > len(packet) {
			return false
		}
		port := binary.BigEndian.Uint16(packet[end-2:])
		if slices.ContainsFunc(ports, func(r PortRange) bool { return r.First <= port && port <= r.Last }) {
			return true
		}
	}
	return false
}

// randomFrame makes a frame that is often nearly right, for only those find the borders of the filter.
func randomFrame(r *rand.Rand, ports []PortRange) []byte {
	b := make([]byte, 12, 128)
	for range r.IntN(4) {
		b = binary.BigEndian.AppendUint16(b, pick[uint16](r, 0x8100, 0x88a8, 0x9100))
		b = binary.BigEndian.AppendUint16(b, uint16(r.Uint32()))
	}
	if r.IntN(2) == 0 {
		b = binary.BigEndian.AppendUint16(b, 0x0800)
		b = append(b, 0x40|pick[byte](r, 5, 5, 5, 6, 15, 0), 0, 0, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, pick[uint16](r, 0, 0, 0x4000, 0x2000, 0x00b9, 0x8000, 1))
		b = append(b, 64, pick[byte](r, 17, 17, 6, 1, 132, 47), 0, 0)
		b = append(b, make([]byte, 8+max(0, int(b[len(b)-12]&15)*4-20))...)
	} else {
		b = binary.BigEndian.AppendUint16(b, pick[uint16](r, 0x86dd, 0x86dd, 0x86dd, 0x0806))
		b = append(b, 0x60, 0, 0, 0, 0, 8, pick[byte](r, 17, 17, 6, 58, 0, 43, 44, 60, 51), 64)
		b = append(b, make([]byte, 32)...)
	}
	b = binary.BigEndian.AppendUint16(b, randomPort(r, ports))
	b = binary.BigEndian.AppendUint16(b, randomPort(r, ports))
	b = append(b, make([]byte, r.IntN(8))...)
	switch r.IntN(16) {
	case 0:
		b = b[:r.IntN(len(b)+1)]
	case 1:
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	}
	return b
}

func randomPort(r *rand.Rand, ports []PortRange) uint16 {
	one := ports[r.IntN(len(ports))]
	return pick(r, one.First-1, one.First, one.Last, one.Last+1, uint16(r.Uint32()), uint16(r.Uint32()), 0)
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func program(t testing.TB, ports []PortRange) []bpf.RawInstruction {
	t.Helper()
	prog, err := Program(ports)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// virtual runs what the kernel would run: the raw instructions, read back.
func virtual(t testing.TB, ports []PortRange) *bpf.VM {
	t.Helper()
	code, all := bpf.Disassemble(program(t, ports))
	if !all {
		t.Fatal("the program has instructions that cannot be read back")
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}
