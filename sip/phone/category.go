package phone

import "strings"

// Categories of what was dialled.
const (
	emergency  = "emergency"
	tollFree   = "toll_free"
	premium    = "premium"
	sharedCost = "shared_cost"
	other      = "other"
)

// IsEmergencyService reports whether urn is that of an emergency service: urn:service:sos and those below it
// (RFC 5031 section 4.2), whatever parameters or components follow.
func IsEmergencyService(urn string) bool {
	const sos = "urn:service:sos"
	return len(urn) >= len(sos) && strings.EqualFold(urn[:len(sos)], sos) &&
		(len(urn) == len(sos) || strings.IndexByte(".;?#", urn[len(sos)]) >= 0)
}

// isEmergency reports whether digits, as dialled, are 911, 112 or 933 (the test of 911).
func isEmergency(digits string) bool { return digits == "911" || digits == "112" || digits == "933" }

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

// areaCategory returns the category of a number of the North American plan, by its area code.
func areaCategory(area string) string {
	switch area {
	case "800", "833", "844", "855", "866", "877", "888":
		return tollFree
	case "900":
		return premium
	}
	return other
}

// isAnonymous reports whether user stands for a caller who withholds the number: RFC 3323 section 4.1.1.3 and usage of
// carriers.
func isAnonymous(user string) bool {
	if user == "" || user[0] < 'A' {
		return false
	}
	for _, w := range [...]string{Anonymous, "restricted", "unavailable", "private", "unknown", "withheld"} {
		if strings.EqualFold(user, w) {
			return true
		}
	}
	return false
}
