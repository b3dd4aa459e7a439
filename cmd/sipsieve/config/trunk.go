package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"sipsieve/store"
	"sipsieve/store/cpni"
)

// A Trunk is one [[trunk]]: a connection of a carrier or a customer. It gives a record trunk_in, trunk_out,
// direction and account_id, and says how the numbers of its calls are read and what of them is believed. Of several
// trunks the one with the longest prefix around an address counts. The operator's own hosts are on no trunk.
type Trunk struct {
	Name       string   `toml:"name"`        // in records, [a-z0-9_-]{1,32}: a trunk, never a person
	Account    string   `toml:"account"`     // account that it belongs to; "" for none
	Addresses  []string `toml:"addresses"`   // of the other side: 198.51.100.0/24, 2001:db8::/48, 203.0.113.5
	VLANs      []int    `toml:"vlans"`       // 1 to 4094: only on these; default any
	Direction  string   `toml:"direction"`   // inbound: a carrier, calls from it come in; outbound: a customer
	Region     string   `toml:"region"`      // ISO 3166 alpha-2: region of its numbers; default the sensor's
	Trust      bool     `toml:"trust"`       // P-Asserted-Identity and P-Charge-Info from it are trusted (RFC 3325)
	Privacy    bool     `toml:"privacy"`     // its callers are treated as if they had sent Privacy: id
	LinkHeader string   `toml:"link_header"` // header with the Call-ID of the other leg
}

// NoTrunk is the name of what is on no trunk, in the ledger and in the metrics.
const NoTrunk = "none"

// validateTrunks reports everything that is wrong with list.
func validateTrunks(list []Trunk, say complaint) {
	names, valid := map[string]bool{}, true
	for i := range list {
		wrong := func(name, format string, args ...any) {
			valid = false
			say(fmt.Sprintf("trunk.%d.%s", i, name), format, args...)
		}
		list[i].validate(wrong)
		if names[list[i].Name] {
			wrong("name", "stands twice")
		}
		names[list[i].Name] = true
	}
	if !valid {
		return
	}
	if _, err := mapTrunks(list); err != nil {
		say("trunk", "%v", err)
	}
}

func (t *Trunk) validate(say complaint) {
	if store.CheckName(t.Name) != nil || t.Name == NoTrunk {
		say("name", "want 1 to 32 of a-z, 0-9, _ and -, and not "+NoTrunk)
	}
	if len(t.Account) > 64 {
		say("account", "want at most 64 bytes")
	}
	if len(t.Addresses) == 0 {
		say("addresses", "want at least one, such as \"198.51.100.0/24\"")
	}
	for _, a := range t.Addresses {
		if _, err := parsePrefix(a); err != nil {
			say("addresses", "want addresses or prefixes, such as \"198.51.100.0/24\"")
			break
		}
	}
	for _, v := range t.VLANs {
		if v < 1 || v > 4094 {
			say("vlans", "want 1 to 4094")
			break
		}
	}
	if t.Direction != "inbound" && t.Direction != "outbound" {
		say("direction", "want inbound for a carrier or outbound for a customer")
	}
	if t.Region != "" && !isRegion(t.Region) {
		say("region", wantRegion)
	}
	if t.LinkHeader != "" && !headerName.MatchString(t.LinkHeader) {
		say("link_header", "want the name of a header")
	}
}

const wantRegion = "want two capital letters of ISO 3166, such as US"

// isRegion reports whether s is written as a region of ISO 3166 alpha-2 is.
func isRegion(s string) bool {
	return len(s) == 2 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// parsePrefix reads a prefix, or an address as the prefix of itself.
func parsePrefix(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, errors.New("no address")
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// mapTrunks returns the map from addresses to the trunks of list, nil without any.
func mapTrunks(list []Trunk) (*cpni.Trunks, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var trunks []cpni.Trunk
	for i := range list {
		trunks = append(trunks, list[i].resolved())
	}
	return cpni.NewTrunks(trunks)
}

// resolved returns t as the extraction of records uses it. t is valid.
func (t *Trunk) resolved() cpni.Trunk {
	u := cpni.Trunk{Name: t.Name, Account: t.Account, Region: t.Region, Trusted: t.Trust, Private: t.Privacy,
		Direction: cpni.Outbound}
	if t.Direction == "inbound" {
		u.Direction = cpni.Inbound
	}
	for _, a := range t.Addresses {
		p, _ := parsePrefix(a)
		u.Addresses = append(u.Addresses, p)
	}
	for _, v := range t.VLANs {
		u.VLANs = append(u.VLANs, uint16(v))
	}
	return u
}
