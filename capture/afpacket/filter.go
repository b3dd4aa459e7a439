package afpacket

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/bpf"
)

// snapLen is what the filter returns for a frame that is taken: longer than any frame, offloads included.
const snapLen = 0x40000

// mostRanges keeps the program within the kernel's 4096 instructions.
const mostRanges = 512

// Protocol numbers and EtherTypes that the filter knows.
const (
	etherIPv4, etherIPv6       = 0x0800, 0x86dd
	etherVLAN, etherServiceTag = 0x8100, 0x88a8 // IEEE 802.1Q and 802.1ad

	protoTCP, protoUDP             = 6, 17
	nextHopByHop, nextRouting      = 0, 43 // IPv6 extension headers, RFC 8200 section 4.1
	nextFragment, nextDestinations = 44, 60
	fragmentBits                   = 0x3fff // more fragments, or an offset: RFC 791 section 3.1
)

// Program returns the kernel filter for the ports: TCP and UDP with a source or destination port in one of the
// ranges, every fragment of a UDP datagram over IPv4, and every IPv6 packet that begins with an extension header
// (hop-by-hop, routing, fragment, destination options). Up to two VLAN tags in the frame are stepped over.
// Other frames never reach this process. At most 512 ranges are taken after neighbours are joined.
func Program(ports []PortRange) ([]bpf.RawInstruction, error) {
	ranges := joined(ports)
	switch {
	case len(ranges) == 0:
		return nil, errors.New("afpacket: filter: no ports")
	case len(ranges) > mostRanges:
		return nil, fmt.Errorf("afpacket: filter: %d port ranges, limit %d", len(ranges), mostRanges)
	}
	var a assembler
	a.linkLayer()
	a.ipv4()
	a.ipv6()
	a.label("take")
	a.emit(bpf.RetConstant{Val: snapLen})
	a.label("drop")
	a.emit(bpf.RetConstant{})
	a.label("ports")
	a.emit(bpf.LoadIndirect{Off: 0, Size: 2})
	a.ranges(ranges)
	a.emit(bpf.LoadIndirect{Off: 2, Size: 2})
	a.ranges(ranges)
	a.emit(bpf.RetConstant{})
	return a.assemble()
}

// linkLayer leaves the EtherType in A and the offset of the network layer in X.
func (a *assembler) linkLayer() {
	a.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: 14}, bpf.LoadAbsolute{Off: 12, Size: 2})
	a.when(bpf.JumpEqual, etherVLAN, "tagged")
	a.when(bpf.JumpEqual, etherServiceTag, "tagged")
	a.goTo("network")
	a.label("tagged")
	a.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: 18}, bpf.LoadAbsolute{Off: 16, Size: 2})
	a.when(bpf.JumpEqual, etherVLAN, "tagged twice")
	a.when(bpf.JumpEqual, etherServiceTag, "tagged twice")
	a.goTo("network")
	a.label("tagged twice")
	a.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: 22}, bpf.LoadAbsolute{Off: 20, Size: 2})
	a.label("network")
	a.when(bpf.JumpEqual, etherIPv4, "ipv4")
	a.when(bpf.JumpEqual, etherIPv6, "ipv6")
	a.goTo("drop")
}

func (a *assembler) ipv4() {
	a.label("ipv4")
	a.emit(bpf.LoadIndirect{Off: 6, Size: 2})
	a.when(bpf.JumpBitsSet, fragmentBits, "fragment")
	a.emit(bpf.LoadIndirect{Off: 9, Size: 1})
	a.when(bpf.JumpEqual, protoUDP, "ipv4 transport")
	a.when(bpf.JumpEqual, protoTCP, "ipv4 transport")
	a.goTo("drop")
	a.label("fragment")
	a.emit(bpf.LoadIndirect{Off: 9, Size: 1})
	a.when(bpf.JumpEqual, protoUDP, "take")
	a.goTo("drop")
	a.label("ipv4 transport") // X += 4 * IHL
	a.emit(
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0f},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.TAX{},
	)
	a.goTo("ports")
}

func (a *assembler) ipv6() {
	a.label("ipv6")
	a.emit(bpf.LoadIndirect{Off: 6, Size: 1})
	for _, next := range []uint32{nextFragment, nextHopByHop, nextRouting, nextDestinations} {
		a.when(bpf.JumpEqual, next, "take")
	}
	a.when(bpf.JumpEqual, protoUDP, "ipv6 transport")
	a.when(bpf.JumpEqual, protoTCP, "ipv6 transport")
	a.goTo("drop")
	a.label("ipv6 transport")
	a.emit(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 40}, bpf.TAX{})
	a.goTo("ports")
}

// ranges returns from the filter if A lies in one of rs. Each test skips only over its own return,
// so the list may be longer than a conditional jump reaches.
func (a *assembler) ranges(rs []PortRange) {
	for _, r := range rs {
		a.emit(
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: uint32(r.First), SkipFalse: 2},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(r.Last), SkipTrue: 1},
			bpf.RetConstant{Val: snapLen},
		)
	}
}

// joined returns the ports in order, each once, in as few ranges as possible. A range that ends before it begins
// is left out.
func joined(ports []PortRange) []PortRange {
	sorted := slices.DeleteFunc(slices.Clone(ports), func(r PortRange) bool { return r.Last < r.First })
	slices.SortFunc(sorted, func(a, b PortRange) int { return cmp.Compare(a.First, b.First) })
	var out []PortRange
	for _, r := range sorted {
		if n := len(out); n > 0 && int(r.First) <= int(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Describe says in plain words what Program takes.
func Describe(ports []PortRange) string {
	var words []string
	for _, r := range joined(ports) {
		if r.First == r.Last {
			words = append(words, fmt.Sprint(r.First))
			continue
		}
		words = append(words, fmt.Sprintf("%d-%d", r.First, r.Last))
	}
	return "udp and tcp with source or destination port " + strings.Join(words, ", ") +
		"; all ipv4 fragments of udp; all ipv6 with extension headers; nothing else"
}

// Hash returns 32 hexadecimal digits that name the filter: the first half of the SHA-256 of its instructions.
func Hash(prog []bpf.RawInstruction) string {
	var b []byte
	for _, in := range prog {
		b = binary.BigEndian.AppendUint16(b, in.Op)
		b = append(b, in.Jt, in.Jf)
		b = binary.BigEndian.AppendUint32(b, in.K)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
