package cpni

import (
	"sipsieve/sip"
	"sipsieve/sip/track"
)

// Closed sets of RFC 5806 section 6, of the cpc parameter, of ANI II and of RFC 3323 section 4.2.
var (
	diversionReasons = []string{"unknown", "user-busy", "no-answer", "unavailable", "unconditional", "time-of-day",
		"do-not-disturb", "deflection", "follow-me", "out-of-service", "away"}
	callerCategories = []string{"ordinary", "priority", "payphone", "prison", "hotel", "hospital", "operator", "police",
		"test", "data", "cellular", "cellular-roaming", "unknown"}
	lineCodes = []string{"00", "01", "02", "06", "07", "20", "23", "24", "25", "27", "29", "30", "31", "32", "34",
		"52", "60", "61", "62", "63", "66", "67", "68", "70", "93"}
	privacyWords = []string{"none", "header", "session", "user", "id", "critical", "history"}
	verstatWords = []string{"TN-Validation-Passed", "TN-Validation-Failed", "No-TN-Validation"}
	attestWords  = []string{"A", "B", "C", "invalid"}
)

// partyFields are who calls whom, who pays, and what the call claims of itself.
var partyFields = map[string]extractor{
	"caller_number":          tel(track.CallerNumber, sip.From),
	"caller_name":            present(track.CallerName, sip.From),
	"caller_domain":          text(track.CallerHost, sip.From),
	"called_number":          tel(track.CalledNumber, sip.To),
	"dialed_number":          {dialed, []sip.Header{sip.RequestURI}},
	"dialed_domain":          text(track.DialedHost, sip.RequestURI),
	"asserted_number":        tel(track.AssertedNumber, sip.PAssertedIdentity),
	"claimed_numbers":        tel(track.ClaimedNumber, sip.PPreferredIdentity, sip.RemotePartyID),
	"diversion_number":       tel(track.DivertedNumber, sip.Diversion),
	"diversion_reason":       among(track.DivertedReason, diversionReasons, sip.Diversion),
	"diversion_count":        integer(track.DivertedCount, sip.Diversion),
	"history_info_number":    tel(track.HistoryNumber, sip.HistoryInfo, sip.PCalledPartyID),
	"referred_by_number":     tel(track.ReferredByNumber, sip.ReferredBy),
	"transfer_target_number": tel(track.TransferTarget, sip.ReferTo),
	"calling_party_category": among(track.CallerCategory, callerCategories, sip.From, sip.PAssertedIdentity),
	"originating_line_info":  among(track.LineInfo, lineCodes, sip.From, sip.PAssertedIdentity),
	"privacy_flags":          allAmong(track.PrivacyValue, privacyWords, sip.Privacy),
	"charge_number":          tel(track.ChargeNumber, sip.PChargeInfo),
	"charging_vector_icid":   text(track.ChargingVector, sip.PChargingVector),
	"charging_vector_ioi":    text(track.ChargingOperator, sip.PChargingVector),
	"carrier_id_code":        text(track.CarrierCode, sip.RequestURI),
	"routing_number":         tel(track.RoutingNumber, sip.RequestURI),
	"porting_dip_done":       {portingDip, []sip.Header{sip.RequestURI}},
	"trunk_in":               text(track.TrunkGroup, sip.RequestURI, sip.Contact),
	"destination_country":    {destinationCountry, []sip.Header{sip.RequestURI}},
	"destination_area":       {destinationArea, []sip.Header{sip.RequestURI}},
	"origin_country":         {originCountry, []sip.Header{sip.From, sip.PAssertedIdentity}},
	"call_type":              {callType, []sip.Header{sip.RequestURI, sip.From}},
	"emergency_call":         {func(in *inside) Value { return truth(in.emergency()) }, []sip.Header{sip.RequestURI}},
	"emergency_location":     present(track.LocationSeen, sip.Geolocation),
	"resource_priority":      text(track.ResourcePriorityText, sip.ResourcePriority),
	"access_network_info":    present(track.AccessNetworkSeen, sip.PAccessNetworkInfo),
	"visited_network":        text(track.VisitedNetworkText, sip.PVisitedNetworkID),
	"stir_attestation":       among(track.Attestation, attestWords, sip.Identity),
	"stir_origination_id":    text(track.OriginationID, sip.Identity),
	"stir_certificate_host":  text(track.CertificateHost, sip.Identity),
	"stir_verification":      among(track.Verification, verstatWords, sip.From, sip.PAssertedIdentity),
	"stir_issued_at":         {issuedAt, []sip.Header{sip.Identity}},
	"registered_number":      tel(track.RegisteredNumber, sip.To),
}

// dialed is what the Request-URI asked for: a number, or the literal of a service.
func dialed(in *inside) Value {
	if in.facts.First(track.DialedService) != nil {
		return Value{Known: true, Text: Hide("non_e164")}
	}
	user := in.facts.First(track.DialedNumber)
	if in.numbers.Category(string(user), "") == "emergency" {
		return hide(user) // a short code of everybody's, not a subscriber's number
	}
	return in.tel(user)
}

func (in *inside) emergency() bool {
	if in.facts.First(track.DialedService) != nil || in.facts.First(track.PriorityEmergency) != nil {
		return true
	}
	return in.numbers.Category(string(in.facts.First(track.DialedNumber)), "") == "emergency"
}

func destinationCountry(in *inside) Value {
	return word(in.numbers.Country(in.e164(track.DialedNumber)))
}

func destinationArea(in *inside) Value {
	return hide([]byte(in.numbers.Area(in.e164(track.DialedNumber))))
}

func originCountry(in *inside) Value {
	from := in.e164(track.AssertedNumber)
	if from == "" {
		from = in.e164(track.CallerNumber)
	}
	return word(in.numbers.Country(from))
}

func callType(in *inside) Value {
	if in.emergency() {
		return word("emergency")
	}
	return word(in.numbers.CallType(in.e164(track.CallerNumber), string(in.facts.First(track.DialedNumber)),
		in.e164(track.DialedNumber)))
}

func portingDip(in *inside) Value {
	if in.facts.First(track.DialedNumber) == nil {
		return Value{}
	}
	return truth(in.facts.First(track.PortingDip) != nil)
}

func issuedAt(in *inside) Value {
	v := integer(track.IssuedAt).read(in)
	v.N *= 1e6
	return v
}
