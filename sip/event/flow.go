package event

import (
	"net/netip"

	"sipsieve/capture"
)

// A PackedFlow is a capture.Flow without pointers, for large tables.
type PackedFlow struct {
	Src, Dst         [16]byte
	SrcPort, DstPort uint16
	Transport        capture.Transport
	V4               bool // both ends are IPv4
	Valid            bool // the ends are known
}

// PackFlow returns f packed.
func PackFlow(f capture.Flow) PackedFlow {
	return PackedFlow{Src: f.Src.Addr().As16(), Dst: f.Dst.Addr().As16(), SrcPort: f.Src.Port(), DstPort: f.Dst.Port(),
		Transport: f.Transport, V4: f.Src.Addr().Is4(), Valid: f.Src.IsValid()}
}

// Flow returns p as a capture.Flow: without its ends if they are not known.
func (p PackedFlow) Flow() capture.Flow {
	if !p.Valid {
		return capture.Flow{Transport: p.Transport}
	}
	src, dst := netip.AddrFrom16(p.Src), netip.AddrFrom16(p.Dst)
	if p.V4 {
		src, dst = src.Unmap(), dst.Unmap()
	}
	return capture.Flow{Src: netip.AddrPortFrom(src, p.SrcPort), Dst: netip.AddrPortFrom(dst, p.DstPort),
		Transport: p.Transport}
}
