package facts

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"sipsieve/capture"
	"sipsieve/capture/capturetest"
	"sipsieve/sip"
)

// invite returns an INVITE with headers, one a line, as a sip.Reader reads it. A first line that begins with INVITE has
// its Request-URI; lines that begin with | are its body.
func invite(t *testing.T, headers string) *sip.Message {
	t.Helper()
	uri := ""
	if rest, ok := strings.CutPrefix(headers, "INVITE "); ok {
		uri, headers, _ = strings.Cut(rest, "\n")
	}
	ladder := "00:00.000 alice -> bob INVITE\n"
	for line := range strings.Lines(headers) {
		ladder += "    " + line
	}
	frames, err := capturetest.Ladder([]byte(ladder + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	var all sip.Selection
	for i := range all {
		all[i] = true
	}
	r := sip.NewReader(all, sip.DefaultLimits())
	_, text, _ := bytes.Cut(frames[0].Data, []byte("INVITE "))
	if uri != "" {
		_, rest, _ := bytes.Cut(text, []byte(" "))
		text = append([]byte(uri+" "), rest...)
	}
	p := capture.Packet{Time: frames[0].Time, Payload: append([]byte("INVITE "), text...)}
	var b sip.Batch
	r.Read(&p, b.Add)
	if len(b.Messages) != 1 {
		t.Fatalf("%d messages, want 1", len(b.Messages))
	}
	return &b.Messages[0]
}

var headerCases = []struct {
	header string
	fact   Fact
	want   string
}{
	{`From: "A. Name" <sip:+13035550101;cpc=payphone@example.net:5062>;tag=x`, CallerNumber, "+13035550101"},
	{`From: "A. Name" <sip:+13035550101;cpc=payphone@example.net:5062>;tag=x`, CallerHost, "example.net"},
	{`From: "A. Name" <sip:+13035550101;cpc=payphone@example.net:5062>;tag=x`, CallerCategory, "payphone"},
	{`From: "A. Name" <sip:+13035550101@example.net>;tag=x`, CallerName, "1"},
	{`From: <tel:+1-303-555-0101;phone-context=x>;tag=x`, CallerNumber, "+1-303-555-0101"},
	{`From: <sip:7042;phone-context=+1303555@example.net>;tag=x`, CallerNumber, "7042;phone-context=+1303555"},
	{`From: <tel:7042;isub=1411;phone-context=+1-303-555>;tag=x`, CallerNumber, "7042;phone-context=+1-303-555"},
	{`From: <sip:+13035550101;isub=1411@example.net>;tag=x`, CallerNumber, "+13035550101"},
	{`From: <sip:7042;phone-context=pbx.example.net@example.net>;tag=x`, CallerNumber, "7042"},
	{`From: <sip:%2B13035550101@example.net;user=phone>;tag=x`, CallerNumber, "+13035550101"},
	{`From: <sip:+13035550101:secret@example.net>;tag=x`, CallerNumber, "+13035550101"},
	{`From: <sip:alice:p;w@example.net>;tag=x`, CallerNumber, "alice"},
	{`From: "+13035550199 <sip:mallory@x>" <sip:+13035550101@example.net>;tag=x`, CallerNumber, "+13035550101"},
	{`From: "Bob \"<b>\" B." <sip:+13035550101@example.net>;tag=x`, CallerNumber, "+13035550101"},
	{`From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=x`, CallerNumber, "anonymous"},
	{`From: <sip:c8oqz84zk7z@anonymous.invalid>;tag=x`, CallerNumber, "anonymous"},
	{`From: <sip:anonymous.invalid>;tag=x`, CallerNumber, "anonymous"},
	{`From: <sip:@example.net>;tag=x`, CallerNumber, ""},
	{`From: <sip:example.net>;tag=x`, CallerHost, "example.net"},
	{`From: <sip:example.net>;tag=x`, CallerName, ""},
	{`From: Alice <sip:+13035550101@[2001:db8::1]:5070>;tag=x`, CallerHost, "[2001:db8::1]"},
	{`To: <sip:+13035550102p1234@example.net>`, CalledNumber, "+13035550102"},
	{`To: <sip:+13035550102;postd=99@example.net>`, CalledNumber, "+13035550102"},
	{`To: <sip:paul@example.net>`, CalledNumber, "paul"},
	{`To: <tel:+1(303)555-0102;postd=pp22>`, CalledNumber, "+1(303)555-0102"},
	{`To: <sip:3035550102,,1234#@example.net>`, CalledNumber, "3035550102"},
	{`To: <sip:pwalker@example.net>`, CalledNumber, "pwalker"},
	{"P-Asserted-Identity: \"A\" <sip:alice@example.net>\nP-Asserted-Identity: <tel:+13035550104>",
		AssertedNumber, "alice,+13035550104"},
	{`P-Asserted-Identity: <sip:+13035550103;verstat=TN-Validation-Passed@x.net>`, Verification, "TN-Validation-Passed"},
	{`P-Preferred-Identity: <sip:+13035550111@x.net>`, ClaimedNumber, "+13035550111"},
	{"P-Preferred-Identity: <sip:+13035550111@x.net>\nRemote-Party-ID: \"A\" " +
		"<sip:+13035550112@x.net>;party=calling;screen=yes;privacy=off", ClaimedNumber, "+13035550112,+13035550111"},
	{`Remote-Party-ID: <sip:+13035550113@x.net>;party=called`, ClaimedNumber, ""},
	{`Remote-Party-ID: <sip:+13035550112@x.net>;party=calling;privacy=name`, ClaimedPrivate, ""},
	{`Remote-Party-ID: <sip:+13035550112@x.net>;privacy=full;screen=no`, ClaimedPrivate, "1"},
	{`P-Charge-Info: <sip:+13035550114@x.net>;npi=ISDN;noa=3`, ChargeNumber, "+13035550114"},
	{`Referred-By: <sip:+13035550115@x.net>;cid="2@x"`, ReferredByNumber, "+13035550115"},
	{"Diversion: <sip:+13035550105@x.net>;reason=user-busy\nDiversion: <sip:+13035550106@x.net>;counter=2",
		DivertedCount, "3"},
	{"Diversion: <sip:+13035550105@x.net>;reason=user-busy;privacy=full", DivertedPrivate, "1"},
	{`Diversion: "X" <tel:+13035550105>;reason="unconditional";privacy=off`, DivertedReason, "unconditional"},
	{"History-Info: <sip:+13035550122@x.net>;index=1.2.1\nHistory-Info: <sip:+13035550120@x.net>;index=1, " +
		"<sip:+13035550123@x.net>;index=1.10, <sip:+13035550121@x.net?Reason=SIP%3Bcause%3D302>;index=1.2",
		HistoryNumber, "+13035550120,+13035550121,+13035550122,+13035550123"},
	{`History-Info: <sip:+13035550120@x.net?Privacy=history&Reason=x>;index=1, <sip:+13035550121@x.net>;index=1.1`,
		HistoryNumber, "anonymous,+13035550121"},
	{"P-Called-Party-ID: <sip:+13035550125@x.net>\nHistory-Info: <sip:+13035550124@x.net>;index=1",
		HistoryNumber, "+13035550124,+13035550125"},
	{`Contact: <sip:+13035550101;tgrp=tg44;trunk-context=carrier.example@192.0.2.9>`, TrunkGroup, "tg44"},
	{`Event: dialog;id=7`, EventText, "dialog"},
	{`Privacy: ID, user; critical`, PrivacyValue, "id,user,critical"},
	{`P-Asserted-Identity: <sip:+13035550103@example.net>, <tel:+13035550104>`,
		AssertedNumber, "+13035550103,+13035550104"},
	{`Diversion: <sip:+13035550105@x.net>;reason=no-answer;counter=2, <sip:+13035550106@x.net>`,
		DivertedNumber, "+13035550105"},
	{`Diversion: <sip:+13035550105@x.net>;reason=no-answer;counter=2`, DivertedReason, "no-answer"},
	{`P-Charging-Vector: icid-value="abc";orig-ioi=home1.net;term-ioi=home2.net`,
		ChargingOperator, "home1.net,home2.net"},
	{`P-Charging-Vector: icid-value="abc";orig-ioi=home1.net`, ChargingVector, "abc"},
	{`Privacy: id;header`, PrivacyValue, "id,header"},
	{`Privacy: "id";Unknown`, PrivacyValue, "id,other"},
	{`History-Info: <sip:+13035550120@x.net?Privacy=none>;index=1, <sip:+13035550121@x.net?Privacy=secret>;index=1.1`,
		HistoryNumber, "+13035550120,anonymous"},
	{`History-Info: <sip:+13035550120@x.net?Privacy=%22History%22>;index=1, <sip:+13035550121@x.net?Privacy=>;index=1.1`,
		HistoryNumber, "anonymous,anonymous"},
	{`Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00`, SessionUUID, "ab30317f1a784dc48ff824d0d3715d86"},
	{`Contact: <sip:alice@192.0.2.9:5099>;+sip.instance="<urn:uuid:1>";reg-id=1`, ContactPort, "5099"},
	{`Contact: <sip:alice@192.0.2.9:5099>;+sip.instance="<urn:uuid:1>";reg-id=1`, InstanceID, "urn:uuid:1"},
	{`Geolocation: <cid:x@example.net>`, LocationSeen, "1"},
	{`Replaces: other@host;to-tag=1;from-tag=2`, ReplacedCall, "other@host"},
	{`Identity: eyJ4NXUiOiJodHRwczovL2NlcnQuZXhhbXBsZS5uZXQvYSJ9.eyJhdHRlc3QiOiJCIiwib3JpZ2l` +
		`kIjoiMTIzIiwiaWF0IjoxNzAwMDAwMDAwfQ.c2ln;info=<https://x>;ppt=shaken`, Attestation, "B"},
	{`Identity: eyJ4NXUiOiJodHRwczovL2NlcnQuZXhhbXBsZS5uZXQvYSJ9.eyJhdHRlc3QiOiJCIiwib3JpZ2l` +
		`kIjoiMTIzIiwiaWF0IjoxNzAwMDAwMDAwfQ.c2ln;info=<https://x>`, CertificateHost, "cert.example.net"},
	{passport(`{}`, `{"attest":"A","origid":"0C6E9C3A-1F4E-4D6A-9B0D-5D2C1E1F0A11"}`), OriginationID,
		"0c6e9c3a-1f4e-4d6a-9b0d-5d2c1e1f0a11"},
	{passport(`{}`, `{"attest":"A","origid":"call +13035550101"}`), OriginationID, ""},
	{passport(`{"ppt":"div"}`, `{"attest":"A"}`), Attestation, ""},
	{passport(`{}`, `{"attest":"A"}`) + `;ppt="div"`, Attestation, ""},
	{passport(`{}`, `{"attest":"A"}`) + `;ppt=rph`, UnreadIdentity, ""},
	{passport(`{}`, `{"attest":"A"}`) + ";ppt=div\n" + passport(`{}`, `{"attest":"C"}`) + ";ppt=shaken", Attestation, "C"},
	{passport(`{}`, `{"attest":"D"}`), UnreadIdentity, "1"},
	{passport(`{"x5u":"https://cert.example.net:8443/+13035550101.pem?a=b"}`, `{"attest":"C","iat":1700000000}`),
		CertificateHost, "cert.example.net"},
	{passport(`{}`, `{"attest":"C","iat":1700000000}`), IssuedAt, "1700000000"},
	{"Identity: x.!!!.z;info=<https://x>\n" + passport(`{}`, `{"attest":"B"}`), Attestation, "B"},
	{`Identity: x.!!!.z;info=<https://x>`, UnreadIdentity, "1"},
	{`From: <sip:+13035550101;isup-oli=27@example.net>;tag=x`, LineInfo, "27"},
	{`From: <sip:+13035550101@example.net>;tag=x`, CallerTag, "x"},
	{`Call-ID: a84b4c@host`, CallIDText, "a84b4c@host"},
	{`To: <sip:+13035550102@Example.net:5062>`, CalledHost, "Example.net"},
	{`To: <urn:service:SOS.fire>`, CalledService, "urn:service:sos.fire"},
	{`INVITE sip:+13035550102;npdi;rn=+13035550000;cic=+15022@example.org`, DialedNumber, "+13035550102"},
	{`INVITE sip:+13035550102;npdi;rn=+13035550000;cic=+15022@example.org`, DialedHost, "example.org"},
	{`INVITE sip:+13035550102;npdi;rn=+13035550000;cic=+15022@example.org`, RoutingNumber, "+13035550000"},
	{`INVITE sip:+13035550102;npdi;rn=+13035550000;cic=+15022@example.org`, CarrierCode, "+15022"},
	{`INVITE sip:+13035550102;npdi;rn=+13035550000;cic=+15022@example.org`, PortingDip, "1"},
	{`INVITE URN:service:sos`, DialedService, "urn:service:sos"},
	{`Contact: <sip:a;tgrp=tg44;trunk-context=carrier.example@192.0.2.9>`, TrunkContext, "carrier.example"},
	{`Contact: <sip:alice@192.0.2.9:5099>;+sip.instance="<urn:uuid:1>";reg-id=1`, ContactUser, "alice"},
	{`Contact: <sip:alice@192.0.2.9:5099>;+sip.instance="<urn:uuid:1>";reg-id=1`, ContactHost, "192.0.2.9"},
	{`Contact: <sip:alice@192.0.2.9:5099>;+sip.instance="<urn:uuid:1>";reg-id=1`, RegID, "1"},
	{`Refer-To: "B" <sip:+13035550116@x.net?Replaces=a84b%40host%3Bto-tag%3D1>`, TransferTarget, "+13035550116"},
	{`Refer-To: "B" <sip:+13035550116@x.net?Replaces=a84b%40host%3Bto-tag%3D1>`, ReplacedCall, "a84b@host"},
	{`User-Agent: Yealink SIP-T46S 66.85.0.5`, UserAgentText, "Yealink SIP-T46S 66.85.0.5"},
	{`Server: kamailio (5.7.2)`, ServerText, "kamailio (5.7.2)"},
	{`Authorization: Digest username="alice", realm="example.net", nonce="n", response="r", algorithm=SHA-256`,
		AuthUser, "alice"},
	{`Proxy-Authorization: Digest username="alice", realm="example.net", nonce="n", response="r", algorithm=MD5`,
		AuthRealm, "example.net"},
	{`Proxy-Authorization: Digest username="alice", realm="example.net", nonce="n", response="r", algorithm=MD5`,
		AuthAlgorithm, "MD5"},
	{"Via: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK1;received=198.51.100.7\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK0",
		ViaSentBy, "192.0.2.10:5062"},
	{"Via: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK1;received=198.51.100.7", ViaReceived, "198.51.100.7"},
	{"Record-Route: <sip:p1.example.net;lr>, <sip:p2.example.net;lr>\nRoute: <sip:p3.example.net>\n" +
		"Path: <sip:p4.example.net>\nService-Route: <sip:p5.example.net>", RouteHost,
		"p1.example.net,p2.example.net,p3.example.net,p4.example.net,p5.example.net"},
	{`Priority: Emergency`, PriorityEmergency, "1"},
	{`Priority: urgent`, PriorityEmergency, ""},
	{`Resource-Priority: esnet.1, wps.0`, ResourcePriorityText, "esnet.1, wps.0"},
	{`P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=1`, AccessNetworkSeen, "1"},
	{`P-Visited-Network-ID: "visited.example"`, VisitedNetworkText, `"visited.example"`},
	{"Supported: 100rel, timer\nRequire: replaces\nProxy-Require: privacy", SupportedText,
		"100rel, timer,replaces,privacy"},
	{"Allow: INVITE, ACK\nAllow-Events: refer", AllowText, "INVITE, ACK,refer"},
	{offered, MediaType, "audio,video"},
	{offered, MediaCodec, "PCMU,PCMA,VP8"},
	{offered, MediaAddress, "192.0.2.10"},
	{offered, MediaProfile, "RTP/SAVP"},
	{offered, MediaCrypto, "sdes"},
	{offered, CandidateSeen, "1"},
	{offered, OriginSession, "2890844526 192.0.2.10"},
	{`Identity: x.` + strings.Repeat("A", 5000) + `.z`, UnreadIdentity, ""},
}

// offered is an INVITE with a session description.
const offered = "Content-Type: application/sdp\n| v=0\n| o=- 2890844526 1 IN IP4 192.0.2.10\n| c=IN IP4 192.0.2.10\n" +
	"| m=audio 4000 RTP/SAVP 0 8\n| a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:key\n" +
	"| a=candidate:1 1 UDP 2130706431 192.0.2.10 4000 typ host\n| m=video 4002 RTP/SAVP 96\n| a=rtpmap:96 VP8/90000\n"

func TestFactsAreWhatTheHeadersHold(t *testing.T) {
	for _, c := range headerCases {
		var got []string
		for v := range new(Gather).Invite(invite(t, c.header)).All(c.fact) {
			got = append(got, string(v))
		}
		if s := strings.Join(got, ","); s != c.want {
			t.Errorf("%.40s: fact %d is %q, want %q", c.header, c.fact, s, c.want)
		}
	}
}

// elsewhere are the Facts that no header of an INVITE gives, with the test that has them.
var elsewhere = map[Fact]string{
	CalleeTag:        "TestFactsOfOtherMessages",
	RegisteredNumber: "TestFactsOfOtherMessages",
	RegisteredHost:   "TestFactsOfOtherMessages",
	contactMark:      "TestExpiriesAreReadAsTheyAre",
	DeviceKeyText:    "sip/devices: TestDevicesAreKnownByInstanceThenHardwareThenBinding",
	Frozen:           "sip/track: TestAnAnswerAfterARestartNamesItsDialog",
}

// TestEveryFactHasACase fails for a Fact that was added without a case in headerCases.
func TestEveryFactHasACase(t *testing.T) {
	has := map[Fact]bool{}
	for _, c := range headerCases {
		has[c.fact] = has[c.fact] || c.want != ""
	}
	for f := Fact(1); f < Count; f++ {
		if test := elsewhere[f]; has[f] == (test != "") {
			t.Errorf("fact %d: a case in headerCases is %t, one in another test %q; want one of them", f, has[f], test)
		}
	}
}

func TestFactsOfOtherMessages(t *testing.T) {
	m := invite(t, "To: <sip:+13035550102@example.net>;tag=y")
	registered, _, _ := new(Gather).Register(m)
	for _, c := range []struct {
		fs   Facts
		fact Fact
		want string
	}{
		{new(Gather).Inside(m), CalleeTag, "y"}, {new(Gather).Answer(Facts{}, m), CalleeTag, "y"},
		{registered, RegisteredNumber, "+13035550102"}, {registered, RegisteredHost, "example.net"},
	} {
		if got := string(c.fs.First(c.fact)); got != c.want {
			t.Errorf("fact %d is %q, want %q", c.fact, got, c.want)
		}
	}
}

// TestEveryHeaderHasACase fails for a header that is read without a case in headerCases.
func TestEveryHeaderHasACase(t *testing.T) {
	has := map[sip.Header]bool{}
	for _, c := range headerCases {
		m := invite(t, c.header)
		for _, s := range m.Spans[:m.N] {
			has[s.Header] = true
		}
	}
	for h := sip.Header(1); h < sip.Headers; h++ {
		if readers[h] != nil && !has[h] {
			t.Errorf("header %d is read, and no case in headerCases has it", h)
		}
	}
}

// passport returns an Identity line with a PASSporT of that header and payload.
func passport(header, payload string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return "Identity: " + b64([]byte(header)) + "." + b64([]byte(payload)) + ".c2ln;info=<https://cert.example.net/a>"
}

func TestReplacesInsideReferToIsRead(t *testing.T) {
	got := Replaced([]byte("<sip:+13035550101@x.net?Replaces=a84b%40host%3Bto-tag%3D1%3Bfrom-tag%3D2&X=1>"))
	if string(got) != "a84b@host" {
		t.Errorf("Call-ID is %q", got)
	}
}
