package afpacket

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// snapLen is what the filter returns for a frame that is taken: longer than any frame, offloads included.
const snapLen = 0x40000

// Protocol numbers and EtherTypes that every filter knows.
const (
	etherIPv4, etherIPv6 = 0x0800, 0x86dd
	etherVLAN            = 0x8100 // IEEE 802.1Q
	etherServiceTag      = 0x88a8 // IEEE 802.1ad
	etherOldTag          = 0x9100 // of switches older than that

	protoTCP, protoUDP, protoSCTP  = 6, 17, 132
	nextHopByHop, nextRouting      = 0, 43 // IPv6 extension headers, RFC 8200 section 4.1
	nextFragment, nextDestinations = 44, 60
	fragmentBits                   = 0x3fff // more fragments, or an offset: RFC 791 section 3.1
)

// frame writes all that stands before the ports: it leaves the offset of the transport layer in X.
func (a *assembler) frame(f Filter, m marker) {
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

// version tells the network layer by its first four bits, for a frame without another header.
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
	a.among([]uint32{etherVLAN, etherServiceTag, etherOldTag}, "load it")
	a.emit(bpf.LoadConstant{Dst: bpf.RegA, Val: 0})
	a.goTo("tag")
	a.label("load it")
	a.emit(bpf.LoadAbsolute{Off: 14, Size: 2})
	a.label("tag")
	a.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0fff})
	for _, id := range list { // an unconditional jump reaches over a long list
		a.emit(bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(id), SkipFalse: 1})
		a.goTo("link")
	}
	a.emit(bpf.RetConstant{})
	a.label("link")
}

// linkLayer leaves the offset of the network layer in X, and goes to that layer.
func (a *assembler) linkLayer(tunnels []uint32) {
	tags := []string{"tagged", "tagged twice"}
	for i := range 3 {
		at := uint32(14 + 4*i)
		a.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: at}, bpf.LoadAbsolute{Off: at - 2, Size: 2})
		a.when(bpf.JumpEqual, etherIPv4, "ipv4")
		a.when(bpf.JumpEqual, etherIPv6, "ipv6")
		a.among(tunnels, "take")
		if i < len(tags) {
			a.among([]uint32{etherVLAN, etherServiceTag, etherOldTag}, tags[i])
		}
		a.goTo("drop")
		if i < len(tags) {
			a.label(tags[i])
		}
	}
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
	a.when(bpf.JumpEqual, protoUDP, "take")
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
	a.when(bpf.JumpEqual, protoUDP, udp)
	a.among([]uint32{protoTCP, protoSCTP}, "ports")
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
