package cpni

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"sipsieve/sip"
	"sipsieve/sip/facts"
	"sipsieve/sip/phone"
	"sipsieve/sip/syntax"
)

// Closed sets of RFC 5806 section 6, of the cpc parameter, of ANI II and of RFC 3323 section 4.2.
var (
	diversionReasons = []string{"unknown", "user-busy", "no-answer", "unavailable", "unconditional", "time-of-day",
		"do-not-disturb", "deflection", "follow-me", "out-of-service", "away"}
	callerCategories = []string{"ordinary", "priority", "payphone", "prison", "hotel", "hospital", "operator", "police",
		"test", "data", "cellular", "cellular-roaming", "unknown"}
	lineCodes = []string{"00", "01", "02", "06", "07", "20", "23", "24", "25", "27", "29", "30", "31", "32", "34",
		"52", "60", "61", "62", "63", "66", "67", "68", "70", "93"}
	verstatWords = []string{"TN-Validation-Passed", "TN-Validation-Failed", "No-TN-Validation"}
	attestWords  = []string{"A", "B", "C", "invalid"}
)

// priorityWords are the namespaces and values of the IANA register of Resource-Priority: RFC 4412, RFC 6401, RFC 7134
// and RFC 7135, those that a public network has.
var priorityWords = []string{"ets.0", "ets.1", "ets.2", "ets.3", "ets.4", "wps.0", "wps.1", "wps.2", "wps.3", "wps.4",
	"q735.0", "q735.1", "q735.2", "q735.3", "q735.4", "dsn.routine", "dsn.priority", "dsn.immediate", "dsn.flash",
	"dsn.flash-override", "drsn.routine", "drsn.priority", "drsn.immediate", "drsn.flash", "drsn.flash-override",
	"drsn.flash-override-override", "esnet.0", "esnet.1", "esnet.2", "esnet.3", "esnet.4"}

// partyFields are who calls whom, who pays, and what the call claims of itself. Where the caller's number is read,
// Remote-Party-ID is, too: it may request that the number be withheld.
var partyFields = map[string]extractor{
	"caller_number":          tel(facts.CallerNumber, sip.From, sip.RemotePartyID),
	"caller_name":            present(facts.CallerName, sip.From),
	"caller_domain":          text(facts.CallerHost, sip.From),
	"called_number":          tel(facts.CalledNumber, sip.To),
	"dialed_number":          {dialed, []sip.Header{sip.RequestURI}},
	"dialed_domain":          text(facts.DialedHost, sip.RequestURI),
	"asserted_number":        asserted(tel(facts.AssertedNumber, sip.PAssertedIdentity, sip.RemotePartyID)),
	"claimed_numbers":        tel(facts.ClaimedNumber, sip.PPreferredIdentity, sip.RemotePartyID),
	"diversion_number":       tel(facts.DivertedNumber, sip.Diversion),
	"diversion_reason":       among(facts.DivertedReason, diversionReasons, sip.Diversion),
	"diversion_count":        integer(facts.DivertedCount, 9999, sip.Diversion),
	"history_info_number":    tel(facts.HistoryNumber, sip.HistoryInfo, sip.PCalledPartyID),
	"referred_by_number":     tel(facts.ReferredByNumber, sip.ReferredBy),
	"transfer_target_number": tel(facts.TransferTarget, sip.ReferTo),
	"calling_party_category": among(facts.CallerCategory, callerCategories, sip.From, sip.PAssertedIdentity),
	"originating_line_info":  among(facts.LineInfo, lineCodes, sip.From, sip.PAssertedIdentity),
	"privacy_flags":          allAmong(facts.PrivacyValue, facts.PrivacyWords, sip.Privacy),
	"charge_number":          asserted(tel(facts.ChargeNumber, sip.PChargeInfo, sip.RemotePartyID)),
	"charging_vector_icid":   text(facts.ChargingVector, sip.PChargingVector),
	"charging_vector_ioi":    text(facts.ChargingOperator, sip.PChargingVector),
	"carrier_id_code":        {carrierCode, []sip.Header{sip.RequestURI}},
	"routing_number":         tel(facts.RoutingNumber, sip.RequestURI),
	"porting_dip_done":       {portingDip, []sip.Header{sip.RequestURI}},
	"destination_country":    {destinationCountry, []sip.Header{sip.RequestURI}},
	"destination_area":       {destinationArea, []sip.Header{sip.RequestURI}},
	"origin_country": {originCountry, []sip.Header{sip.From, sip.PAssertedIdentity, sip.RemotePartyID,
		sip.PPreferredIdentity}},
	"call_type": {callType, []sip.Header{sip.RequestURI, sip.From, sip.PAssertedIdentity, sip.RemotePartyID,
		sip.PPreferredIdentity}},
	"emergency_call": {func(in *inside) Value { return truth(emergency(in)) },
		[]sip.Header{sip.RequestURI, sip.To, sip.Priority}},
	"emergency_location":    present(facts.LocationSeen, sip.Geolocation),
	"resource_priority":     {priority, []sip.Header{sip.ResourcePriority}},
	"access_network_info":   present(facts.AccessNetworkSeen, sip.PAccessNetworkInfo),
	"visited_network":       text(facts.VisitedNetworkText, sip.PVisitedNetworkID),
	"stir_attestation":      {attestation, []sip.Header{sip.Identity}},
	"stir_origination_id":   {origination, []sip.Header{sip.Identity}},
	"stir_certificate_host": text(facts.CertificateHost, sip.Identity),
	"stir_verification":     asserted(among(facts.Verification, verstatWords, sip.From, sip.PAssertedIdentity)),
	"stir_issued_at":        {issuedAt, []sip.Header{sip.Identity}},
	"registered_number":     tel(facts.RegisteredNumber, sip.To),
}

// dialed is the target of the Request-URI: a number, or the literal of a service.
func dialed(in *inside) Value {
	v := Value{}
	if in.first(facts.DialedService) != nil {
		v = shaped(phone.NonE164)
	} else if user := in.first(facts.DialedNumber); emergencyNumber(in, user) {
		v = shaped(phone.ShortCode(string(user))) // a short code of everybody's, not a subscriber's number
	} else {
		v = telOf(in, user)
	}
	if v.Known() && dialledEmergency(in) {
		v.category = "emergency"
	}
	return v
}

// emergency is whether help was called: by the service's urn or by a number of it, or by Priority. To still has what
// was dialled where the Request-URI was retargeted (RFC 6881 section 9.1).
func emergency(in *inside) bool {
	if in.help == notRead {
		in.help = no
		if isEmergency(in) {
			in.help = yes
		}
	}
	return in.help == yes
}

func isEmergency(in *inside) bool {
	return dialledEmergency(in) || in.first(facts.PriorityEmergency) != nil ||
		phone.IsEmergencyService(string(in.first(facts.CalledService))) || emergencyNumber(in, in.first(facts.CalledNumber))
}

// dialledEmergency is whether the Request-URI is that of an emergency service or number.
func dialledEmergency(in *inside) bool {
	return phone.IsEmergencyService(string(in.first(facts.DialedService))) ||
		emergencyNumber(in, in.first(facts.DialedNumber))
}

// emergencyNumber reports whether user is 911, 112, 933 or on the operator's list.
func emergencyNumber(in *inside, user []byte) bool {
	code := phone.ShortCode(string(user))
	return code != "" && (in.numbers.Category(code, "") == "emergency" || slices.Contains(in.own, code))
}

func destinationCountry(in *inside) Value {
	return country(in.numbers.Country(e164Of(in, facts.DialedNumber)))
}

func destinationArea(in *inside) Value {
	return shaped(in.numbers.Area(e164Of(in, facts.DialedNumber)))
}

// caller is the number by which the caller is placed: asserted by a trusted peer, else claimed, else of From.
func caller(in *inside) string {
	if n := e164Of(in, facts.AssertedNumber); n != "" && trusts(in) {
		return n
	}
	if n := e164Of(in, facts.ClaimedNumber); n != "" {
		return n
	}
	return e164Of(in, facts.CallerNumber)
}

func originCountry(in *inside) Value {
	return country(in.numbers.Country(caller(in)))
}

func callType(in *inside) Value {
	if emergency(in) {
		return word("emergency")
	}
	return word(in.numbers.CallType(caller(in), string(in.first(facts.DialedNumber)),
		e164Of(in, facts.DialedNumber)))
}

func portingDip(in *inside) Value {
	if in.first(facts.DialedNumber) == nil {
		return Value{}
	}
	return truth(in.first(facts.PortingDip) != nil)
}

// issuedAt is the iat of a PASSporT (RFC 8225 section 5.1.1). A time later than a day after the call is none: it may be
// any number.
func issuedAt(in *inside) Value {
	n, err := strconv.ParseInt(string(in.first(facts.IssuedAt)), 10, 64)
	if err != nil || n <= 0 || n > in.event.Time.Add(24*time.Hour).Unix() {
		return Value{}
	}
	return number(n * 1e6)
}

// origination is the origid of a PASSporT, unknown if it is no UUID.
func origination(in *inside) Value {
	if id := in.first(facts.OriginationID); syntax.IsUUID(string(id)) {
		return shaped(string(id))
	}
	return Value{}
}

// carrierCode is a carrier identification code: three or four digits, behind + and those of a country six at most
// (RFC 4694 section 4), so that it is no telephone number. Visual separators are cut.
func carrierCode(in *inside) Value {
	code := bytes.Map(func(r rune) rune {
		if r == '-' || r == '.' {
			return -1
		}
		return r
	}, in.first(facts.CarrierCode))
	if text := string(code); carrierShape(text) {
		return shaped(text)
	}
	return Value{}
}

func carrierShape(text string) bool {
	rest, global := strings.CutPrefix(text, "+")
	if global {
		return within(rest, &decimals, 4, 6)
	}
	return within(text, &decimals, 3, 4)
}

// attestation is the letter that a PASSporT claims, invalid when none could be read.
func attestation(in *inside) Value {
	if letter := in.first(facts.Attestation); letter != nil {
		return word(closed(letter, attestWords))
	}
	if in.first(facts.UnreadIdentity) != nil {
		return word("invalid")
	}
	return Value{}
}

// priority is the first value of Resource-Priority.
func priority(in *inside) Value {
	first, _, _ := bytes.Cut(in.first(facts.ResourcePriorityText), []byte(","))
	if first = bytes.TrimSpace(first); len(first) == 0 {
		return Value{}
	}
	return word(closed(first, priorityWords))
}
