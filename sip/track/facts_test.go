package track

import (
	"strings"
	"testing"
)

// openedWith returns the Call of an INVITE with headers, one a line.
func openedWith(t *testing.T, headers string) *Call {
	t.Helper()
	ladder := "00:00.000 alice -> bob INVITE\n"
	for line := range strings.Lines(headers) {
		ladder += "    " + line
	}
	cs := told(t, ladder+"\n", 0)
	if len(cs) != 1 {
		t.Fatalf("%d calls, want 1", len(cs))
	}
	return cs[0]
}

func TestFactsAreWhatTheHeadersSay(t *testing.T) {
	for _, c := range []struct {
		header string
		fact   Fact
		want   string
	}{
		{`From: "A. Name" <sip:+13035550101;cpc=payphone@example.net:5062>;tag=x`, CallerNumber, "+13035550101"},
		{`From: "A. Name" <sip:+13035550101;cpc=payphone@example.net:5062>;tag=x`, CallerHost, "example.net"},
		{`From: "A. Name" <sip:+13035550101;cpc=payphone@example.net:5062>;tag=x`, CallerCategory, "payphone"},
		{`From: "A. Name" <sip:+13035550101@example.net>;tag=x`, CallerName, "1"},
		{`From: <tel:+1-303-555-0101;phone-context=x>;tag=x`, CallerNumber, "+1-303-555-0101"},
		{`To: <sip:+13035550102p1234@example.net>`, CalledNumber, "+13035550102"},
		{`To: <sip:+13035550102;postd=99@example.net>`, CalledNumber, "+13035550102"},
		{`To: <sip:paul@example.net>`, CalledNumber, "paul"},
		{`P-Asserted-Identity: <sip:+13035550103@example.net>, <tel:+13035550104>`,
			AssertedNumber, "+13035550103,+13035550104"},
		{`Diversion: <sip:+13035550105@x.net>;reason=no-answer;counter=2, <sip:+13035550106@x.net>`,
			DivertedNumber, "+13035550105"},
		{`Diversion: <sip:+13035550105@x.net>;reason=no-answer;counter=2`, DivertedReason, "no-answer"},
		{`P-Charging-Vector: icid-value="abc";orig-ioi=home1.net;term-ioi=home2.net`,
			ChargingOperator, "home1.net,home2.net"},
		{`P-Charging-Vector: icid-value="abc";orig-ioi=home1.net`, ChargingVector, "abc"},
		{`Privacy: id;header`, PrivacyValue, "id,header"},
		{`Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00`, SessionUUID, "ab30317f1a784dc48ff824d0d3715d86"},
		{`Contact: <sip:alice@192.0.2.9:5099>;+sip.instance="<urn:uuid:1>";reg-id=1`, ContactPort, "5099"},
		{`Contact: <sip:alice@192.0.2.9:5099>;+sip.instance="<urn:uuid:1>";reg-id=1`, InstanceID, "urn:uuid:1"},
		{`Geolocation: <cid:x@example.net>`, LocationSeen, "1"},
		{`Replaces: other@host;to-tag=1;from-tag=2`, ReplacedCall, "other@host"},
		{`Identity: eyJ4NXUiOiJodHRwczovL2NlcnQuZXhhbXBsZS5uZXQvYSJ9.eyJhdHRlc3QiOiJCIiwib3JpZ2l` +
			`kIjoiMTIzIiwiaWF0IjoxNzAwMDAwMDAwfQ.c2ln;info=<https://x>;ppt=shaken`, Attestation, "B"},
		{`Identity: eyJ4NXUiOiJodHRwczovL2NlcnQuZXhhbXBsZS5uZXQvYSJ9.eyJhdHRlc3QiOiJCIiwib3JpZ2l` +
			`kIjoiMTIzIiwiaWF0IjoxNzAwMDAwMDAwfQ.c2ln;info=<https://x>`, CertificateHost, "cert.example.net"},
		{`Identity: x.!!!.z;info=<https://x>`, Attestation, "invalid"},
		{`Identity: x.` + strings.Repeat("A", 5000) + `.z`, Attestation, ""},
	} {
		var got []string
		for v := range openedWith(t, c.header).Facts.All(c.fact) {
			got = append(got, string(v))
		}
		if s := strings.Join(got, ","); s != c.want {
			t.Errorf("%.40s: fact %d is %q, want %q", c.header, c.fact, s, c.want)
		}
	}
}

func TestReplacesInsideReferToIsRead(t *testing.T) {
	got := replaced([]byte("<sip:+13035550101@x.net?Replaces=a84b%40host%3Bto-tag%3D1%3Bfrom-tag%3D2&X=1>"))
	if string(got) != "a84b@host" {
		t.Errorf("Call-ID is %q", got)
	}
}

func TestTargetOfARefusedTransferIsForgotten(t *testing.T) {
	for status, want := range map[string]string{"202": "+13035550177", "603": "", "407": "+13035550177"} {
		cs := told(t, answeredCall+`
00:10.000  alice -> bob   REFER
    Refer-To: <sip:+13035550177@example.net?Replaces=a84b%40host%3Bto-tag%3D1>
    Referred-By: <sip:+13035550110@example.net>
00:10.100  alice <- bob   `+status+` REFER
00:12.000  alice -> bob   BYE
00:12.100  alice <- bob   200 BYE`, 0)
		fs := one(t, cs).Facts
		if got := string(fs.First(TransferTarget)); got != want {
			t.Errorf("%s: target = %q, want %q", status, got, want)
		}
		if known := fs.First(ReplacedCall) != nil; known != (want != "") {
			t.Errorf("%s: the replaced call is known = %v", status, known)
		}
	}
}
