package cpni

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sipsieve/capture"
	"sipsieve/sip/event"
	"sipsieve/sip/facts"
)

// fieldCases are the values of every field that is extracted, of each kind of record: those of the Events of fullEvents.
// Times are Unix microseconds.
var fieldCases = map[string]map[string]string{
	"call": {
		"caller_number": "+13035550101", "caller_name": "present", "caller_domain": "example.net",
		"called_number": "+13035550102", "dialed_number": "+13035550102", "dialed_domain": "example.org",
		"asserted_number": "+13035550103", "claimed_numbers": "+13035550112", "diversion_number": "+13035550105",
		"diversion_reason": "no-answer", "diversion_count": "2", "history_info_number": "+13035550120",
		"referred_by_number": "+13035550115", "transfer_target_number": "+13035550116",
		"calling_party_category": "payphone", "originating_line_info": "27", "privacy_flags": "id",
		"account_id": "acme", "charge_number": "+13035550114", "charging_vector_icid": "abc123",
		"charging_vector_ioi": "home1.net", "carrier_id_code": "+15022", "routing_number": "+13035550000",
		"porting_dip_done": "1", "trunk_in": "in", "setup_time": "1767603600000000", "ring_time": "1767603602000000",
		"answer_time": "1767603604000000", "end_time": "1767603664000000", "duration_ms": "60000", "ring_ms": "2000",
		"pdd_ms": "1000", "direction": "inbound", "call_type": "emergency", "disposition": "answered",
		"disconnect_by": "callee", "retransmissions": "1", "destination_country": "US", "destination_area": "+1303",
		"origin_country": "US", "sip_method": "INVITE", "sip_code": "200", "q850_cause": "16",
		"call_id": "1@example.net", "dialog_tags": "a", "via_sent_by": "192.0.2.10:5062",
		"via_received": "198.51.100.7", "via_hops": "1", "transport": "udp", "record_route_hosts": "p1.example.net",
		"option_tags": "100rel,timer", "allow_methods": "INVITE,ACK", "session_expires": "1800",
		"event_package": "dialog", "user_agent": "Yealink SIP-T46S 66.85.0.5",
		"device_instance_id": "urn:uuid:00000000-0000-1000-8000-001565aabbcc", "device_mac": "001565aabbcc",
		"contact_user": "+13035550101;tgrp=tg44;trunk-context=carrier.example", "contact_address": "192.0.2.9",
		"access_network_info": "present", "visited_network": "visited.example", "emergency_call": "1",
		"emergency_location": "present", "resource_priority": "esnet.1", "stir_attestation": "B",
		"stir_origination_id": "0c6e9c3a-1f4e-4d6a-9b0d-5d2c1e1f0a11", "stir_certificate_host": "cert.example.net",
		"stir_verification": "TN-Validation-Passed", "stir_issued_at": "1700000000000000", "auth_user": "alice",
		"auth_realm": "example.net", "media_types": "audio", "media_codecs": "PCMU", "media_address": "192.0.2.11",
		"media_profile": "RTP/SAVP", "sdp_origin_session": "1 192.0.2.10", "ice_candidates": "present",
		"media_encrypted": "sdes", "source_address": "192.0.2.10", "destination_address": "192.0.2.1",
		"source_port": "5060", "link_address": "020000000001", "vlan_id": "7", "capture_point": "eth0",
		"trunk_out": "out", "progress_time": "1767603601000000", "setup_ms": "4000", "end_cause": "normal",
		"end_time_source": "observed", "early_media": "1", "forks": "4", "auth_challenges": "2", "holds": "6",
		"transfer": "blind", "correlation": "session_id", "correlation_score": "95", "redirects": "3",
		"reinvites": "5", "hold_ms": "5000", "call_flags": "second_fork", "device_vendor": "yealink",
		"device_model": "T46S", "device_firmware": "66.85.0.5", "device_kind": "phone", "device_flags": "0",
		"billable": "1",
	},
	"registration": {
		"account_id": "acme", "trunk_in": "in", "retransmissions": "1", "sip_method": "REGISTER", "sip_code": "200",
		"call_id": "1@x", "via_received": "198.51.100.7", "via_hops": "1", "transport": "udp",
		"user_agent":         "Yealink SIP-T46S 66.85.0.5",
		"device_instance_id": "urn:uuid:00000000-0000-1000-8000-001565aabbcc", "device_reg_id": "1",
		"device_mac": "001565aabbcc", "contact_user": "+13035550101;tgrp=tg44;trunk-context=carrier.example",
		"contact_address": "192.0.2.9", "registered_number": "+13035550101", "registration_expires": "3600",
		"registration_state": "registered", "access_network_info": "present", "visited_network": "visited.example",
		"auth_user": "alice", "auth_realm": "example.net", "source_address": "192.0.2.10", "source_port": "5060",
		"link_address": "020000000001", "vlan_id": "7", "capture_point": "eth0", "auth_challenges": "1",
		"device_vendor": "yealink", "device_model": "T46S", "device_firmware": "66.85.0.5", "device_kind": "phone",
		"device_flags": "0", "refreshes": "2", "event_time": "1767603600000000",
	},
	"device": {
		"account_id": "acme", "trunk_in": "in", "transport": "udp", "user_agent": "Yealink SIP-T46S 66.85.0.5",
		"device_instance_id": "urn:uuid:00000000-0000-1000-8000-001565aabbcc", "device_mac": "001565aabbcc",
		"registered_number": "+13035550101", "media_codecs": "PCMU", "source_address": "192.0.2.10",
		"capture_point": "eth0", "device_vendor": "yealink", "device_model": "T46S", "device_firmware": "66.85.0.5",
		"device_kind": "phone", "device_flags": "many_aors", "first_seen": "1767600000000000",
		"last_seen": "1767603600000000", "event_time": "1767603600000000",
	},
}

// fullHeaders are those of an INVITE that has what every field of a call is read from.
const fullHeaders = `From: "A. Name" <sip:+13035550101;cpc=payphone;isup-oli=27;verstat=TN-Validation-Passed@example.net>;tag=a
To: <sip:+13035550102@example.net>
Via: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK1;received=198.51.100.7
Contact: <sip:+13035550101;tgrp=tg44;trunk-context=carrier.example@192.0.2.9:5099>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-001565aabbcc>";reg-id=1
P-Asserted-Identity: <sip:+13035550103@example.net>
Remote-Party-ID: <sip:+13035550112@x.net>;privacy=off
P-Charge-Info: <sip:+13035550114@x.net>
Diversion: <sip:+13035550105@x.net>;reason=no-answer;counter=2
History-Info: <sip:+13035550120@x.net>;index=1
Referred-By: <sip:+13035550115@x.net>
Refer-To: <sip:+13035550116@x.net?Replaces=a84b%40host>
Privacy: id
P-Charging-Vector: icid-value="abc123";orig-ioi=home1.net;term-ioi=home2.net
Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00
Identity: eyJ4NXUiOiJodHRwczovL2NlcnQuZXhhbXBsZS5uZXQvYSJ9.eyJhdHRlc3QiOiJCIiwib3JpZ2lkIjoiMGM2ZTljM2EtMWY0ZS00ZDZhLTliMGQtNWQyYzFlMWYwYTExIiwiaWF0IjoxNzAwMDAwMDAwfQ.c2ln;info=<https://x>
User-Agent: Yealink SIP-T46S 66.85.0.5
Server: kamailio (5.7.2)
Authorization: Digest username="alice", realm="example.net", nonce="n", response="r", algorithm=MD5
Geolocation: <cid:x@example.net>
Priority: emergency
Resource-Priority: esnet.1
P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=1
P-Visited-Network-ID: visited.example
Record-Route: <sip:p1.example.net;lr>
Supported: 100rel, timer
Allow: INVITE, ACK
Event: dialog`

// textOf returns what v holds, as text.
func textOf(v *Value) string {
	switch {
	case !v.Known():
		return ""
	case v.words != nil:
		return strings.Join(v.words, ",")
	case v.word != "":
		return v.word
	case v.texts != nil:
		var all []string
		for _, x := range v.texts {
			all = append(all, Reveal(x))
		}
		return strings.Join(all, ",")
	case v.text != Hidden{}:
		return Reveal(v.text)
	}
	return fmt.Sprint(v.n)
}

// fullEvents returns an Event of each kind with a value for every field.
func fullEvents(t *testing.T) []*event.Event {
	t.Helper()
	start := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	call := eventOf(t, sent{uri: "sip:+13035550102;npdi;rn=+13035550000;cic=+15022@example.org",
		headers: fullHeaders, vlan: 7})
	c := call.Call
	c.Progress, c.Ring, c.Answer, c.End = start.Add(time.Second), start.Add(2*time.Second), start.Add(4*time.Second),
		start.Add(64*time.Second)
	c.Disposition, c.Code, c.Cause, c.EndCause, c.EndSource = event.Answered, 200, 16, event.EndNormal, event.Observed
	c.DisconnectBy, c.Status, c.Missing, c.Completeness = event.Callee, event.Complete, 0, 100
	c.Flags, c.Transfer, c.Held, c.EarlyMedia = event.SecondFork, event.Blind, 5*time.Second, true
	c.Retransmissions, c.Challenges, c.Redirects, c.Forks, c.Reinvites, c.Holds, c.SessionExpires = 1, 2, 3, 4, 5, 6, 1800
	c.Link, c.Point = [6]byte{2, 0, 0, 0, 0, 1}, "eth0"
	c.Onward = capture.Flow{Src: port("", "192.0.2.1"), Dst: port("", "192.0.2.2"), Transport: capture.UDP}
	c.Join = event.Join{Best: event.SessionIDCorrelation,
		Ties: []event.Tie{{By: event.SessionIDCorrelation, Group: event.Key{1}}}}
	for f, v := range map[facts.Fact]string{facts.CalleeTag: "b", facts.MediaType: "audio", facts.MediaCodec: "PCMU",
		facts.MediaProfile: "RTP/SAVP", facts.MediaCrypto: "sdes", facts.MediaAddress: "192.0.2.11",
		facts.CandidateSeen: "1", facts.OriginSession: "1 192.0.2.10"} {
		c.Facts.Append(f, []byte(v))
	}
	registered := aRegistration(event.Registered, 1, map[facts.Fact]string{facts.RegisteredNumber: "+13035550101",
		facts.RegisteredHost: "example.net", facts.CallIDText: "1@x", facts.AuthUser: "alice"})
	r := registered.Registration
	r.Refreshes, r.Retransmissions, r.Challenges, r.Vias, r.VLAN, r.Link, r.Point = 2, 1, 1, 1, 7, c.Link, "eth0"
	r.Flow = c.Flow
	for _, f := range [...]facts.Fact{facts.UserAgentText, facts.InstanceID, facts.RegID, facts.ContactUser,
		facts.ContactHost,
		facts.ContactPort, facts.AuthRealm, facts.ViaReceived, facts.VisitedNetworkText, facts.AccessNetworkSeen} {
		r.Facts.Append(f, c.Facts.First(f))
	}
	d := &event.Device{At: start, FirstSeen: start.Add(-time.Hour), LastSeen: start, Flags: event.ManyAORs, Point: "eth0",
		Flow: c.Flow, VLAN: 7, Facts: r.Facts.Clone()}
	d.Facts.Append(facts.DeviceKeyText, []byte("instance 1"))
	d.Facts.Append(facts.MediaCodec, []byte("PCMU"))
	return []*event.Event{call, registered, {Time: start, Kind: event.DeviceKind, Stage: event.Stop, Revision: 1, Device: d}}
}

// fullReader returns a Reader with the trunks and the capture point of fullEvents.
func fullReader(t *testing.T) *Reader {
	t.Helper()
	trunks, err := NewTrunks([]Trunk{
		{Name: "in", Direction: Inbound, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")}, Trusted: true,
			Account: "acme"},
		{Name: "out", Direction: Outbound, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.2/32")}}})
	if err != nil {
		t.Fatal(err)
	}
	x := NewReader("US")
	x.Map(trunks)
	x.Points([]string{"eth0"})
	return x
}

// TestEveryFieldHasACase fails for a field that is extracted without a case in fieldCases.
func TestEveryFieldHasACase(t *testing.T) {
	x := fullReader(t)
	for _, ev := range fullEvents(t) {
		r, _ := x.Record(ev)
		for f := range Field(Fields()) {
			if extractors[f].read == nil || !f.In(r.Kind()) || f.String() == "session_group" {
				continue // session_group is read by Record.Join, which has tests of its own
			}
			want, ok := fieldCases[r.Kind().String()][f.String()]
			if got := textOf(r.Get(f)); !ok || want == "" || got != want {
				t.Errorf("%s of a %s = %q, want %q: each field has a case in fieldCases", f, r.Kind(), got, want)
			}
		}
	}
	if n := x.Misfits(); n != 0 {
		t.Errorf("misfits = %d, want none", n)
	}
}
