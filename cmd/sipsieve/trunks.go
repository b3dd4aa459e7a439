package main

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"sipsieve/store/cpni"
)

// trunkConfig is one [[trunk]]: a connection of a carrier or a customer. It gives a record trunk_in, trunk_out,
// direction and account_id, and says how the numbers of its calls are read and what of them is believed. Of several
// trunks the one with the longest prefix around an address counts. The operator's own hosts are on no trunk.
type trunkConfig struct {
	Name       string   `toml:"name"`        // in records, [a-z0-9_-]{1,32}: a trunk, never a person
	Account    string   `toml:"account"`     // whose it is; "" for nobody's
	Addresses  []string `toml:"addresses"`   // of the other side: 198.51.100.0/24, 2001:db8::/48, 203.0.113.5
	VLANs      []int    `toml:"vlans"`       // 1 to 4094: only on these; default any
	Direction  string   `toml:"direction"`   // inbound: a carrier, calls from it come in; outbound: a customer
	Region     string   `toml:"region"`      // ISO 3166 alpha-2: where its numbers are dialled; default the sensor's
	Trust      bool     `toml:"trust"`       // P-Asserted-Identity and P-Charge-Info from it are believed (RFC 3325)
	Privacy    bool     `toml:"privacy"`     // its callers count as ones who asked for Privacy: id
	LinkHeader string   `toml:"link_header"` // the header in which it names the other leg's Call-ID
}

// trunkErrors returns everything that is wrong with the trunks and the emergency numbers, each under its key.
func (c *config) trunkErrors() (errs []error) {
	names := map[string]bool{}
	for i := range c.Trunk {
		key := fmt.Sprintf("trunk.%d.", i)
		say := func(name, format string, args ...any) { errs = append(errs, c.wrong(key+name, format, args...)) }
		c.Trunk[i].validate(say)
		if names[c.Trunk[i].Name] {
			say("name", "stands twice")
		}
		names[c.Trunk[i].Name] = true
	}
	for _, n := range c.Calls.Emergency {
		if !shortCode.MatchString(n) {
			errs = append(errs, c.wrong("calls.emergency", "want short codes as dialled, such as \"110\": 2 to 6 digits"))
			break
		}
	}
	if len(errs) == 0 {
		if _, err := c.trunks(); err != nil {
			errs = append(errs, c.wrong("trunk", "%v", err))
		}
	}
	return errs
}

var shortCode = regexp.MustCompile(`^[0-9*#]{2,6}$`)

func (t *trunkConfig) validate(say func(name, format string, args ...any)) {
	if !plainName(t.Name) || t.Name == noTrunk {
		say("name", "want 1 to 32 of a-z, 0-9, _ and -, and not "+noTrunk)
	}
	if len(t.Account) > 64 {
		say("account", "want at most 64 bytes")
	}
	if len(t.Addresses) == 0 {
		say("addresses", "want at least one, such as \"198.51.100.0/24\"")
	}
	for _, a := range t.Addresses {
		if _, err := prefixOf(a); err != nil {
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
	if t.Region != "" && !regionName(t.Region) {
		say("region", "want two capital letters of ISO 3166, such as US")
	}
	if t.LinkHeader != "" && !headerName.MatchString(t.LinkHeader) {
		say("link_header", "want the name of a header")
	}
}

func regionName(s string) bool {
	return len(s) == 2 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// prefixOf reads a prefix, or an address as the prefix of itself.
func prefixOf(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, errors.New("no address")
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// trunks returns the map of trunks, nil without any.
func (c *config) trunks() (*cpni.Trunks, error) {
	if len(c.Trunk) == 0 {
		return nil, nil
	}
	var list []cpni.Trunk
	for i := range c.Trunk {
		list = append(list, c.Trunk[i].trunk())
	}
	return cpni.NewTrunks(list)
}

// trunk returns t as the extraction knows it. t is valid.
func (t *trunkConfig) trunk() cpni.Trunk {
	u := cpni.Trunk{Name: t.Name, Account: t.Account, Region: t.Region, Trusted: t.Trust, Private: t.Privacy,
		Direction: cpni.Outbound}
	if t.Direction == "inbound" {
		u.Direction = cpni.Inbound
	}
	for _, a := range t.Addresses {
		p, _ := prefixOf(a)
		u.Addresses = append(u.Addresses, p)
	}
	for _, v := range t.VLANs {
		u.VLANs = append(u.VLANs, uint16(v))
	}
	return u
}

// reader returns what makes records of events, as c has it.
func (c *config) reader() (*cpni.Reader, error) {
	trunks, err := c.trunks()
	if err != nil {
		return nil, err
	}
	r := cpni.NewReader(c.Region)
	r.Map(trunks)
	r.Emergency(c.Calls.Emergency)
	r.Points(c.points())
	return r, nil
}
