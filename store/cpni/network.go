package cpni

import (
	"encoding/hex"
	"net/netip"

	"sipsieve/capture"
	"sipsieve/sip"
	"sipsieve/sip/track"
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
	"call_id":     text(track.CallIDText),
	"dialog_tags": text(track.CallerTag),
	"via_sent_by": text(track.ViaSentBy, sip.Via),
	"via_received": {func(in *inside) Value {
		return addressText(in.first(track.ViaReceived))
	}, []sip.Header{sip.Via}},
	"via_hops":            {func(in *inside) Value { return positive(in.vias) }, nil},
	"transport":           {func(in *inside) Value { return word(in.flow.Transport.String()) }, nil},
	"record_route_hosts":  texts(track.RouteHost, sip.RecordRoute, sip.Route, sip.Path, sip.ServiceRoute),
	"option_tags":         allAmong(track.SupportedText, optionWords, sip.Supported, sip.Require, sip.ProxyRequire),
	"allow_methods":       allAmong(track.AllowText, methodWords, sip.Allow, sip.AllowEvents),
	"event_package":       among(track.EventText, eventWords, sip.Event),
	"auth_user":           text(track.AuthUser, sip.Authorization, sip.ProxyAuthorization),
	"auth_realm":          text(track.AuthRealm, sip.Authorization, sip.ProxyAuthorization),
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

// capturePoint is the configured source that saw it. A capture file names interfaces too: as somebody wrote them.
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
