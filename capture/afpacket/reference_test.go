package afpacket

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sipsieve/capture"
)

// agree compares the kernel filter with the reference, and reports whether b is taken.
func agree(t *testing.T, vm *bpf.VM, b []byte, f filter) bool {
	t.Helper()
	n, err := vm.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	want := wanted(b, f)
	if n > 0 != want {
		t.Errorf("%.100s: frame %x: taken = %v, want %v", f.describe(), b, n > 0, want)
	}
	return want
}

// wanted is the filter once more in plain Go: of a frame without a tag beside it.
func wanted(b []byte, f filter) bool {
	if f.Raw {
		switch {
		case len(b) > 0 && b[0]>>4 == 4:
			return wantedIPv4(b, f)
		case len(b) > 0 && b[0]>>4 == 6:
			return wantedIPv6(b, f)
		}
		return false
	}
	vlan, kind, packet, ok := untag(b)
	switch {
	case !ok || len(f.VLANs) > 0 && !slices.Contains(f.VLANs, vlan):
		return false
	case kind == 0x0800:
		return wantedIPv4(packet, f)
	case kind == 0x86dd:
		return wantedIPv6(packet, f)
	case kind == 0x8847 || kind == 0x8848:
		return f.Tunnels.Has(capture.MPLS)
	case kind == 0x8864:
		return f.Tunnels.Has(capture.PPPoE)
	}
	return false
}

// wantedOnTheWire is the same of a frame whose tag the kernel takes off, if it is of 802.1Q or 802.1ad.
func wantedOnTheWire(b []byte, f filter) bool {
	kind := binary.BigEndian.Uint16(b[12:])
	if kind != 0x8100 && kind != 0x88a8 {
		return wanted(b, f)
	}
	vlan := binary.BigEndian.Uint16(b[14:]) & 0x0fff
	rest := filter{Ports: f.Ports, Tunnels: f.Tunnels}
	return (len(f.VLANs) == 0 || slices.Contains(f.VLANs, vlan)) && wanted(slices.Delete(slices.Clone(b), 12, 16), rest)
}

func wantedIPv4(packet []byte, f filter) bool {
	switch {
	case len(packet) < 10:
		return false
	case tunnel(packet[9], f):
		return true
	case packet[6]&0x3f != 0 || packet[7] != 0: // a fragment
		return packet[9] == 17
	}
	return portWanted(packet[9], packet, int(packet[0]&15)*4, f)
}

func wantedIPv6(packet []byte, f filter) bool {
	if len(packet) < 7 {
		return false
	}
	next := packet[6]
	return next == 0 || next == 43 || next == 44 || next == 60 || tunnel(next, f) || portWanted(next, packet, 40, f)
}

// tunnel reports whether an IP protocol is a configured tunnel.
func tunnel(proto byte, f filter) bool {
	gre := capture.TunnelsOf(capture.GRE, capture.NVGRE, capture.ERSPAN1, capture.ERSPAN2, capture.ERSPAN3)
	return proto == 47 && f.Tunnels&gre != 0 || (proto == 4 || proto == 41) && f.Tunnels.Has(capture.IPIP)
}

func untag(b []byte) (vlan, kind uint16, packet []byte, ok bool) {
	for n := 0; ; n++ {
		if len(b) < 14 {
			return 0, 0, nil, false
		}
		size := 0
		switch kind = binary.BigEndian.Uint16(b[12:]); kind {
		case 0x8100, 0x88a8, 0x9100, 0x9200, 0x9300:
			size = 4
		case 0x8926:
			size = 6
		case 0x893f, 0x8909:
			size = 8
		case 0x88e7:
			size = 18
		}
		if n == 4 || size == 0 {
			return vlan, kind, b[14:], true
		}
		if n == 0 && size == 4 && len(b) >= 16 {
			vlan = binary.BigEndian.Uint16(b[14:]) & 0x0fff
		}
		b = b[min(size, len(b)):]
	}
}

func portWanted(proto byte, packet []byte, at int, f filter) bool {
	if proto == 17 && len(packet) >= at+4 && udpTunnel(binary.BigEndian.Uint16(packet[at+2:]), f.Tunnels) {
		return true
	}
	if proto != 6 && proto != 17 && proto != 132 {
		return false
	}
	if proto == 17 && len(packet) < at+4 && len(marks(f.Tunnels).ports) > 0 {
		return false // the destination is looked at first
	}
	for _, end := range []int{at + 2, at + 4} {
		if end > len(packet) {
			return false
		}
		port := binary.BigEndian.Uint16(packet[end-2:])
		if slices.ContainsFunc(f.Ports, func(r PortRange) bool { return r.First <= port && port <= r.Last }) {
			return true
		}
	}
	return false
}

func udpTunnel(port uint16, t capture.Tunnels) bool {
	switch port {
	case 4789, 8472:
		return t.Has(capture.VXLAN)
	case 6081:
		return t.Has(capture.Geneve)
	case 2152:
		return t.Has(capture.GTPU)
	}
	return false
}

// randomFrame makes a frame that is often nearly right, for only those find the borders of the filter.
func randomFrame(r *rand.Rand, f filter) []byte {
	b := make([]byte, 12, 256)
	for range r.IntN(3) * r.IntN(4) {
		kind := pick[uint16](r, 0x8100, 0x88a8, 0x9100, 0x9200, 0x9300, 0x9400, 0x8926, 0x893f, 0x8909, 0x88e7)
		b = binary.BigEndian.AppendUint16(b, kind)
		id := pick[uint16](r, 0, 100, 100, 4094, uint16(r.IntN(4096)))
		b = binary.BigEndian.AppendUint16(b, uint16(r.Uint32())&0xf000|id)
		b = append(b, make([]byte, map[uint16]int{0x8926: 2, 0x893f: 4, 0x8909: 4, 0x88e7: 14}[kind])...)
	}
	v4 := r.IntN(2) == 0
	if v4 {
		b = binary.BigEndian.AppendUint16(b, 0x0800)
	} else {
		b = binary.BigEndian.AppendUint16(b, pick[uint16](r, 0x86dd, 0x86dd, 0x86dd, 0x0806, 0x8847, 0x8848, 0x8864, 0x8863))
	}
	if f.Raw {
		b = b[:0]
	}
	if v4 {
		b = append(b, pick[byte](r, 0x40, 0x40, 0x40, 0x60, 0)|pick[byte](r, 5, 5, 5, 6, 15, 0), 0, 0, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, pick[uint16](r, 0, 0, 0x4000, 0x2000, 0x00b9, 0x8000, 1))
		b = append(b, 64, pick[byte](r, 17, 17, 17, 6, 1, 132, 47, 4, 41, 50), 0, 0)
		b = append(b, make([]byte, 8+max(0, int(b[len(b)-12]&15)*4-20))...)
	} else {
		b = append(b, 0x60, 0, 0, 0, 0, 8, pick[byte](r, 17, 17, 17, 6, 58, 0, 43, 44, 60, 51, 132, 47, 4, 41), 64)
		b = append(b, make([]byte, 32)...)
	}
	b = binary.BigEndian.AppendUint16(b, randomPort(r, f.Ports))
	b = binary.BigEndian.AppendUint16(b, randomPort(r, f.Ports))
	b = append(b, make([]byte, r.IntN(8))...)
	switch r.IntN(16) {
	case 0:
		b = b[:r.IntN(len(b)+1)]
	case 1:
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	}
	return b
}

// manyFrames makes frames that a wire carries: not shorter than its header, and distinguished by their last four bytes.
func manyFrames(f filter) (list [][]byte) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range uint32(3000) {
		if b := randomFrame(r, f); len(b) >= 60 {
			list = append(list, binary.BigEndian.AppendUint32(b, i))
		}
	}
	return list
}

func randomPort(r *rand.Rand, ports []PortRange) uint16 {
	if r.IntN(4) == 0 {
		return pick[uint16](r, 4789, 8472, 6081, 2152, 4788, 8473)
	}
	one := ports[r.IntN(len(ports))]
	return pick(r, one.First-1, one.First, one.Last, one.Last+1, uint16(r.Uint32()), uint16(r.Uint32()), 0)
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func program(t testing.TB, f filter) []bpf.RawInstruction {
	t.Helper()
	prog, err := f.program()
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// virtual runs what the kernel would run: the raw instructions, read back. The tag that the kernel took off is put in
// the place of the instructions that load it; -1 is none.
func virtual(t testing.TB, f filter, tag int) *bpf.VM {
	t.Helper()
	code, all := bpf.Disassemble(program(t, f))
	if !all {
		t.Fatal("the program has instructions that cannot be read back")
	}
	for i, in := range code {
		switch in {
		case bpf.LoadExtension{Num: bpf.ExtVLANTagPresent}:
			code[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: uint32(min(tag+1, 1))}
		case bpf.LoadExtension{Num: bpf.ExtVLANTag}:
			code[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: uint32(max(tag, 0))}
		}
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// filtered returns a pair of connected sockets; what is written to in passes the filter before it can be read
// from out.
func filtered(t testing.TB, prog []bpf.RawInstruction) (in, out int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.Close(pair[0]), unix.Close(pair[1]) })
	if err := (&socket{fd: pair[1]}).attach(prog); err != nil {
		t.Fatal(err)
	}
	return pair[0], pair[1]
}
