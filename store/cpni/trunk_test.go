package cpni

import (
	"net/netip"
	"strings"
	"testing"

	"sipsieve/capture"
)

func prefixes(list ...string) (ps []netip.Prefix) {
	for _, p := range list {
		ps = append(ps, netip.MustParsePrefix(p))
	}
	return ps
}

func aMap(t testing.TB) *Trunks {
	t.Helper()
	trunks, err := NewTrunks([]Trunk{
		{Name: "upstream-a", Addresses: prefixes("203.0.113.0/24", "2001:db8:a::/48"), Direction: Inbound, Trusted: true,
			Region: "GB"},
		{Name: "upstream-b", Addresses: prefixes("198.51.100.9/32"), Direction: Inbound},
		{Name: "acme-pbx", Account: "acme", Addresses: prefixes("203.0.113.64/28"), Direction: Outbound, Trusted: true},
		{Name: "homes", Account: "homes", Addresses: prefixes("10.0.0.0/8"), Direction: Outbound, Private: true},
		{Name: "globex", Account: "globex", Addresses: prefixes("10.0.0.0/8"), VLANs: []uint16{7, 8}, Direction: Outbound},
	})
	if err != nil {
		t.Fatal(err)
	}
	return trunks
}

func TestLongestPrefixWinsAndVLANNarrows(t *testing.T) {
	trunks := aMap(t)
	for _, c := range []struct {
		addr string
		vlan uint16
		want string
	}{
		{"203.0.113.5", 0, "upstream-a"}, {"203.0.113.70", 0, "acme-pbx"}, {"203.0.113.80", 0, "upstream-a"},
		{"::ffff:203.0.113.70", 0, "acme-pbx"}, {"2001:db8:a::9", 3, "upstream-a"}, {"2001:db8:b::9", 0, ""},
		{"10.1.2.3", 0, "homes"}, {"10.1.2.3", 9, "homes"}, {"10.1.2.3", 7, "globex"}, {"10.1.2.3", 8, "globex"},
		{"192.0.2.1", 0, ""},
	} {
		got := ""
		if trunk := trunks.Of(netip.MustParseAddr(c.addr), c.vlan); trunk != nil {
			got = trunk.Name
		}
		if got != c.want {
			t.Errorf("%s on VLAN %d: got = %q, want %q", c.addr, c.vlan, got, c.want)
		}
	}
	if got := (*Trunks)(nil).Of(netip.MustParseAddr("10.1.2.3"), 0); got != nil {
		t.Errorf("no map knows %s", got.Name)
	}
	if n := testing.AllocsPerRun(100, func() { trunks.Of(netip.MustParseAddr("10.1.2.3"), 7) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestTwoTrunksCannotHaveOnePlace(t *testing.T) {
	for name, second := range map[string]Trunk{
		"the same":     {Name: "b", Addresses: prefixes("10.0.0.0/8")},
		"host bits":    {Name: "b", Addresses: prefixes("10.1.0.0/8")},
		"as IPv6":      {Name: "b", Addresses: prefixes("::ffff:10.0.0.0/104")},
		"on one VLAN":  {Name: "b", Addresses: prefixes("10.0.0.0/9"), VLANs: []uint16{3, 3}},
		"but narrower": {Name: "b", Addresses: prefixes("10.0.0.0/9")},
		"but by VLAN":  {Name: "b", Addresses: prefixes("10.0.0.0/8"), VLANs: []uint16{3}},
	} {
		_, err := NewTrunks([]Trunk{{Name: "a", Addresses: prefixes("10.0.0.0/8")}, second})
		if (err == nil) != strings.HasPrefix(name, "but") {
			t.Errorf("%s: err = %v", name, err)
		}
	}
}

func TestTrunksSayWhoseTheCallIsAndWhichWayItGoes(t *testing.T) {
	const carrier, other, pbx, home, sbc = "203.0.113.5", "198.51.100.9", "203.0.113.70", "10.0.0.9", "192.0.2.1"
	for _, c := range []struct{ from, to, in, out, account, direction string }{
		{carrier, sbc, "upstream-a", "", "", "inbound"},
		{sbc, carrier, "", "upstream-a", "", "outbound"},
		{pbx, sbc, "acme-pbx", "", "acme", "outbound"},
		{sbc, pbx, "", "acme-pbx", "acme", "inbound"},
		{carrier, pbx, "upstream-a", "acme-pbx", "acme", "inbound"},
		{pbx, carrier, "acme-pbx", "upstream-a", "acme", "outbound"},
		{pbx, home, "acme-pbx", "homes", "acme", "internal"},
		{carrier, other, "upstream-a", "upstream-b", "", "transit"},
		{sbc, sbc, "", "", "", ""},
	} {
		x := NewReader("US")
		x.Map(aMap(t))
		r, _ := x.Record(eventOf(t, sent{from: c.from, to: c.to}))
		for field, want := range map[string]string{"trunk_in": c.in, "trunk_out": c.out, "account_id": c.account,
			"direction": c.direction} {
			if got := shown(t, &r, field); got != want {
				t.Errorf("%s to %s: %s = %q, want %q", c.from, c.to, field, got, want)
			}
		}
	}
}

// TestAProxysCallHasBothTrunks looks at calls that came to the operator's own host and left from it.
func TestAProxysCallHasBothTrunks(t *testing.T) {
	const carrier, pbx, sbc = "203.0.113.5", "203.0.113.70", "192.0.2.1"
	x := NewReader("US")
	x.Map(aMap(t))
	e := eventOf(t, sent{from: pbx, to: sbc, headers: "From: <sip:3035550101@x.net>;tag=a"})
	e.Call.Onward.Dst = netip.AddrPortFrom(netip.MustParseAddr(carrier), 5060)
	r, _ := x.Record(e)
	if got := shown(t, &r, "caller_number"); got != "+13035550101" {
		t.Errorf("caller_number = %q, want it as dialled here, not where the call went", got)
	}
	for _, c := range []struct {
		from, onward string
		vlan         uint16
		in, out      string
		account, way string
	}{
		{pbx, carrier, 0, "acme-pbx", "upstream-a", "acme", "outbound"},
		{carrier, pbx, 0, "upstream-a", "acme-pbx", "acme", "inbound"},
		{carrier, "10.0.0.9", 0, "upstream-a", "homes", "homes", "inbound"},
		{carrier, "10.0.0.9", 7, "upstream-a", "globex", "globex", "inbound"},
		{pbx, "192.0.2.77", 0, "acme-pbx", "", "acme", "outbound"},
	} {
		x := NewReader("US")
		x.Map(aMap(t))
		e := eventOf(t, sent{from: c.from, to: sbc})
		e.Call.Onward = capture.Flow{Src: netip.AddrPortFrom(netip.MustParseAddr(sbc), 5060),
			Dst: netip.AddrPortFrom(netip.MustParseAddr(c.onward), 5060)}
		e.Call.OnwardVLAN = c.vlan
		r, _ := x.Record(e)
		for field, want := range map[string]string{"trunk_in": c.in, "trunk_out": c.out, "account_id": c.account,
			"direction": c.way} {
			if got := shown(t, &r, field); got != want {
				t.Errorf("%s on to %s: %s = %q, want %q", c.from, c.onward, field, got, want)
			}
		}
	}
}

func TestWhatAPeerAssertsCountsOnlyIfItIsTrusted(t *testing.T) {
	headers := "P-Asserted-Identity: <sip:+442079460123;verstat=TN-Validation-Passed@x.net>\nP-Charge-Info: <sip:+13035550114@x>"
	for from, trusted := range map[string]bool{"203.0.113.5": true, "198.51.100.9": false, "192.0.2.77": false} {
		x := NewReader("US")
		x.Map(aMap(t))
		r, _ := x.Record(eventOf(t, sent{from: from, headers: headers}))
		for _, field := range []string{"asserted_number", "charge_number", "stir_verification"} {
			if got := shown(t, &r, field); (got != "") != trusted {
				t.Errorf("from %s: %s = %q", from, field, got)
			}
		}
		want := map[bool]string{true: "GB", false: "US"}[trusted]
		if got := shown(t, &r, "origin_country"); got != want {
			t.Errorf("from %s: origin_country = %s, want %s", from, got, want)
		}
	}
	r, _ := NewReader("US").Record(eventOf(t, sent{headers: headers}))
	if got := shown(t, &r, "asserted_number"); got != "+442079460123" {
		t.Errorf("without a map: asserted_number = %q", got)
	}
}

func TestRegionAndPrivacyOfATrunkHoldForItsCalls(t *testing.T) {
	x := NewReader("US")
	x.Map(aMap(t))
	r, _ := x.Record(eventOf(t, sent{from: "203.0.113.5", headers: "From: <sip:02079460123@x.net>;tag=a"}))
	if got := shown(t, &r, "caller_number"); got != "+442079460123" {
		t.Errorf("caller_number = %q, want it as dialled in GB", got)
	}
	caller, _ := FieldOf("caller_number")
	if r.Withheld(caller) {
		t.Error("withheld, but nobody asked for it")
	}
	r, _ = x.Record(eventOf(t, sent{from: "10.0.0.9"}))
	if !r.Withheld(caller) {
		t.Error("not withheld, but the trunk is private")
	}
}

func BenchmarkTrunkOfAnAddress(b *testing.B) {
	trunks, addr := aMap(b), netip.MustParseAddr("10.1.2.3")
	b.ReportAllocs()
	for b.Loop() {
		trunks.Of(addr, 7)
	}
}
