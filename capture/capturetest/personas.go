package capturetest

import (
	"fmt"
	"math/rand/v2"
)

// personas are the header sets of a corpus, in the form of SBCs, a PBX and a soft switch.
var personas = [...]persona{
	{agent: "Oracle/9.2.0", invite: []header{
		{"Allow", "INVITE,ACK,CANCEL,BYE,PRACK,UPDATE,OPTIONS,INFO,REFER,NOTIFY"},
		{"Supported", "100rel,timer,replaces,histinfo"}, {"Accept", "application/sdp"}, {"Session-Expires", "1800;refresher=uac"},
		{"Min-SE", "90"}, {"P-Early-Media", "supported"}, {"Record-Route", "<sip:192.0.2.1:5060;lr>"},
		{"Route", "<sip:192.0.2.1:5060;lr>"}, {"X-Trunk", "7f31"}},
		other: []header{{"Supported", "timer"}}, reply: []header{{"Allow", allow}, {"Require", "timer"},
			{"Session-Expires", "1800;refresher=uac"}}},
	{agent: "SBC Core V11.01.00", invite: []header{
		{"Allow", "INVITE, ACK, CANCEL, BYE, REGISTER, REFER, INFO, SUBSCRIBE, NOTIFY, PRACK, UPDATE, OPTIONS"},
		{"Accept", "application/sdp, application/isup, application/dtmf-relay"}, {"Supported", "timer,100rel,precondition,replaces"},
		{"Session-Expires", "3600"}, {"Min-SE", "3600"}, {"Date", "Mon, 05 Jan 2026 09:00:00 GMT"},
		{"Content-Disposition", "session; handling=required"}, {"P-Access-Network-Info", "IEEE-802.3"},
		{"Record-Route", "<sip:192.0.2.1:5060;transport=udp;lr>"}},
		other: []header{{"Supported", "timer,100rel"}}, reply: []header{{"Allow", allow}, {"Accept", "application/sdp"}}},
	{agent: "FPBX-16.0.40(20.5.0)", invite: []header{
		{"Date", "Mon, 05 Jan 2026 09:00:00 GMT"}, {"Allow", "OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL"},
		{"Allow-Events", "presence, dialog, message-summary, refer"}, {"Supported", "100rel, timer, replaces, norefersub"},
		{"Session-Expires", "1800"}, {"Min-SE", "90"}, {"Accept", "application/sdp"}, {"Accept-Language", "en"},
		{"Priority", "normal"}},
		other: []header{{"Allow-Events", "presence"}}, reply: []header{{"Allow", allow}, {"Supported", "replaces, timer"}}},
	{agent: "FreeSWITCH-mod_sofia/1.10.12-release~64bit", invite: []header{
		{"Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY"},
		{"Supported", "timer, path, replaces"}, {"Allow-Events", "talk, hold, conference, refer"},
		{"Content-Disposition", "session"}, {"X-FS-Support", "update_display,send_info"}, {"Session-Expires", "600;refresher=uac"},
		{"Min-SE", "120"}, {"Accept", "application/sdp"}, {"Record-Route", "<sip:192.0.2.1;lr>"}},
		other: []header{{"Supported", "timer, path, replaces"}}, reply: []header{{"Allow", allow}, {"Allow-Events", "talk, hold"}}},
}

// identity returns the headers of one INVITE that identify the caller, as networks add them.
func identity(r *rand.Rand, s *scene) []header {
	caller, callee := s.party("caller"), s.party("callee")
	head := []header{
		{"P-Asserted-Identity", fmt.Sprintf("<sip:%s@voice.example.net;user=phone>", caller.number)},
		{"P-Charging-Vector", fmt.Sprintf("icid-value=%s;icid-generated-at=192.0.2.1;orig-ioi=example.net", token(s.callID, "icid"))},
		{"Session-ID", token(s.callID, "a") + token(s.callID, "b") + ";remote=00000000000000000000000000000000"},
	}
	switch r.IntN(8) {
	case 0:
		head = append(head, header{"Privacy", "id"})
	case 1:
		head = append(head, header{"Diversion", fmt.Sprintf("<sip:%s@192.0.2.1>;reason=unconditional;counter=1", fiction(r))})
	case 2:
		head = append(head, header{"History-Info", fmt.Sprintf("<sip:%s@192.0.2.1>;index=1", callee.number)})
	case 3:
		head = append(head, header{"Remote-Party-ID", fmt.Sprintf("<sip:%s@192.0.2.1>;party=calling;screen=yes;privacy=off",
			caller.number)})
	default:
		head = append(head, header{"P-Charge-Info", fmt.Sprintf("<sip:%s@192.0.2.1>", caller.number)})
	}
	return head
}
