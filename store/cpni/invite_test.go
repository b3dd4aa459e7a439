package cpni

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/event"
	"sipsieve/sip/track"
)

// A sent message is an INVITE of a test: its URI, headers in place of the usual ones, and how it went.
type sent struct {
	uri, headers string
	from, to     string
	vlan         uint16
}

// eventOf returns the Event of the call that s opens, read from its text as on the wire.
func eventOf(t *testing.T, s sent) *event.Event {
	t.Helper()
	head := []string{"Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1", "From: <sip:+13035550101@example.net>;tag=a",
		"To: <sip:+13035550102@example.net>", "Call-ID: 1@example.net", "CSeq: 1 INVITE"}
	for line := range strings.SplitSeq(s.headers, "\n") {
		name, _, _ := strings.Cut(line, ":")
		own := false
		for i, h := range head {
			if strings.HasPrefix(h, name+":") && name != "" {
				head[i], own = line, true
			}
		}
		if !own && line != "" {
			head = append(head, line)
		}
	}
	if s.uri == "" {
		s.uri = "sip:+13035550102@example.net"
	}
	text := "INVITE " + s.uri + " SIP/2.0\r\n" + strings.Join(head, "\r\n") + "\r\nContent-Length: 0\r\n\r\n"
	p := capture.Packet{Time: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), Payload: []byte(text), VLAN: s.vlan,
		Flow: capture.Flow{Src: port(s.from, "192.0.2.10"), Dst: port(s.to, "192.0.2.1"), Transport: capture.UDP}}
	var all []Field
	for f := range Field(Fields()) {
		all = append(all, f)
	}
	tr, keyer := track.New(track.DefaultLimits()), event.NewKeyer([16]byte{1})
	sip.NewReader(Selection(all), sip.DefaultLimits()).Read(&p, func(m *sip.Message) {
		var b sip.Batch
		b.Add(m)
		tr.Observe(nil, &b.Messages[0], keyer.Of(&b.Messages[0]))
	})
	events := tr.Finish(nil)
	if len(events) != 1 {
		t.Fatalf("%d events, want 1", len(events))
	}
	return &events[0]
}

func port(addr, otherwise string) netip.AddrPort {
	if addr == "" {
		addr = otherwise
	}
	return netip.AddrPortFrom(netip.MustParseAddr(addr), 5060)
}

// shown returns what a field of r holds, as text; "" when it is unknown.
func shown(t *testing.T, r *Record, name string) string {
	t.Helper()
	f, ok := FieldOf(name)
	if !ok {
		t.Fatalf("no field %s", name)
	}
	v := r.Get(f)
	switch {
	case !v.Known():
		return ""
	case v.words != nil:
		return strings.Join(v.words, ",")
	case v.word != "":
		return v.word
	case v.text != Hidden{}:
		return Reveal(v.text)
	case v.n == 1:
		return "1"
	}
	return "0"
}

var partyCases = []struct{ uri, headers, region, field, want string }{
	{"", "From: <tel:+1-303-555-0142;ext=9>;tag=a", "US", "caller_number", "+13035550142"},
	{"", "From: <sip:3035550142@example.net;user=phone>;tag=a", "US", "caller_number", "+13035550142"},
	{"", "From: <sip:02079460123@example.net>;tag=a", "GB", "caller_number", "+442079460123"},
	{"", "From: <sip:02079460123@example.net>;tag=a", "", "caller_number", "non_e164"},
	{"", "From: <tel:02079460123;phone-context=+44>;tag=a", "US", "caller_number", "+442079460123"},
	{"", "From: <tel:3035550142;phone-context=+1>;tag=a", "GB", "caller_number", "+13035550142"},
	{"", "From: <tel:5550142;phone-context=+1-303>;tag=a", "GB", "caller_number", "+13035550142"},
	{"", "From: <tel:7042;phone-context=+1>;tag=a", "US", "caller_number", "non_e164"},
	{"", "From: <sip:alice@example.net>;tag=a", "US", "caller_number", "non_e164"},
	{"", "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a", "US", "caller_number", "anonymous"},
	{"", "From: <sip:@example.net>;tag=a", "US", "caller_number", ""},
	{"", "From: <sip:example.net>;tag=a", "US", "caller_name", ""},
	{"", "From: \"+13035550199 <sip:x@y>\" <sip:+13035550142@example.net>;tag=a", "US", "caller_name", "present"},
	{"", "P-Asserted-Identity: <sip:alice@example.net>\nP-Asserted-Identity: <tel:+13035550103>", "US",
		"asserted_number", "+13035550103"},
	{"", "P-Asserted-Identity: <sip:alice@example.net>", "US", "asserted_number", "non_e164"},
	{"", "P-Preferred-Identity: <sip:+13035550111@x.net>\nRemote-Party-ID: <sip:+13035550112@x.net>;screen=yes",
		"US", "claimed_numbers", "+13035550112"},
	{"", "P-Charge-Info: <sip:+13035550114@x.net>;noa=3", "US", "charge_number", "+13035550114"},
	{"", "Diversion: <sip:3035550105@x.net>;reason=deflection;counter=3", "US", "diversion_number", "+13035550105"},
	{"", "Diversion: <sip:3035550105@x.net>;reason=whatever", "US", "diversion_reason", "other"},
	{"", "History-Info: <sip:+13035550121@x.net>;index=1.1, <sip:+13035550120@x.net>;index=1", "US",
		"history_info_number", "+13035550120"},
	{"", "Referred-By: sip:+13035550115@x.net", "US", "referred_by_number", "+13035550115"},
	{"sip:3035550102,,1234@example.net", "", "US", "dialed_number", "+13035550102"},
	{"sip:3035550102p1234@example.net", "", "US", "dialed_number", "+13035550102"},
	{"tel:+13035550102;postd=pp22", "", "US", "dialed_number", "+13035550102"},
	{"sip:%2B13035550102@example.net", "", "US", "dialed_number", "+13035550102"},
	{"sip:911@example.net;user=phone", "", "US", "dialed_number", "911"},
	{"tel:911;phone-context=+1", "", "US", "dialed_number", "911"},
	{"sip:+13035550102;npdi;rn=+13035550000;cic=+15022@example.net", "", "US", "routing_number", "+13035550000"},
	{"sip:+13035550102;npdi;rn=+13035550000;cic=+15022@example.net", "", "US", "carrier_id_code", "+15022"},
	{"sip:+13035550102;npdi;rn=+13035550000;cic=+15022@example.net", "", "US", "porting_dip_done", "1"},
	{"sip:+13035550102;cic=alice@example.net", "", "US", "carrier_id_code", ""},
	{"sip:+13035550102;cic=0288@example.net", "", "US", "carrier_id_code", "0288"},
	{"sip:+13035550102;cic=+1-0288@example.net", "", "US", "carrier_id_code", "+10288"},
	{"sip:+13035550102;cic=+13035550142@example.net", "", "US", "carrier_id_code", ""},
	{"sip:+13035550102;cic=5550142@example.net", "", "US", "carrier_id_code", ""},
	{"sip:+442079460123@example.net", "", "US", "destination_country", "GB"},
	{"sip:+442079460123@example.net", "", "US", "call_type", "international"},
	{"", "P-Asserted-Identity: <sip:+442079460123@x.net>", "US", "origin_country", "GB"},
	{"", "Remote-Party-ID: <sip:+442079460123@x.net>", "US", "origin_country", "GB"},
	{"", "Resource-Priority: esnet.1, wps.0", "US", "resource_priority", "esnet.1"},
	{"", "Resource-Priority: alice.5", "US", "resource_priority", "other"},
	{"", "Contact: <sip:a;tgrp=tg44;trunk-context=x.net@192.0.2.9>", "US", "trunk_in", ""},
	{"sip:+13035550102;tgrp=out;trunk-context=x@example.net", "", "US", "trunk_in", ""},
}

func TestPartiesAreReadFromEveryForm(t *testing.T) {
	for _, c := range partyCases {
		r, _ := NewReader(c.region).Record(eventOf(t, sent{uri: c.uri, headers: c.headers}))
		if got := shown(t, &r, c.field); got != c.want {
			t.Errorf("%s %s in %s: %s = %q, want %q", c.uri, c.headers, c.region, c.field, got, c.want)
		}
	}
}

// TestNumbersThatNeedARegionAreCounted counts each field of a record that is non_e164 for want of a region.
func TestNumbersThatNeedARegionAreCounted(t *testing.T) {
	trunks, err := NewTrunks([]Trunk{{Name: "gb", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")},
		Direction: Inbound, Region: "GB"}, {Name: "none", Direction: Inbound,
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.11/32")}}})
	if err != nil {
		t.Fatal(err)
	}
	national := "From: <sip:02079460123@example.net>;tag=a\nTo: <sip:2025550102@example.net>"
	for _, c := range []struct {
		region, from, headers string
		want                  uint64
	}{
		{"", "192.0.2.12", national, 2}, {"", "192.0.2.11", national, 2}, {"", "192.0.2.10", national, 0},
		{"US", "192.0.2.11", national, 0}, {"", "192.0.2.12", "", 0},
		{"", "192.0.2.12", "From: <sip:1001@example.net>;tag=a\nTo: <sip:bob@example.net>", 0},
	} {
		x := NewReader(c.region)
		x.Map(trunks)
		r, _ := x.Record(eventOf(t, sent{headers: c.headers, from: c.from}))
		for range 2 { // a field is read once, however many purposes take it
			shown(t, &r, "caller_number")
			shown(t, &r, "called_number")
			shown(t, &r, "destination_country")
		}
		if got := x.NoRegion(); got != c.want {
			t.Errorf("region %q, from %s, %s: counted = %d, want %d", c.region, c.from, c.headers, got, c.want)
		}
	}
}

func TestEmergencyCallsAreKnownByNumberServiceAndPriority(t *testing.T) {
	for _, c := range []struct {
		sent
		want, category string
	}{
		{sent{uri: "sip:911@example.net"}, "1", "emergency"},
		{sent{uri: "sip:112@example.net;user=phone"}, "1", "emergency"},
		{sent{uri: "sip:933@example.net"}, "1", "emergency"},
		{sent{uri: "urn:service:sos"}, "1", "emergency"},
		{sent{uri: "URN:service:sos.police"}, "1", "emergency"},
		{sent{uri: "urn:service:sos;cause=302"}, "1", "emergency"},
		{sent{uri: "urn:service:sos.fire;x=y"}, "1", "emergency"},
		{sent{uri: "sip:+911@example.net"}, "1", "emergency"},
		{sent{uri: "tel:+112;phone-context=example.net"}, "1", "emergency"},
		{sent{uri: "sip:9-1-1@example.net;user=phone"}, "1", "emergency"},
		{sent{uri: "sip:+110@example.net"}, "1", "emergency"},
		{sent{uri: "sip:+1911@example.net"}, "0", ""},
		{sent{headers: "To: <urn:service:sos>"}, "1", ""},
		{sent{headers: "To: \"SOS\" <URN:service:sos.police;x=y>"}, "1", ""},
		{sent{headers: "To: urn:service:sos;x=y"}, "1", ""},
		{sent{headers: "To: <urn:service:counseling>"}, "0", ""},
		{sent{headers: "To: <sip:+911@example.net>"}, "1", ""},
		{sent{headers: "To: <sip:urn@service.example.net>"}, "0", ""},
		{sent{headers: "From: <urn:service:sos>;tag=a"}, "0", ""},
		{sent{uri: "urn:service:counseling"}, "0", ""},
		{sent{uri: "urn:service:soss"}, "0", ""},
		{sent{uri: "sip:110@example.net"}, "1", "emergency"}, // on the operator's list
		{sent{uri: "sip:111@example.net"}, "0", ""},
		{sent{uri: "sip:9110@example.net"}, "0", ""},
		{sent{uri: "sip:esrp@psap.example.net", headers: "To: <sip:911@example.net>"}, "1", ""},
		{sent{headers: "Priority: Emergency"}, "1", ""},
		{sent{headers: "Priority: urgent"}, "0", ""},
	} {
		x := NewReader("US")
		x.Emergency([]string{"110", "999"})
		r, _ := x.Record(eventOf(t, c.sent))
		dialed, _ := FieldOf("dialed_number")
		v := r.Get(dialed)
		if got, word := shown(t, &r, "emergency_call"), v.Category(); got != c.want || word != c.category {
			t.Errorf("%s %s: emergency %s, category %q; want %s, %q", c.uri, c.headers, got, word, c.want, c.category)
		}
		if r.Emergency() != (c.want == "1") {
			t.Errorf("%s %s: Emergency() = %t", c.uri, c.headers, r.Emergency())
		}
	}
}

func TestWhoAsksForPrivacyIsWithheld(t *testing.T) {
	const ofCaller, everybody = "caller asserted claimed charge", "caller asserted claimed charge diversion history referred"
	many := strings.Repeat("P-Asserted-Identity: <sip:"+strings.Repeat("5", 400)+"@x.net>\n", 45)
	for headers, want := range map[string]string{
		"Privacy: id": ofCaller, "Privacy: user;critical": ofCaller + " referred", "Privacy: ID": ofCaller,
		"Privacy: header": ofCaller + " history referred", "Privacy: \"id\"": ofCaller, "Privacy: none;id": ofCaller,
		"Privacy: none\nPrivacy: id": ofCaller, "Privacy: critical,id": ofCaller, "Privacy: critical;\r\n id": ofCaller,
		"Privacy: critical\r\n\tid": ofCaller, "Privacy: id;;": ofCaller, "Privacy: critical": "",
		"Privacy: session": "history", "Privacy: history": "history", "Privacy: none": "", "": "",
		"Privacy: ": everybody, "Privacy: ;": everybody, "Privacy: secret": everybody, "Privacy: none;x": everybody,
		"Privacy: " + strings.Repeat("x", 600): everybody, "Privacy: %69%64": everybody, "Privacy: i d": everybody,
		many + "Privacy: id": ofCaller,

		"Remote-Party-ID: <sip:+13035550112@x.net>;privacy=full":              ofCaller,
		"Remote-Party-ID: <sip:+13035550112@x.net>;privacy=\"full\"":          ofCaller,
		"Remote-Party-ID: <sip:+13035550112@x.net>;privacy=secret":            ofCaller,
		"Remote-Party-ID: <sip:+13035550112@x.net>;privacy=":                  ofCaller,
		"Remote-Party-ID: <sip:+13035550112@x.net>;privacy=name-network":      ofCaller,
		"Remote-Party-ID: <sip:+13035550112@x.net>;privacy=name":              "",
		"Remote-Party-ID: <sip:+13035550112@x.net>;privacy=OFF":               "",
		"Remote-Party-ID: <sip:+13035550112@x.net>;privacy=full;party=called": "",

		"Diversion: <sip:+13035550105@x.net>;privacy=uri":                       "diversion",
		"Diversion: <sip:+13035550105@x.net>;privacy=secret":                    "diversion",
		"Diversion: <sip:+13035550105@x.net>;privacy=off":                       "",
		"Diversion: <sip:+13035550105@x.net>, <sip:+13035550106@x>;privacy=uri": "",

		"From: <sip:anonymous@example.net>;tag=a":                  ofCaller,
		"From: \"A\" <sip:ANONYMOUS@192.0.2.1>;tag=a":              ofCaller,
		"From: <sip:x7@anonymous.invalid>;tag=a":                   ofCaller,
		"From: <sip:anonymous@example.net>;tag=a\nPrivacy: none":   "",
		"From: <sip:anonymous@example.net>;tag=a\nPrivacy: id":     ofCaller,
		"From: <sip:anonymous@example.net>;tag=a\nPrivacy: secret": everybody,
	} {
		r, _ := NewReader("US").Record(eventOf(t, sent{headers: headers}))
		var got []string
		for _, name := range []string{"caller_number", "asserted_number", "claimed_numbers", "charge_number",
			"diversion_number", "history_info_number", "called_number", "referred_by_number"} {
			if f, _ := FieldOf(name); r.Withheld(f) {
				word, _, _ := strings.Cut(name, "_")
				got = append(got, strings.Replace(word, "claimed_numbers", "claimed", 1))
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: withheld = %q, want %q", headers, s, want)
		}
	}
}

func TestIdentityIsClaimedNeverText(t *testing.T) {
	for headers, want := range map[string]string{
		"Identity: eyJwcHQiOiJzaGFrZW4ifQ.eyJhdHRlc3QiOiJCIn0.c2ln;info=<https://x>": "B",
		"y: eyJwcHQiOiJzaGFrZW4ifQ.eyJhdHRlc3QiOiJCIn0.c2ln;info=<https://x>":        "B",
		"Y:eyJwcHQiOiJzaGFrZW4ifQ.eyJhdHRlc3QiOiJBIn0.c2ln;info=<https://x>":         "A",
		"Identity: eyJwcHQiOiJzaGFrZW4ifQ.eyJhdHRlc3QiOiJaIn0.c2ln;info=<https://x>": "invalid",
		"Identity: garbage": "invalid", "Subject: x": "",
		"Identity: eyJwcHQiOiJzaGFrZW4ifQ." + strings.Repeat("A", 5000) + ".c2ln;info=<https://x>":  "",
		"Identity: eyJwcHQiOiJzaGFrZW4ifQ." + strings.Repeat("A", 20000) + ".c2ln;info=<https://x>": "",
	} {
		r, _ := NewReader("US").Record(eventOf(t, sent{headers: headers}))
		if got := shown(t, &r, "stir_attestation"); got != want {
			t.Errorf("%.40s: got = %q, want %q", headers, got, want)
		}
	}
}

func TestOnlyThePresenceOfALocationIsKnown(t *testing.T) {
	r, _ := NewReader("US").Record(eventOf(t, sent{headers: "Geolocation: <https://lis.example.net/canary>\n" +
		"P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=canary"}))
	for _, name := range []string{"emergency_location", "access_network_info"} {
		if got := shown(t, &r, name); got != "present" {
			t.Errorf("%s = %q, want present", name, got)
		}
	}
}
