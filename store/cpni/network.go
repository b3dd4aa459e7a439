package cpni

import (
	"encoding/hex"
	"net/netip"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/facts"
)

// Closed sets of RFC 3261 section 20 and the IANA registers of option tags, methods and event packages.
var (
	optionWords = []string{"100rel", "eventlist", "from-change", "gruu", "histinfo", "ice", "join", "norefersub",
		"outbound", "path", "precondition", "pref", "privacy", "replaces", "resource-priority", "sdp-anat", "sec-agree",
		"sips", "tdialog",
		"timer"}
	methodWords = []string{"INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "PRACK", "UPDATE", "INFO", "SUBSCRIBE",
		"NOTIFY", "REFER", "MESSAGE", "PUBLISH"}
	eventWords = []string{"presence", "dialog", "message-summary", "reg", "refer", "conference", "kpml",
		"as-feature-event",
		"ua-profile", "line-seize", "call-completion"}
)

// networkFields are how the signalling travelled.
var networkFields = map[string]extractor{
	"call_id":     text(facts.CallIDText),
	"dialog_tags": text(facts.CallerTag),
	"via_sent_by": text(facts.ViaSentBy, sip.Via),
	"via_received": {func(in *inside) Value {
		return addressText(in.first(facts.ViaReceived))
	}, []sip.Header{sip.Via}},
	"via_hops":            {func(in *inside) Value { return positive(in.vias) }, nil},
	"transport":           {func(in *inside) Value { return word(in.flow.Transport.String()) }, nil},
	"record_route_hosts":  texts(facts.RouteHost, sip.RecordRoute, sip.Route, sip.Path, sip.ServiceRoute),
	"option_tags":         allAmong(facts.SupportedText, optionWords, sip.Supported, sip.Require, sip.ProxyRequire),
	"allow_methods":       allAmong(facts.AllowText, methodWords, sip.Allow, sip.AllowEvents),
	"event_package":       among(facts.EventText, eventWords, sip.Event),
	"auth_user":           text(facts.AuthUser, sip.Authorization, sip.ProxyAuthorization),
	"auth_realm":          text(facts.AuthRealm, sip.Authorization, sip.ProxyAuthorization),
	"source_address":      {func(in *inside) Value { return address(in.flow.Src.Addr()) }, nil},
	"destination_address": {func(in *inside) Value { return address(in.flow.Dst.Addr()) }, nil},
	"source_port":         {func(in *inside) Value { return positive(int(in.flow.Src.Port())) }, nil},
	"link_address":        {func(in *inside) Value { return hardware(in.link) }, nil},
	"vlan_id":             {func(in *inside) Value { return positive(int(in.vlan)) }, nil},
	"capture_point":       {capturePoint, nil},
}

// Capture points that the configuration need not name.
const (
	filePoint  = "file"
	otherPoint = "other"
)

// capturePoint is the configured source that saw it. The names of interfaces in a capture file are not taken: they may
// be any text.
func capturePoint(in *inside) Value {
	switch p := in.point; {
	case p == "":
		return Value{}
	case in.origin == capture.File:
		return ours(filePoint)
	case in.reader.points[p]:
		return ours(p)
	}
	return ours(otherPoint)
}

func address(a netip.Addr) Value {
	if !a.IsValid() {
		return Value{}
	}
	return shaped(a.Unmap().String())
}

// addressText reads an address of a message; what is none is unknown.
func addressText(b []byte) Value {
	a, err := netip.ParseAddr(string(b))
	if err != nil {
		return Value{}
	}
	return address(a.WithZone(""))
}

// hardware returns a MAC address as twelve hexadecimal digits.
func hardware(mac [6]byte) Value {
	if mac == [6]byte{} {
		return Value{}
	}
	return shaped(hex.EncodeToString(mac[:]))
}
