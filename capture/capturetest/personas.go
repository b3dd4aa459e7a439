package capturetest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"sipsieve/capture/ladder"
)

// personas are the header sets of a corpus, in the form of SBCs, a PBX and a soft switch.
var personas = [...]ladder.Persona{
	{Agent: "Oracle/9.2.0", Invite: headers(
		"Allow", "INVITE,ACK,CANCEL,BYE,PRACK,UPDATE,OPTIONS,INFO,REFER,NOTIFY",
		"Supported", "100rel,timer,replaces,histinfo", "Accept", "application/sdp", "Session-Expires", "1800;refresher=uac",
		"Min-SE", "90", "P-Early-Media", "supported", "Record-Route", "<sip:192.0.2.1:5060;lr>",
		"Route", "<sip:192.0.2.1:5060;lr>", "X-Trunk", "7f31"),
		Other: headers("Supported", "timer"),
		Reply: headers("Allow", ladder.Allow, "Require", "timer",
			"Session-Expires", "1800;refresher=uac")},
	{Agent: "SBC Core V11.01.00", Invite: headers(
		"Allow", "INVITE, ACK, CANCEL, BYE, REGISTER, REFER, INFO, SUBSCRIBE, NOTIFY, PRACK, UPDATE, OPTIONS",
		"Accept", "application/sdp, application/isup, application/dtmf-relay", "Supported", "timer,100rel,precondition,replaces",
		"Session-Expires", "3600", "Min-SE", "3600", "Date", "Mon, 05 Jan 2026 09:00:00 GMT",
		"Content-Disposition", "session; handling=required", "P-Access-Network-Info", "IEEE-802.3",
		"Record-Route", "<sip:192.0.2.1:5060;transport=udp;lr>"),
		Other: headers("Supported", "timer,100rel"),
		Reply: headers("Allow", ladder.Allow, "Accept", "application/sdp")},
	{Agent: "FPBX-16.0.40(20.5.0)", Invite: headers(
		"Date", "Mon, 05 Jan 2026 09:00:00 GMT", "Allow", "OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL",
		"Allow-Events", "presence, dialog, message-summary, refer", "Supported", "100rel, timer, replaces, norefersub",
		"Session-Expires", "1800", "Min-SE", "90", "Accept", "application/sdp", "Accept-Language", "en",
		"Priority", "normal"),
		Other: headers("Allow-Events", "presence"),
		Reply: headers("Allow", ladder.Allow, "Supported", "replaces, timer")},
	{Agent: "FreeSWITCH-mod_sofia/1.10.12-release~64bit", Invite: headers(
		"Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY",
		"Supported", "timer, path, replaces", "Allow-Events", "talk, hold, conference, refer",
		"Content-Disposition", "session", "X-FS-Support", "update_display,send_info", "Session-Expires", "600;refresher=uac",
		"Min-SE", "120", "Accept", "application/sdp", "Record-Route", "<sip:192.0.2.1;lr>"),
		Other: headers("Supported", "timer, path, replaces"),
		Reply: headers("Allow", ladder.Allow, "Allow-Events", "talk, hold")},
}

// headers returns header lines of names and values in turn.
func headers(texts ...string) (list []ladder.Header) {
	for i := 0; i < len(texts); i += 2 {
		list = append(list, ladder.Header{Name: texts[i], Value: texts[i+1]})
	}
	return list
}

// identity returns the headers of one INVITE that identify the caller, as networks add them.
func identity(r *rand.Rand, s *ladder.Scene) []ladder.Header {
	caller, callee := s.Party("caller").Number, s.Party("callee").Number
	own := ladder.Header{Name: "P-Charge-Info", Value: fmt.Sprintf("<sip:%s@192.0.2.1>", caller)}
	switch r.IntN(8) {
	case 0:
		own = ladder.Header{Name: "Privacy", Value: "id"}
	case 1:
		own = ladder.Header{Name: "Diversion", Value: fmt.Sprintf("<sip:%s@192.0.2.1>;reason=unconditional;counter=1", fiction(r))}
	case 2:
		own = ladder.Header{Name: "History-Info", Value: fmt.Sprintf("<sip:%s@192.0.2.1>;index=1", callee)}
	case 3:
		own.Name, own.Value = "Remote-Party-ID", fmt.Sprintf("<sip:%s@192.0.2.1>;party=calling;screen=yes;privacy=off", caller)
	}
	charging := "icid-value=" + ladder.Token(s.CallID, "icid") + ";icid-generated-at=192.0.2.1;orig-ioi=example.net"
	session := ladder.Token(s.CallID, "a") + ladder.Token(s.CallID, "b") + ";remote=" + strings.Repeat("0", 32)
	return append(headers("P-Asserted-Identity", fmt.Sprintf("<sip:%s@voice.example.net;user=phone>", caller),
		"P-Charging-Vector", charging, "Session-ID", session), own)
}
