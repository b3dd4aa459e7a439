package decode

// A LinkType is a link layer by its number in capture files (the LINKTYPE registry of tcpdump.org).
type LinkType uint16

// Link layers that are read.
const (
	Null      LinkType = 0
	Ethernet  LinkType = 1
	RawBSD    LinkType = 12
	RawOpen   LinkType = 14
	Raw       LinkType = 101
	Loop      LinkType = 108
	LinuxSLL  LinkType = 113
	IPv4Only  LinkType = 228
	IPv6Only  LinkType = 229
	LinuxSLL2 LinkType = 276
)

// EtherTypes: IP, and tunnels. EtherBridged means in GRE and Geneve that an Ethernet frame follows.
const (
	EtherIPv4    = 0x0800
	EtherIPv6    = 0x86dd
	EtherMPLS    = 0x8847
	EtherMPLSm   = 0x8848 // multicast until RFC 5332, labels assigned upstream since
	EtherPPPoE   = 0x8864
	EtherBridged = 0x6558
)

// EtherTypes of the tags that stand between the addresses of an Ethernet frame and the EtherType of what it carries.
const (
	EtherTag      = 0x8100 // IEEE 802.1Q
	EtherService  = 0x88a8 // IEEE 802.1ad
	EtherOldQ     = 0x9100 // of switches older than 802.1ad, for a second tag
	EtherOldQ2    = 0x9200 // likewise
	EtherOldQ3    = 0x9300 // likewise
	EtherVNTag    = 0x8926 // Cisco VN-Tag, draft of IEEE 802.1Qbh
	EtherETag     = 0x893f // IEEE 802.1BR
	EtherMetaData = 0x8909 // Cisco MetaData, which holds a security group
	EtherBackbone = 0x88e7 // IEEE 802.1ah: an Ethernet frame follows
)

// maxTags is how many tags an Ethernet frame may have in its bytes.
const maxTags = 8

// tagSize returns how many bytes follow the EtherType t of a tag, the EtherType of what follows it included; 0 if t
// is that of no tag.
func tagSize(t uint16) int {
	switch t {
	case EtherTag, EtherService, EtherOldQ, EtherOldQ2, EtherOldQ3:
		return 4
	case EtherVNTag:
		return 6
	case EtherETag, EtherMetaData:
		return 8
	}
	return 0
}
