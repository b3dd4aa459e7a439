package capture

// An Encapsulation is a header around the packet of a host: of the link, of a tunnel or of a mirror.
type Encapsulation uint8

// Encapsulations that are read. Those from MPLS on are Tunnels: they are stepped into where that is configured.
const (
	Dot1Q          Encapsulation = iota // IEEE 802.1Q
	QinQ                                // IEEE 802.1ad, a second tag and each further one
	VNTag                               // Cisco VN-Tag
	ETag                                // IEEE 802.1BR
	MetaData                            // Cisco MetaData
	Backbone                            // IEEE 802.1ah
	CookedV1                            // LINKTYPE_LINUX_SLL
	CookedV2                            // LINKTYPE_LINUX_SLL2
	MPLS                                // RFC 3032
	PPPoE                               // RFC 2516
	IPIP                                // IPv4 or IPv6 in IPv4 (RFC 2003, RFC 4213), and in IPv6 (RFC 2473)
	GRE                                 // RFC 2784, RFC 2890, over IPv4 and IPv6
	NVGRE                               // RFC 7637
	ERSPAN1                             // draft-foschiano-erspan, without a header of its own
	ERSPAN2                             // draft-foschiano-erspan, version 1
	ERSPAN3                             // draft-foschiano-erspan, version 2
	VXLAN                               // RFC 7348
	Geneve                              // RFC 8926
	GTPU                                // 3GPP TS 29.281
	Encapsulations                      // how many there are
)

var encapsulationNames = [Encapsulations]string{"dot1q", "qinq", "vntag", "etag", "cmd", "pbb", "sll", "sll2", "mpls",
	"pppoe", "ipip", "gre", "nvgre", "erspan1", "erspan2", "erspan3", "vxlan", "geneve", "gtpu"}

// String returns the word that the configuration, the ledger and the metrics use.
func (e Encapsulation) String() string {
	if e < Encapsulations {
		return encapsulationNames[e]
	}
	return "unknown"
}

// Tunnels are the Encapsulations that a Source steps into. The zero Tunnels are none.
type Tunnels uint32

// EveryTunnel is all Tunnels.
const EveryTunnel Tunnels = 1<<Encapsulations - 1<<MPLS

// TunnelsOf returns the set of the tunnels in list.
func TunnelsOf(list ...Encapsulation) (t Tunnels) {
	for _, e := range list {
		t |= 1 << e & EveryTunnel
	}
	return t
}

// Has reports whether e is stepped into.
func (t Tunnels) Has(e Encapsulation) bool { return t&(1<<e) != 0 }

// TunnelNamed returns the tunnel of that name, and whether there is one.
func TunnelNamed(name string) (Encapsulation, bool) {
	for e := MPLS; e < Encapsulations; e++ {
		if encapsulationNames[e] == name {
			return e, true
		}
	}
	return 0, false
}
