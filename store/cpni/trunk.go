package cpni

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sipsieve/sip"
	"sipsieve/sip/facts"
)

// A Trunk is a connection of a carrier or a customer, as the operator provisioned it. Nothing of it is text of a
// message.
type Trunk struct {
	Name      string         // trunk_in of what comes from it, trunk_out of what goes to it
	Account   string         // of the customer; "" for none
	Addresses []netip.Prefix // of the other side; the longest prefix that fits an address wins
	VLANs     []uint16       // only on these; of two equal prefixes the one with a VLAN wins. None is any
	Direction Direction      // of a call that comes from it
	Region    string         // ISO 3166 alpha-2: where numbers without + are dialled; "" for the sensor's own
	Trusted   bool           // what it asserts of a caller is taken for true (RFC 3325 section 3)
	Private   bool           // the numbers of its callers are withheld, as with Privacy id
}

// A Direction is which way a call goes, as seen from the operator.
type Direction uint8

// Directions of a Trunk and of a call. A call between two trunks is internal if both are customers', transit if
// both are carriers'.
const (
	NoDirection Direction = iota
	Inbound               // from a carrier
	Outbound              // from a customer
	Internal
	Transit
)

var directionWords = [...]string{"", "inbound", "outbound", "internal", "transit"}

// Trunks finds the Trunk of an address. The zero Trunks has none.
type Trunks struct {
	list     []Trunk
	names    map[string]*Trunk // in lower case
	accounts map[string]bool
	bits     []int // lengths of the prefixes, longest first
	at       map[netip.Prefix][]place
}

// A place is a prefix of one Trunk on one VLAN, or on any.
type place struct {
	vlan  uint16
	any   bool
	trunk *Trunk
}

// NewTrunks returns the Trunks of list. It is an error if two of them have the same prefix on the same VLAN; the
// error names the Trunks.
func NewTrunks(list []Trunk) (*Trunks, error) {
	t := &Trunks{list: list, at: map[netip.Prefix][]place{}, names: map[string]*Trunk{}, accounts: map[string]bool{}}
	for i := range list {
		t.names[strings.ToLower(list[i].Name)], t.accounts[list[i].Account] = &list[i], true
		for _, p := range list[i].Addresses {
			if err := t.add(whole(p), &list[i]); err != nil {
				return nil, err
			}
		}
	}
	for _, places := range t.at {
		slices.SortStableFunc(places, func(a, b place) int { return rank(a) - rank(b) })
	}
	slices.SortFunc(t.bits, func(a, b int) int { return b - a })
	t.bits = slices.Compact(t.bits)
	return t, nil
}

func rank(p place) int {
	if p.any {
		return 1
	}
	return 0
}

// whole returns p without host bits, and as IPv4 if it is that in an IPv6 address.
func whole(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

func (t *Trunks) add(p netip.Prefix, trunk *Trunk) error {
	places := []place{{any: true, trunk: trunk}}
	if len(trunk.VLANs) > 0 {
		places = places[:0]
	}
	for _, v := range trunk.VLANs {
		places = append(places, place{vlan: v, trunk: trunk})
	}
	for _, one := range places {
		for _, have := range t.at[p] {
			if have.any == one.any && have.vlan == one.vlan {
				return fmt.Errorf("trunk %s and trunk %s have the same addresses", have.trunk.Name, trunk.Name)
			}
		}
		t.at[p] = append(t.at[p], one)
	}
	t.bits = append(t.bits, p.Bits())
	return nil
}

// Of returns the Trunk of the address a on a VLAN, nil if there is none. It does not allocate.
func (t *Trunks) Of(a netip.Addr, vlan uint16) *Trunk {
	if t == nil || !a.IsValid() {
		return nil
	}
	a = a.Unmap().WithZone("")
	for _, bits := range t.bits {
		if bits > a.BitLen() {
			continue
		}
		p, _ := a.Prefix(bits)
		for _, one := range t.at[p] {
			if one.any || one.vlan == vlan {
				return one.trunk
			}
		}
	}
	return nil
}

// trunkFields follow from the operator's map of trunks: of a call, a registration or a device.
var trunkFields = map[string]extractor{
	"account_id": {func(in *inside) Value { return ours(account(in)) }, nil},
	"trunk_in":   {trunkIn, []sip.Header{sip.Contact}},
	"trunk_out": {func(in *inside) Value {
		if in.to == nil {
			return Value{}
		}
		return ours(in.to.Name)
	}, nil},
	"direction": {func(in *inside) Value { return word(directionWords[direction(in)]) }, nil},
}

// route looks for the trunks between which the signalling went.
func route(in *inside, t *Trunks) {
	in.mapped = t != nil && len(t.list) > 0
	flow, vlan := in.flow, in.vlan
	in.from, in.to = t.Of(flow.Src.Addr(), vlan), t.Of(flow.Dst.Addr(), vlan)
	for _, trunk := range []*Trunk{in.from, in.to} { // where it was dialled, not where it went on to
		if trunk != nil && trunk.Region != "" {
			in.region = trunk.Region
			break
		}
	}
	if in.event.Call == nil {
		return
	}
	if onward := t.Of(in.event.Call.Onward.Dst.Addr(), in.event.Call.OnwardVLAN); onward != nil {
		in.to = onward
	}
}

// trusts reports whether what the peer asserts of the caller is taken for true. Without a map it is not known whom
// not to trust, and it is taken as it is sent.
func trusts(in *inside) bool { return !in.mapped || in.from != nil && in.from.Trusted }

// asserted reads x of trusted peers only.
func asserted(x extractor) extractor {
	return extractor{func(in *inside) Value {
		if !trusts(in) {
			return Value{}
		}
		return x.read(in)
	}, x.needs}
}

// account is the customer's: of two trunks the one whose calls go out, else the one that the call came from.
func account(in *inside) string {
	accounts := [2]string{}
	for i, t := range []*Trunk{in.from, in.to} {
		switch {
		case t == nil:
		case t.Direction == Outbound && t.Account != "":
			return t.Account
		default:
			accounts[i] = t.Account
		}
	}
	if accounts[0] != "" {
		return accounts[0]
	}
	return accounts[1]
}

// trunkIn is where the call came from: by the map, else the trunk of it that the caller's side names as its trunk group
// (RFC 4904). A group that is no trunk of the map is text of whoever sent it, and is not taken.
func trunkIn(in *inside) Value {
	if in.from != nil {
		return ours(in.from.Name)
	}
	if group := in.first(facts.TrunkGroup); group != nil {
		if t := in.reader.trunks.names[string(bytes.ToLower(group))]; t != nil {
			return ours(t.Name)
		}
	}
	return Value{}
}

// direction is which way the call goes, as far as the map has its sides. One side may be the operator's own host, which
// is on no trunk.
func direction(in *inside) Direction {
	switch from, to := way(in.from), way(in.to); {
	case from == NoDirection && to == NoDirection:
		return NoDirection
	case from == NoDirection:
		return Inbound + Outbound - to // to a customer it is inbound, to a carrier outbound
	case from == to && from == Inbound:
		return Transit
	case from == to:
		return Internal
	default:
		return from
	}
}

func way(t *Trunk) Direction {
	if t == nil {
		return NoDirection
	}
	return t.Direction
}
