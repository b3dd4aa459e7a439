package sip

import "strings"

// EmergencyService reports whether urn is that of an emergency service: urn:service:sos and those below it
// (RFC 5031 section 4.2), whatever parameters or components follow.
func EmergencyService(urn string) bool {
	const sos = "urn:service:sos"
	return len(urn) >= len(sos) && strings.EqualFold(urn[:len(sos)], sos) &&
		(len(urn) == len(sos) || strings.IndexByte(".;?#", urn[len(sos)]) >= 0)
}

// emergencyNumber reports whether digits, as dialled, are 911, 112 or 933 (the test of 911).
func emergencyNumber(digits string) bool {
	return digits == "911" || digits == "112" || digits == "933"
}

// ShortCode returns a number as dialled without what may stand around a short code: a + that some PBXs put before
// everything, parameters and visual separators (RFC 3966 section 5.1.1). It is for comparison with a list.
func ShortCode(dialled string) string {
	dialled, _, _ = strings.Cut(dialled, ";")
	dialled = strings.TrimPrefix(dialled, "+")
	if strings.ContainsAny(dialled, "-.() ") {
		dialled = strings.NewReplacer("-", "", ".", "", "(", "", ")", "", " ", "").Replace(dialled)
	}
	return dialled
}

// Category returns a word of a closed list for what was dialled: emergency (911, 112, 933 and urn:service:sos),
// toll_free, premium, shared_cost, other. e164 is what E164 made of dialled; "" without one.
func (n *Numbers) Category(dialled, e164 string) string {
	if emergencyNumber(ShortCode(dialled)) || EmergencyService(dialled) {
		return "emergency"
	}
	digits, cc := split(e164)
	switch {
	case cc == 0:
		return "other"
	case northAmerican(digits):
		return areaCategory(digits[1:4])
	}
	return n.place(e164).category
}

// areaCategory is the category of a number of the North American plan, by its area code.
func areaCategory(area string) string {
	switch area {
	case "800", "833", "844", "855", "866", "877", "888":
		return "toll_free"
	case "900":
		return "premium"
	}
	return "other"
}

// CallType returns emergency, toll_free, premium, international or toll. The last two need both numbers: toll is a
// call inside one country. Which of those is local or on_net only a dial plan can tell, so neither is returned; "" is
// unknown. caller and called are E.164 forms.
func (n *Numbers) CallType(caller, dialled, called string) string {
	switch c := n.Category(dialled, called); c {
	case "emergency", "toll_free", "premium":
		return c
	}
	from, to := n.Country(caller), n.Country(called)
	switch {
	case from == "" || to == "":
		return ""
	case from == to:
		return "toll"
	}
	return "international"
}

// anonymous reports whether user stands for a caller who hides: RFC 3323 section 4.1.1.3 and usage of carriers.
func anonymous(user string) bool {
	if user == "" || user[0] < 'A' {
		return false
	}
	for _, w := range [...]string{"anonymous", "restricted", "unavailable", "private", "unknown", "withheld"} {
		if strings.EqualFold(user, w) {
			return true
		}
	}
	return false
}
