package afpacket

import (
	"fmt"
	"sipsieve/capture/decode"
	"slices"

	"golang.org/x/net/bpf"
)

// snapLen is what the filter returns for a frame that is taken: longer than any frame, offloads included.
const snapLen = 0x40000

// IPv6 extension headers (RFC 8200 section 4.1), and the bits of IPv4 that mark a fragment: more fragments, or an offset
// (RFC 791 section 3.1).
const (
	nextHopByHop, nextRouting      = 0, 43
	nextFragment, nextDestinations = decode.ProtoFragment, 60
	fragmentBits                   = 0x3fff
)

// tags are the EtherTypes of tags that are stepped over, by the bytes from one EtherType to the next. IEEE 802.1ah has
// a frame of its own behind the tag, with two addresses.
var tags = []struct {
	size  uint32
	types []uint32
}{
	{4, vlanTypes},
	{6, []uint32{decode.EtherVNTag}},
	{8, []uint32{decode.EtherETag, decode.EtherMetaData}},
	{18, []uint32{decode.EtherBackbone}},
}

// vlanTypes are the tags that name a VLAN.
var vlanTypes = []uint32{decode.EtherTag, decode.EtherService, decode.EtherOldQ, decode.EtherOldQ2, decode.EtherOldQ3}

// mostTags is how many tags in the bytes of a frame are stepped over, behind the one that the kernel took off.
const mostTags = 4

// An assembler writes classic BPF with names for the places that jumps go to. Jumps go forward only.
type assembler struct {
	code   []bpf.Instruction
	labels map[string]int
	jumps  []branch
}

// A branch is a jump whose target was not known when it was written.
type branch struct {
	index  int // of the jump
	target string
}

// emit appends instructions that do not jump, or that jump by a distance known to the caller.
func (a *assembler) emit(is ...bpf.Instruction) { a.code = append(a.code, is...) }

// label names the place where the next instruction will stand.
func (a *assembler) label(name string) {
	if a.labels == nil {
		a.labels = make(map[string]int)
	}
	a.labels[name] = len(a.code)
}

// when jumps to a label if the accumulator meets the test, and falls through otherwise.
func (a *assembler) when(test bpf.JumpTest, val uint32, label string) {
	a.jumps = append(a.jumps, branch{len(a.code), label})
	a.emit(bpf.JumpIf{Cond: test, Val: val})
}

// among jumps to a label if the accumulator is one of the list.
func (a *assembler) among(list []uint32, label string) {
	for _, val := range list {
		a.when(bpf.JumpEqual, val, label)
	}
}

// goTo jumps to a label.
func (a *assembler) goTo(label string) {
	a.jumps = append(a.jumps, branch{len(a.code), label})
	a.emit(bpf.Jump{})
}

// assemble fills in the distances. A conditional jump reaches 255 instructions.
func (a *assembler) assemble() ([]bpf.RawInstruction, error) {
	for _, j := range a.jumps {
		target, ok := a.labels[j.target]
		if !ok {
			return nil, fmt.Errorf("afpacket: filter: no label %s", j.target)
		}
		if err := a.patch(j.index, target-j.index-1); err != nil {
			return nil, fmt.Errorf("afpacket: filter: jump at %d to %s: %w", j.index, j.target, err)
		}
	}
	return bpf.Assemble(a.code)
}

// patch sets how many instructions the jump at index skips.
func (a *assembler) patch(index, skip int) error {
	if skip < 0 {
		return fmt.Errorf("backwards by %d", -skip)
	}
	switch in := a.code[index].(type) {
	case bpf.Jump:
		a.code[index] = bpf.Jump{Skip: uint32(skip)}
	case bpf.JumpIf:
		if skip > 255 {
			return fmt.Errorf("distance %d, limit 255", skip)
		}
		in.SkipTrue = uint8(skip)
		a.code[index] = in
	}
	return nil
}

// frame writes what is before the ports. It leaves the offset of the transport layer in X.
func (a *assembler) frame(f filter, m marker) {
	if f.Raw {
		a.version()
	} else {
		a.vlans(f.vlans())
		a.linkLayer(m.ethers)
	}
	a.ipv4(m)
	a.ipv6(m)
	if len(m.ports) > 0 {
		a.label("udp ports")
		a.emit(bpf.LoadIndirect{Off: 2, Size: 2})
		a.among(m.ports, "take")
		a.goTo("ports")
	}
	a.label("take")
	a.emit(bpf.RetConstant{Val: snapLen})
	a.label("drop")
	a.emit(bpf.RetConstant{})
}

// version branches on the version of IP, the first four bits, of a frame without a link-layer header.
func (a *assembler) version() {
	a.emit(
		bpf.LoadConstant{Dst: bpf.RegX, Val: 0},
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
	)
	a.when(bpf.JumpEqual, 4, "ipv4")
	a.when(bpf.JumpEqual, 6, "ipv6")
	a.goTo("drop")
}

// vlans drops frames whose outermost tag is not in list. The kernel has taken it off and keeps it beside the frame,
// but for frames that this host sends with a tag in their bytes.
func (a *assembler) vlans(list []uint16) {
	if len(list) == 0 {
		return
	}
	a.emit(bpf.LoadExtension{Num: bpf.ExtVLANTagPresent})
	a.when(bpf.JumpEqual, 0, "tag in the bytes")
	a.emit(bpf.LoadExtension{Num: bpf.ExtVLANTag})
	a.goTo("tag")
	a.label("tag in the bytes")
	a.emit(bpf.LoadAbsolute{Off: 12, Size: 2})
	a.among(vlanTypes, "load it")
	a.emit(bpf.LoadConstant{Dst: bpf.RegA, Val: 0})
	a.goTo("tag")
	a.label("load it")
	a.emit(bpf.LoadAbsolute{Off: 14, Size: 2})
	a.label("tag")
	a.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0fff})
	for some := range slices.Chunk(list, 128) { // an unconditional jump reaches over a long list
		found, others := fmt.Sprint("vlan from ", some[0]), fmt.Sprint("no vlan from ", some[0])
		for _, id := range some {
			a.when(bpf.JumpEqual, uint32(id), found)
		}
		a.goTo(others)
		a.label(found)
		a.goTo("link")
		a.label(others)
	}
	a.emit(bpf.RetConstant{})
	a.label("link")
}

// linkLayer leaves the offset of the network layer in X, and goes to that layer. Until then X is how many bytes of tags
// stand before the EtherType that is looked at.
func (a *assembler) linkLayer(tunnels []uint32) {
	a.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: 0})
	for i := range mostTags + 1 {
		here := func(name string) string { return fmt.Sprint(name, " behind ", i, " tags") }
		a.emit(bpf.LoadIndirect{Off: 12, Size: 2})
		a.when(bpf.JumpEqual, decode.EtherIPv4, here("ipv4"))
		a.when(bpf.JumpEqual, decode.EtherIPv6, here("ipv6"))
		a.among(tunnels, here("tunnel"))
		if i < mostTags {
			a.tag(here)
		} else {
			a.goTo("drop")
		}
		a.label(here("tunnel"))
		a.emit(bpf.RetConstant{Val: snapLen})
		for _, version := range []string{"ipv4", "ipv6"} {
			a.label(here(version))
			a.advance(14)
			a.goTo(version)
		}
		a.label(here("next"))
	}
}

// tag steps over the tag whose EtherType is in A, and drops the frame if it is none.
func (a *assembler) tag(here func(string) string) {
	for _, t := range tags {
		a.among(t.types, here(fmt.Sprint(t.size, " bytes")))
	}
	a.goTo("drop")
	for _, t := range tags {
		a.label(here(fmt.Sprint(t.size, " bytes")))
		a.advance(t.size)
		a.goTo(here("next"))
	}
}

// advance adds n to X.
func (a *assembler) advance(n uint32) {
	a.emit(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: n}, bpf.TAX{})
}

func (a *assembler) ipv4(m marker) {
	a.label("ipv4")
	a.emit(bpf.LoadIndirect{Off: 9, Size: 1})
	a.among(m.protos, "take")
	a.emit(bpf.StoreScratch{Src: bpf.RegA, N: 0}, bpf.LoadIndirect{Off: 6, Size: 2})
	a.when(bpf.JumpBitsSet, fragmentBits, "fragment")
	a.emit( // X += 4 * IHL
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0f},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.TAX{},
		bpf.LoadScratch{Dst: bpf.RegA, N: 0},
	)
	a.transport(m)
	a.label("fragment")
	a.emit(bpf.LoadScratch{Dst: bpf.RegA, N: 0})
	a.when(bpf.JumpEqual, decode.ProtoUDP, "take")
	a.goTo("drop")
}

func (a *assembler) ipv6(m marker) {
	a.label("ipv6")
	a.emit(bpf.LoadIndirect{Off: 6, Size: 1})
	a.among([]uint32{nextFragment, nextHopByHop, nextRouting, nextDestinations}, "take")
	a.among(m.protos, "take")
	a.emit(
		bpf.StoreScratch{Src: bpf.RegA, N: 0},
		bpf.TXA{},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 40},
		bpf.TAX{},
		bpf.LoadScratch{Dst: bpf.RegA, N: 0},
	)
	a.transport(m)
}

// transport goes to the ports if the protocol in A has any.
func (a *assembler) transport(m marker) {
	udp := "ports"
	if len(m.ports) > 0 {
		udp = "udp ports"
	}
	a.when(bpf.JumpEqual, decode.ProtoUDP, udp)
	a.among([]uint32{decode.ProtoTCP, decode.ProtoSCTP}, "ports")
	a.goTo("drop")
}

// ports takes the frame if one of its two ports lies in rs.
func (a *assembler) ports(rs []PortRange) {
	a.label("ports")
	a.emit(bpf.LoadIndirect{Off: 0, Size: 2})
	a.search(rs, "destination")
	a.label("destination")
	a.emit(bpf.LoadIndirect{Off: 2, Size: 2})
	a.search(rs, "neither")
	a.label("neither")
	a.emit(bpf.RetConstant{})
}

// search takes the frame if A lies in one of rs, which are in order, and jumps to miss if it does not. It halves a
// long list, so that a hundred ranges cost a frame little more than ten. No conditional jump is long, so the list may
// be longer than one reaches.
func (a *assembler) search(rs []PortRange, miss string) {
	const few = 8 // one by one
	if len(rs) > few {
		half := len(rs) / 2
		upper := fmt.Sprintf("%s above %d", miss, rs[half].First)
		a.emit(bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: uint32(rs[half].First), SkipFalse: 1})
		a.goTo(upper)
		a.search(rs[:half], miss)
		a.label(upper)
		a.search(rs[half:], miss)
		return
	}
	for _, r := range rs {
		a.emit(
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: uint32(r.First), SkipFalse: 2},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(r.Last), SkipTrue: 1},
			bpf.RetConstant{Val: snapLen},
		)
	}
	a.goTo(miss)
}
