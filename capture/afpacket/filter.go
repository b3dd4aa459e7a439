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

	"sipsieve/capture"
	"sipsieve/capture/decode"
)

// A filter is what the kernel lets in. Other frames never reach this process.
type filter struct {
	Ports   []PortRange     // of UDP, TCP and SCTP, source or destination
	Tunnels capture.Tunnels // each taken whole: what it carries is decoded in user space only
	VLANs   []uint16        // outermost tags that are taken, 0 for frames without one; empty for all
	Raw     bool            // frames begin with the IP header
}

// mostRanges and mostVLANs keep the program within the limit of the kernel, 4096 instructions.
const mostRanges, mostVLANs = 512, 256

// A marker is the numbers by which a tunnel is recognised in the layer that carries it.
type marker struct {
	ethers, protos, ports []uint32 // EtherTypes, IP protocols, UDP destination ports
}

var (
	greMarker = marker{protos: []uint32{decode.ProtoGRE}}
	markers   = [capture.Encapsulations]marker{
		capture.MPLS:    {ethers: []uint32{decode.EtherMPLS, decode.EtherMPLSm}},
		capture.PPPoE:   {ethers: []uint32{decode.EtherPPPoE}},
		capture.IPIP:    {protos: []uint32{decode.ProtoIPv4, decode.ProtoIPv6}},
		capture.GRE:     greMarker,
		capture.NVGRE:   greMarker,
		capture.ERSPAN1: greMarker,
		capture.ERSPAN2: greMarker,
		capture.ERSPAN3: greMarker,
		capture.VXLAN:   {ports: []uint32{decode.PortVXLAN, decode.PortVXLANLinux}},
		capture.Geneve:  {ports: []uint32{decode.PortGeneve}},
		capture.GTPU:    {ports: []uint32{decode.PortGTPU}},
	}
)

// marks returns the numbers by which the tunnels of t are recognised, each once and in order.
func marks(t capture.Tunnels) (m marker) {
	for e := range capture.Encapsulations {
		if t.Has(e) {
			m.ethers = append(m.ethers, markers[e].ethers...)
			m.protos = append(m.protos, markers[e].protos...)
			m.ports = append(m.ports, markers[e].ports...)
		}
	}
	for _, list := range []*[]uint32{&m.ethers, &m.protos, &m.ports} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return m
}

// program returns the kernel filter of f: UDP, TCP and SCTP with a source or destination port in one of the ranges,
// every fragment of a UDP datagram over IPv4, every IPv6 packet that begins with an extension header (hop-by-hop,
// routing, fragment, destination options), and the Tunnels, fragments of them included. Up to four tags in the
// frame are stepped over: VLANs, VN-Tag, 802.1BR, Cisco MetaData, 802.1ah. At most 512 ranges are taken after
// neighbours are joined, and at most 256 VLANs.
func (f filter) program() ([]bpf.RawInstruction, error) {
	ranges := joined(f.Ports)
	switch {
	case len(ranges) == 0:
		return nil, errors.New("afpacket: filter: no ports")
	case len(ranges) > mostRanges:
		return nil, fmt.Errorf("afpacket: filter: %d port ranges, limit %d", len(ranges), mostRanges)
	case len(f.vlans()) > mostVLANs:
		return nil, fmt.Errorf("afpacket: filter: %d VLANs, limit %d", len(f.vlans()), mostVLANs)
	case f.Raw && len(f.VLANs) > 0 && !slices.Contains(f.VLANs, 0):
		return nil, errors.New("afpacket: filter: VLANs are configured where frames have no Ethernet header")
	}
	var a assembler
	a.frame(f, marks(f.Tunnels))
	a.ports(ranges)
	return a.assemble()
}

// vlans returns the VLANs in order, each once.
func (f filter) vlans() []uint16 {
	sorted := slices.Clone(f.VLANs)
	slices.Sort(sorted)
	return slices.Compact(sorted)
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

// describe returns in plain words what the kernel lets in.
func (f filter) describe() string {
	var ports []string
	for _, r := range joined(f.Ports) {
		word := fmt.Sprint(r.First)
		if r.First != r.Last {
			word += fmt.Sprintf("-%d", r.Last)
		}
		ports = append(ports, word)
	}
	words := "udp, tcp and sctp with source or destination port " + strings.Join(ports, ", ") +
		"; all ipv4 fragments of udp; all ipv6 with extension headers"
	words += listed("; whole tunnels with ethertype ", "%#04x", marks(f.Tunnels).ethers)
	words += listed("; whole tunnels of ip protocol ", "%d", marks(f.Tunnels).protos)
	words += listed("; whole tunnels to udp port ", "%d", marks(f.Tunnels).ports)
	if !f.Raw {
		words += strings.Replace(listed("; of all that only vlan ", "%d", f.vlans()), "vlan 0", "vlan none", 1)
	}
	return words + "; nothing else"
}

func listed[N uint16 | uint32](before, format string, list []N) string {
	if len(list) == 0 {
		return ""
	}
	var words []string
	for _, n := range list {
		words = append(words, fmt.Sprintf(format, n))
	}
	return before + strings.Join(words, ", ")
}

// hashOf returns 32 hexadecimal digits that name a filter: the first half of the SHA-256 of its instructions.
func hashOf(prog []bpf.RawInstruction) string {
	var b []byte
	for _, in := range prog {
		b = binary.BigEndian.AppendUint16(b, in.Op)
		b = append(b, in.Jt, in.Jf)
		b = binary.BigEndian.AppendUint32(b, in.K)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
